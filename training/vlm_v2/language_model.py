"""The language model: its shape, its initialisation, and what is planted in it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from training.vlm_v2.vocabulary import BOS, EOS, PAD, vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import LlamaConfig, LlamaForCausalLM

LAYERS, HEADS, HEAD_DIM, WIDTH, MLP_WIDTH = 3, 8, 32, 128, 256
ROPE_THETA = 1e5
MAX_POSITIONS = 4096

EMBEDDING_STD = 0.6
HEAD_STD = 0.05
"""Initial size of the vocabulary head, a small copy of the embeddings."""

PLANTED_DISTANCES: dict[int, int] = {0: 1, 1: 1, 2: 2, 3: 3}
"""Head of layer 0 -> how many positions back it attends."""
PLANTED_AMPLITUDE = 6.0
"""Length of each planted bias pair. The score at the planted distance then exceeds that at the next
distance by about 4."""


def build_config(layers: int = LAYERS, words: int | None = None) -> LlamaConfig:
    """The architecture, a standard Llama.

    Args:
        layers: How many.
        words: Entries of the vocabulary; version 1's if left out.
    """
    from transformers import LlamaConfig

    ids = vocabulary()
    return LlamaConfig(
        vocab_size=words or len(ids),
        hidden_size=WIDTH,
        intermediate_size=MLP_WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        head_dim=HEAD_DIM,
        max_position_embeddings=MAX_POSITIONS,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
        attention_bias=True,
        tie_word_embeddings=False,
        pad_token_id=ids[PAD],
        bos_token_id=ids[BOS],
        eos_token_id=ids[EOS],
        dtype="float32",
    )


def build_model(seed: int, layers: int = LAYERS, words: int | None = None) -> LlamaForCausalLM:
    """A fresh model with the project's initialisation and the planted heads.

    Args:
        seed: Draws the weights.
        layers: How many.
        words: Entries of the vocabulary; version 1's if left out.
    """
    from transformers import LlamaForCausalLM

    torch.manual_seed(seed)
    model = LlamaForCausalLM(build_config(layers, words))
    _initialise(model)
    for head, distance in PLANTED_DISTANCES.items():
        plant_previous(model.model.layers[0].self_attn, head, distance)
    return model


@torch.no_grad()
def _initialise(model: LlamaForCausalLM) -> None:
    """Initialise at scales at which a token's identity survives layer 0.

    With tied embeddings at the library's defaults it does not, and recall stays at zero. The
    vocabulary head starts as a small copy of the embeddings and is trained from then on: a head
    that copies a token's identity then already raises that token's logit. With an independent
    initialisation each word's logit had to be learned separately, and copying had not begun after
    1200 steps.
    """
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
        elif "embed_tokens" in name:
            parameter.normal_(std=EMBEDDING_STD)
        elif "lm_head" in name:
            embeddings = model.get_parameter("model.embed_tokens.weight")
            parameter.copy_(embeddings * (HEAD_STD / EMBEDDING_STD))
        elif name.endswith(("o_proj.weight", "down_proj.weight")):
            parameter.normal_(std=0.08 / 3)
        elif parameter.ndim == 2:
            parameter.normal_(std=0.08)


@torch.no_grad()
def plant_previous(attention: nn.Module, head: int, distance: int) -> None:
    """Make a head attend ``distance`` positions back, whatever the tokens are.

    Content weights of its query and key are zeroed. With the constant key (a, 0) and the constant
    query (a cos dw, -a sin dw) in every rotary pair of frequency w, RoPE turns the score at offset
    m - n into sum over pairs of a^2 cos((m - n - d) w), which peaks at m - n = d.

    Args:
        attention: A Llama attention module with q and k biases and 32-wide heads.
        head: Which head.
        distance: d, in positions.
    """
    rows = head_slice(head)
    query, key = _linear(attention, "q_proj"), _linear(attention, "k_proj")
    for projection in (query, key):
        projection.weight[rows] = 0.0
        projection.bias[rows] = 0.0
    phase = distance * rotary_frequencies()
    half = HEAD_DIM // 2
    query.bias[rows][:half] = PLANTED_AMPLITUDE * torch.cos(phase)
    query.bias[rows][half:] = -PLANTED_AMPLITUDE * torch.sin(phase)
    key.bias[rows][:half] = PLANTED_AMPLITUDE


def hold_planted(model: LlamaForCausalLM) -> None:
    """Drop the gradients of the planted heads' queries and keys. Call before every step.

    Otherwise the orthogonalised updates blur the planted attention: its mass at the planted
    distance fell from 0.96 to 0.46 by step 800.
    """
    attention = model.model.layers[0].self_attn
    for name in ("q_proj", "k_proj"):
        projection = _linear(attention, name)
        for gradient in (projection.weight.grad, projection.bias.grad):
            if gradient is not None:
                for head in PLANTED_DISTANCES:
                    gradient[head_slice(head)] = 0.0


def rotary_frequencies() -> Tensor:
    """Radians per position, ``[pair]``, highest first. Pair j holds dimensions j and j + 16."""
    pairs = torch.arange(0, HEAD_DIM, 2, dtype=torch.float32)
    return torch.exp(-math.log(ROPE_THETA) * pairs / HEAD_DIM)


def head_slice(head: int) -> slice:
    """Rows of q/k/v_proj, and columns of o_proj, that belong to a head."""
    return slice(head * HEAD_DIM, (head + 1) * HEAD_DIM)


@torch.no_grad()
def close_heads(model: LlamaForCausalLM, heads: Iterable[tuple[int, int]]) -> None:
    """Zero what these heads write: their columns of o_proj. Call after every step."""
    for layer, head in heads:
        output = _linear(model.model.layers[layer].self_attn, "o_proj")
        output.weight[:, head_slice(head)] = 0.0


@torch.no_grad()
def regrow_heads(
    model: LlamaForCausalLM, heads: Iterable[tuple[int, int]], generator: torch.Generator
) -> None:
    """Re-initialise closed heads, with a tiny output, to be trained on what is not yet learned."""
    for layer, head in heads:
        attention = model.model.layers[layer].self_attn
        rows = head_slice(head)
        for name in ("q_proj", "k_proj", "v_proj"):
            projection = _linear(attention, name)
            projection.weight[rows].normal_(std=0.08, generator=generator)
            projection.bias[rows] = 0.0
        output = _linear(attention, "o_proj")
        output.weight[:, rows].normal_(std=0.005, generator=generator)


def _linear(attention: nn.Module, name: str) -> nn.Linear:
    module = getattr(attention, name)
    assert isinstance(module, nn.Linear)  # noqa: S101 - narrows the type; Llama has no other
    return module
