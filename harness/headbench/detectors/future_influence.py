"""Future attention influence: how strongly later rows look back at a token.

"Attention Illuminates LLM Reasoning" (arXiv 2510.13554, Eqs. 9-10), per head. With ``a``
the pattern ``[head, query, key]`` of a text of N positions that is read to its end::

    FAI_h(s) = mean over t of a_h[t, s],    s + nearest <= t <= min(N - 1, s + farthest)
    score(h) = max over s of FAI_h(s)                               summary=mean: the mean over s

averaged over texts. A head scores high if later rows keep attending to one token: a head that
always attends to the previous token scores 1 / (rows that follow), one with uniform attention
little more, one that keeps attending to a single token close to 1.

The paper averages the patterns of its global heads (the 30 % of longest span) before it takes the
mean over rows, and reads FAI per token; it gives no score of single heads, so ``summary`` is a
choice made here. Its horizon runs to the end of the response; where it begins (H_lo) is not stated,
and is the next row here. It uses the model's own response only (``over=answer``), for which
packaged answers are too short; by default prompt and answer are one text here. The first token, and
everything up to the end of an image, is left out, because a sink receives attention whatever its
content. Positions that fewer than ``least`` rows follow are left out too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field

from headbench.detectors.detector import (
    Detector,
    DetectorParams,
    Measurement,
    Trial,
    Trials,
    attending_layers,
    chunks,
)
from headbench.detectors.stepwise import WatchedSequence, decode_stepwise
from headbench.errors import DataError
from headbench.nouns import Capture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from headbench.models.hf.adapter import HFModel


class FutureInfluenceParams(DetectorParams):
    """Which rows look back at which tokens."""

    over: Literal["text", "answer"] = "text"
    """``text``: prompt and answer. ``answer``: the answer's tokens and rows only (the paper's)."""
    nearest: int = Field(1, ge=1)
    """H_lo: the first row that counts, in tokens after the one looked at."""
    farthest: int | None = Field(None, ge=1)
    """H_hi: the last row that counts; ``null``: the end of the text."""
    least: int = Field(8, ge=1)
    """Positions with fewer rows in reach are left out: of one row, any look is a large share."""
    skip: int = Field(1, ge=0)
    """First positions of the text that are left out."""
    summary: Literal["peak", "mean"] = "peak"
    """``peak``: the position with the largest influence. ``mean``: all positions alike."""


class _InfluenceSums:
    """The attention that each position of one text has received so far.

    Args:
        first: The first position whose influence is measured.
        length: Positions of the text.
        params: Horizon and summary.
    """

    def __init__(self, first: int, length: int, params: FutureInfluenceParams) -> None:
        self.first, self.params = first, params
        self.rows = torch.zeros(max(0, length - first))  # [position]: rows that counted
        self.sums: Tensor | None = None  # [layer, head, position]

    def add(self, at: int, row: Tensor) -> None:
        """Add the row at position ``at``: ``[layer, head, key]``, its own position last."""
        distance = at - torch.arange(self.first, at)  # of each earlier position that is measured
        nearest, farthest = self.params.nearest, self.params.farthest
        counts = (distance >= nearest) & (distance <= (farthest or at))
        # Counted from the end of the row, because a sliding window may have dropped its beginning.
        weights = row[..., -1 - len(distance) : -1].float() * counts.to(row.device)
        if self.sums is None:
            self.sums = weights.new_zeros(*row.shape[:2], len(self.rows))
        self.sums[..., : len(distance)] += weights
        self.rows[: len(distance)] += counts

    @property
    def score(self) -> Tensor:
        """``[layer, head]``.

        Raises:
            DataError: No position has enough rows after it.
        """
        kept = self.rows >= self.params.least
        if self.sums is None or not bool(kept.any()):
            raise DataError(
                f"no token of a text is followed by {self.params.least} rows that count",
                hint="take longer texts (--length), --set over=text, or a smaller --set least=",
            )
        influence = (self.sums.cpu() / self.rows.clamp(min=1))[..., kept]
        peak = self.params.summary == "peak"
        return influence.amax(-1) if peak else influence.mean(-1)


def run(model: HFModel, trials: Trials, params: FutureInfluenceParams) -> Measurement:
    """Score every head.

    Raises:
        DataError: A text is too short.
    """
    scores: list[Tensor] = []
    for batch in chunks(model, trials.trials):
        scores += _batch(model, batch, params)
    return Measurement(torch.stack(scores).mean(0), len(scores))


def _batch(model: HFModel, batch: Sequence[Trial], params: FutureInfluenceParams) -> list[Tensor]:
    sequences, sums = [], []
    for trial in batch:
        prompt = model.prompter.resolve(trial.request)
        answer = model.prompter.continuation(prompt, f" {trial.answer}")
        tokens = (*prompt.tokens, *answer)
        after_image = max(prompt.spans.get("image", (-1,))) + 1
        begin = len(prompt.tokens) if params.over == "answer" else max(after_image, params.skip)
        sequences.append(
            WatchedSequence(prompt, tokens, min(begin + params.nearest, len(tokens) - 1))
        )
        sums.append(_InfluenceSums(begin, len(tokens), params))
    capture = Capture("pattern", attending_layers(model))
    for step in decode_stepwise(
        model, sequences, (capture,), max(sequence.rows for sequence in sequences)
    ):
        for row, (sequence, received) in enumerate(zip(sequences, sums, strict=True)):
            at = sequence.start + step.number
            if received.first < at < len(sequence.tokens):
                received.add(at, step.captured[row][capture][..., 0, :])
    return [received.score for received in sums]


DETECTOR = Detector("future_influence", FutureInfluenceParams, run, "needles", 10)
