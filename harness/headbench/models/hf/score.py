"""Teacher-forced log-probabilities: ``score`` and ``nexttoken`` requests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from headbench.models.hf.forward import Line, Runner
from headbench.models.hf.generate import Attach, log_probability, not_a_number, top_entries

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Forced:
    """One row: a prompt and what follows it.

    Rows of one request that feed the same ids (choices of one token each) are one row with
    several ``endings``: the last token of a continuation is predicted, never fed.

    Attributes:
        line: Prompt and the fed part of the continuation.
        prompt: Prompt length.
        endings: Ids that may come last.
        where: Document and arm, for errors.
        logprobs: For each ending: one log-probability a token of the continuation.
        first: Top entries of the distribution after the prompt.
    """

    line: Line
    prompt: int
    endings: tuple[int, ...]
    where: str
    logprobs: list[tuple[float, ...]] = field(default_factory=list)
    first: dict[int, float] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """Tokens of each continuation."""
        return len(self.line.tokens) - self.prompt + 1


def score(runner: Runner, rows: Sequence[Forced], attach: Attach) -> None:
    """Fill in the log-probabilities of all rows.

    Raises:
        HeadbenchError: the logits of a row are not numbers.
    """
    for part in runner.parts([row.line for row in rows]):
        chosen = [rows[index] for index in part]
        lines = [row.line for row in chosen]
        keep = max(row.length for row in chosen)
        with attach(part, max(len(line.tokens) for line in lines)):
            logits = runner.prefill(lines, keep=keep, cache=False).logits
        for row, found in zip(chosen, logits, strict=True):
            _read(row, found[-row.length :], runner)


def _read(row: Forced, logits: Tensor, runner: Runner) -> None:
    """Read one row's log-probabilities off its logits ``[position, vocabulary]``."""
    fed = torch.tensor(row.line.tokens[row.prompt :], device=logits.device, dtype=torch.long)
    body = log_probability(logits[:-1], fed).tolist()
    last = logits[-1].log_softmax(dim=-1)[list(row.endings)].tolist()
    if any(math.isnan(value) for value in (*body, *last)):
        raise not_a_number(row.where, runner)
    row.logprobs = [(*body, value) for value in last]
    row.first = top_entries(logits[0])
