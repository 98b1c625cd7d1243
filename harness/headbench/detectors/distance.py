"""Windowed average attention distance: how far back a head looks while the answer is read.

"Attention Illuminates LLM Reasoning" (arXiv 2510.13554, Eqs. 7-8), per head. Over the
positions t of the (teacher-forced) answer, ``a`` the pattern ``[head, query, key]``::

    score(h) = mean over t of  sum_s a_h[t, s] min(t - s, W)

in tokens. The paper averages patterns over the heads of short span first and uses W = 10; without
a window (``window=null``) the score is the head's span, by which the paper ranks heads: the lowest
30 % are local, the highest 30 % global. It is a description, not a detection: there is no
threshold, and a learned sink's share counts as distance 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from headbench.nouns import Capture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from headbench.models.hf.adapter import HFModel


class DistanceParams(DetectorParams):
    """The window."""

    window: int | None = Field(10, ge=1)
    """Distances count up to this many tokens; ``null``: in full."""


def run(model: HFModel, trials: Trials, params: DistanceParams) -> Measurement:
    """Score every head."""
    scores: list[Tensor] = []
    for batch in chunks(model, trials.trials):
        scores += _batch(model, batch, params.window)
    return Measurement(torch.stack(scores).mean(0), len(scores))


def _batch(model: HFModel, batch: Sequence[Trial], window: int | None) -> list[Tensor]:
    sequences = []
    for trial in batch:
        prompt = model.prompter.resolve(trial.request)
        answer = model.prompter.continuation(prompt, f" {trial.answer}")
        sequences.append(WatchedSequence(prompt, (*prompt.tokens, *answer), len(prompt.tokens)))
    capture = Capture("pattern", attending_layers(model))
    distances: list[list[Tensor]] = [[] for _ in sequences]
    for step in decode_stepwise(
        model, sequences, (capture,), max(sequence.rows for sequence in sequences)
    ):
        for row, sequence in enumerate(sequences):
            if step.number < sequence.rows:
                newest = step.captured[row][capture][..., 0, :]  # [layer, head, key]
                distances[row].append(average_distance(newest, window).cpu())
    return [torch.stack(found).mean(0) for found in distances]


def average_distance(row: Tensor, window: int | None) -> Tensor:
    """Average attention distance of the newest row, ``[layer, head]``.

    Args:
        row: ``[layer, head, key]``, the query's own position last.
        window: Largest distance that counts.
    """
    # Distance of each key; the row's own position is the last key, at distance 0.
    distance = torch.arange(row.shape[-1] - 1, -1, -1, device=row.device, dtype=row.dtype)
    return (row * (distance if window is None else distance.clamp(max=window))).sum(-1)


DETECTOR = Detector("distance", DistanceParams, run, "needles", 20)
