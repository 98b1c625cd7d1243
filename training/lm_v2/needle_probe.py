"""What the model recalls, which heads do it, and what happens when they are masked.

Plain hooks on one model, which the runtime drives without the intervention engine, so that hooks
and engine check each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from headbench.models.hf.forward_pass import HFBackend
from headbench.models.runtime import Runtime, TokenSequence
from headbench.worlds.needles import VALUES, NeedleDocument, NeedleWorld, Split

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

Head = tuple[int, int]
"""(layer, head), both 0-based."""
RETRIEVAL_THRESHOLD = 0.1
"""Copy score from which a head counts as a retrieval head (Wu et al. 2024, arXiv 2404.15574)."""
BATCH_TOKENS = 4096
"""Prompts are batched up to this many tokens."""


@dataclass(frozen=True)
class Greedy:
    """Greedy continuations of a batch of prompts.

    Attributes:
        tokens: ``[row, step]``.
        rows: Attention of the newest query at each step, ``[step, layer, row, head, key]`` with
            ragged keys, or empty. Keys count from the left edge of the padded prompt.
        padding: Pad tokens in front of each row.
    """

    tokens: Tensor
    rows: list[Tensor]
    padding: Tensor


def greedy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    steps: int = VALUES,
    *,
    attention: bool = False,
) -> Greedy:
    """Continue prompts by their most likely tokens.

    All but the last prompt token are read by the fast kernel; with ``attention`` the steps use the
    eager one, which alone returns patterns.
    """
    read: list[list[int]] = tokenizer(list(prompts))["input_ids"]
    runtime = Runtime(HFBackend(model, tokenizer.pad_token_id))
    batch = runtime.encode([TokenSequence(ids[:-1], len(ids)) for ids in read])
    newest = [ids[-1] for ids in read]
    said, rows = [], []
    with ExitStack() as stack:
        patterns = stack.enter_context(_eager_patterns(model)) if attention else []
        for _ in range(steps):
            runtime.step(batch, newest)
            tokens = batch.logits[:, -1].argmax(-1)
            newest = tokens.tolist()
            said.append(tokens)
            if attention:
                rows.append(torch.stack(patterns))
                patterns.clear()
    lengths = torch.tensor([len(ids) for ids in read])
    return Greedy(torch.stack(said, 1), rows, lengths.max() - lengths)


@contextmanager
def _eager_patterns(model: PreTrainedModel) -> Iterator[list[Tensor]]:
    """The newest query's pattern ``[row, head, key]`` of every layer, in order, as it runs."""
    body = _text_model(model)
    before = body.config._attn_implementation
    found: list[Tensor] = []

    def keep(_module: Any, _given: Any, out: tuple[Tensor, Tensor]) -> None:
        found.append(out[1][:, :, -1])

    body.set_attn_implementation("eager")
    hooks = [layer.self_attn.register_forward_hook(keep) for layer in body.layers]
    try:
        yield found
    finally:
        body.set_attn_implementation(before)
        for hook in hooks:
            hook.remove()


def _text_model(model: PreTrainedModel) -> Any:
    """The decoder without its vocabulary head, of a language or a vision-language model."""
    return getattr(model.model, "language_model", model.model)


def answers(document: NeedleDocument) -> list[str]:
    """The words that recall must give, for the document's first question."""
    return document.questions[0].answer.split()


def documents(
    split: Split, length: int, depths: Sequence[float], trials: int, first_seed: int = 0
) -> list[NeedleDocument]:
    """One-needle documents, taking depths and the families ``words`` and ``numbers`` in turn."""
    worlds = (NeedleWorld(split, "words"), NeedleWorld(split, "numbers"))
    return [
        worlds[index % 2].document(first_seed + index, length, depths[index // 2 % len(depths)])
        for index in range(trials)
    ]


def hits(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, asked: Sequence[NeedleDocument]
) -> list[bool]:
    """Whether each document's answer is recalled whole, by greedy decoding."""
    vocabulary = tokenizer.get_vocab()
    found: list[bool] = []
    for chunk in _chunks(asked):
        said = greedy(model, tokenizer, [d.prompt() for d in chunk]).tokens
        wanted = torch.tensor([[vocabulary[word] for word in answers(d)] for d in chunk])
        found += (said == wanted).all(1).tolist()
    return found


def recall(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, asked: Sequence[NeedleDocument]
) -> float:
    """Share of documents whose answer is recalled whole, 0..1."""
    found = hits(model, tokenizer, asked)
    return sum(found) / len(found)


def _chunks(asked: Sequence[NeedleDocument]) -> Iterator[Sequence[NeedleDocument]]:
    longest = max(document.length for document in asked)
    size = max(1, BATCH_TOKENS // longest)
    for start in range(0, len(asked), size):
        yield asked[start : start + size]


def copy_scores(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, asked: Sequence[NeedleDocument]
) -> tuple[Tensor, int]:
    """Retrieval score of each head (Wu et al. 2024, arXiv 2404.15574, section 2).

    A head copies a needle token when its largest attention weight lies on it and the token produced
    at that step is that token. Its score in a trial is the share of the needle's values it copied,
    each counted once; trials whose answer was not recalled are dropped.

    Returns:
        Mean score ``[layer, head]`` (zeros without a single trial), and the number of trials.
    """
    vocabulary = tokenizer.get_vocab()
    scores: list[Tensor] = []
    for chunk in _chunks(asked):
        said = greedy(model, tokenizer, [d.prompt() for d in chunk], attention=True)
        for row, document in enumerate(chunk):
            wanted = [vocabulary[word] for word in answers(document)]
            if said.tokens[row].tolist() != wanted:
                continue
            start = value_position(tokenizer, document) + int(said.padding[row])
            copied = torch.zeros(*said.rows[0].shape[:1], said.rows[0].size(2), VALUES)
            for step, pattern in enumerate(said.rows):
                at = pattern[:, row].argmax(-1) - start
                for offset, token in enumerate(wanted):
                    if int(said.tokens[row, step]) == token:
                        copied[:, :, offset] = copied[:, :, offset].maximum((at == offset).float())
            scores.append(copied.mean(-1))
    if not scores:
        config = _text_model(model).config
        return torch.zeros(config.num_hidden_layers, config.num_attention_heads), 0
    return torch.stack(scores).mean(0), len(scores)


def value_position(tokenizer: PreTrainedTokenizerFast, document: NeedleDocument) -> int:
    """Token position of the first value of the first needle in the prompt, ``<s>`` counted."""
    read = tokenizer(document.context, return_offsets_mapping=True)
    first = document.needles[0].values_span[0]
    return next(i for i, (start, end) in enumerate(read["offset_mapping"]) if start == first < end)
