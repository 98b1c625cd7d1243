"""Tiny models with one head whose work is known, because it is set by hand.

Two dimensions of the stream are flags that nothing but embeddings (or image features) writes and
nothing but the known head reads: one marks what it looks at, the other which rows look. Every other
head stays random. Where the known head looks at a flag it writes towards one word.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from headbench.models.hf.adapter import HFModel, wrap
from helpers_tiny import (
    text_settings,
    tiny_llama,
    tiny_llava,
    tiny_llava_processor,
    tiny_tokenizer,
)

KNOWN = (1, 2)
"""Layer and head."""
AT, FROM = 1, 2
FLAG, STRONG = 5.0, 20.0
OWN_KEYS: dict[str, Any] = {"num_key_value_heads": 4}


class Marked(nn.Module):
    """A projector whose image tokens carry the flag: all of them, or chosen patches."""

    def __init__(self, inner: nn.Module, patches: Collection[int] | None) -> None:
        super().__init__()
        self.inner, self.patches = inner, patches

    def forward(self, features: Tensor) -> Tensor:
        out = self.inner(features).clone()
        out[..., [AT, FROM]] = 0.0
        chosen = range(out.shape[-2]) if self.patches is None else list(self.patches)
        out[..., list(chosen), AT] = 4 * FLAG  # features are larger than embeddings
        return out


def known_llama(
    looks_at: str, looks_from: str = "", says: str = "", *, sink: bool = True
) -> HFModel:
    """A language model whose known head looks at the words ``looks_at``.

    Args:
        looks_at: Words, with blanks between.
        looks_from: Words whose rows look; empty: all rows do.
        says: What the head writes towards; empty: nothing in particular.
        sink: Whether half of the other heads look at the first token.
    """
    if sink:
        model = tiny_llama(**OWN_KEYS)
    else:
        torch.manual_seed(0)
        model = LlamaForCausalLM(LlamaConfig(**text_settings(**OWN_KEYS))).eval()
    _set(model, model.model, looks_at, looks_from, says)
    return wrap(model, tiny_tokenizer(chat_template=True), attn="headbench")


def known_llava(
    store: dict[str, bytes], looks_from: str = "", patches: Collection[int] | None = None
) -> HFModel:
    """A model whose known head looks at the image, or at some patches of it."""
    model = tiny_llava(**OWN_KEYS)
    inner = model.model
    _set(model, inner.language_model, "", looks_from, "")
    inner.multi_modal_projector = Marked(inner.multi_modal_projector, patches)
    processor = tiny_llava_processor(chat_template=True)
    adapter = wrap(model, processor.tokenizer, processor, attn="headbench")
    adapter.bind(store.__getitem__)
    return adapter


@torch.no_grad()
def _set(
    model: PreTrainedModel, text: nn.Module, looks_at: str, looks_from: str, says: str
) -> None:
    ids = tiny_tokenizer().convert_tokens_to_ids
    embedding = model.get_input_embeddings().weight
    embedding[:, [AT, FROM]] = 0.0
    for words, flag in ((looks_at, AT), (looks_from, FROM)):
        for word in words.split():
            embedding[ids(word), flag] = FLAG
    for layer in text.layers:  # nobody writes the flags, nobody reads them
        for writer in (layer.self_attn.o_proj, layer.mlp.down_proj):
            writer.weight[[AT, FROM]] = 0.0
        attention, mlp = layer.self_attn, layer.mlp
        readers = (attention.q_proj, attention.k_proj, attention.v_proj)
        for reader in (*readers, mlp.gate_proj, mlp.up_proj):
            reader.weight[:, [AT, FROM]] = 0.0
    layer, head = KNOWN
    attention = text.layers[layer].self_attn
    size = attention.head_dim
    first, slow = head * size, head * size + size // 2 - 1  # the slowest rotary pair
    for projection in (attention.q_proj, attention.k_proj, attention.v_proj):
        projection.weight[first : first + size] = 0.0
        projection.bias[first : first + size] = 0.0
    if looks_from:
        attention.q_proj.weight[slow, FROM] = STRONG
        attention.q_proj.bias[slow - 1] = 2.0  # other rows rest on the first token, whose flag
        attention.k_proj.weight[slow - 1, 0] = 2.0  # is that of the sink
    else:
        attention.q_proj.bias[slow] = STRONG
    attention.k_proj.weight[slow, AT] = STRONG
    attention.v_proj.weight[first, AT] = STRONG
    if says:
        attention.o_proj.weight[:, first] = 4.0 * model.lm_head.weight[ids(says)]
        attention.o_proj.weight[[AT, FROM], first] = 0.0
