"""Retrieval heads: copying from context to answer.

"Retrieval Head Mechanistically Explains Long-Context Factuality" (Wu et al., arXiv 2404.15574,
sec. 2). While the answer is decoded greedily, at each step with the newest row ``a_h`` of head h
and the token w that this step produces::

    head h copies position j   if   j = argmax a_h,  j in the needle,  x_j = w
    score(h, trial) = |positions of the needle that h copied| / |needle|

and a head's score is the mean over trials. Prefill rows do not count. The needle here is its
value span, the part that an answer consists of. A largest weight that several keys share is no
argmax: a head without preference copies nothing.

Trials whose answer was not found (ROUGE-1 recall of the expected answer at or below
:data:`SUCCESS`) are dropped, not scored 0. ``compat=repo`` counts
every copying step, as the released code does: repeats count again, and scores may exceed 1.
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
from headbench.families.needles.needle_rouge import SUCCESS
from headbench.nouns import Capture
from headbench.scoring.rouge import rouge1_recall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from headbench.models.hf.adapter import HFModel
    from headbench.models.hf.prompts import Prompt

THRESHOLD = 0.1
"""Score from which a head is a retrieval head (sec. 2)."""


class RetrievalParams(DetectorParams):
    """How copying is counted."""

    compat: Literal["paper", "repo"] = "paper"
    """``paper``: each needle position once. ``repo``: every copying step."""
    max_new_tokens: int | None = Field(None, ge=1)
    """Most tokens to decode; default: as many as the needle's span has. The released code takes 50
    and stops at a line break, as is done here in either case."""


class _CopyCount:
    """Which needle positions each head has copied in one trial."""

    def __init__(self, prompt: Prompt, evidence: str, params: RetrievalParams) -> None:
        self.tokens = torch.tensor([prompt.tokens[at] for at in prompt.spans[evidence]])
        self.limit = params.max_new_tokens or len(self.tokens)
        self.each_step = params.compat == "repo"
        self.produced: list[int] = []
        self.over = False
        self.copied: Tensor | None = None  # [layer, head, needle position]

    def add(self, produced: int, row: Tensor, part: Tensor) -> None:
        """Count one step: patterns ``[layer, head, key]``, whole and of the needle's positions."""
        hit = copies(row, part, self.tokens.to(row.device) == produced).cpu()
        before = torch.zeros_like(hit) if self.copied is None else self.copied
        self.copied = before + hit if self.each_step else before.maximum(hit)
        self.produced.append(produced)

    @property
    def score(self) -> Tensor:
        """``[layer, head]``."""
        if self.copied is None:
            raise DataError("no token was produced in a trial")
        return self.copied.sum(-1) / len(self.tokens)


def copies(row: Tensor, part: Tensor, same: Tensor) -> Tensor:
    """Where each head copies from, as 0 and 1 ``[layer, head, needle position]``.

    Args:
        row: The newest row over all keys, ``[layer, head, key]``.
        part: The same at the needle's positions, ``[layer, head, needle position]``.
        same: ``[needle position]``: whether the token there is the produced one.
    """
    peak = row.amax(-1, keepdim=True)  # [layer, head, 1]
    # A head without preference gives several keys the same weight: that is no argmax.
    alone = (row == peak).sum(-1, keepdim=True) == 1
    return ((part == peak) & alone & same).float()


def run(model: HFModel, trials: Trials, params: RetrievalParams) -> Measurement:
    """Score every head.

    Raises:
        DataError: No trial's answer was found.
    """
    scores: list[Tensor] = []
    for batch in chunks(model, trials.trials):
        scores += _batch(model, batch, trials.evidence, params)
    if not scores:
        raise DataError(
            f"the model recalled 0 of {len(trials.trials)} needles, so copying cannot be scored",
            hint="use shorter prompts (--length) or another model",
        )
    return Measurement(torch.stack(scores).mean(0), len(scores), {"asked": len(trials.trials)})


def _batch(
    model: HFModel, batch: Sequence[Trial], evidence: str, params: RetrievalParams
) -> list[Tensor]:
    prompts = [model.prompter.resolve(trial.request) for trial in batch]
    counts = [_CopyCount(prompt, evidence, params) for prompt in prompts]
    sequences = [
        WatchedSequence(prompt, prompt.tokens, len(prompt.tokens) - 1) for prompt in prompts
    ]
    whole = Capture("pattern", attending_layers(model))
    part = Capture("pattern", attending_layers(model), keys=evidence)
    ends = model.decoder.ends
    for step in decode_stepwise(
        model, sequences, (whole, part), max(count.limit for count in counts)
    ):
        for row, count in enumerate(counts):
            token = int(step.produced[row])
            count.over |= token in ends or len(count.produced) >= count.limit
            if not count.over:
                captured = step.captured[row]  # [layer, head, 1, key], of one query row
                count.add(token, captured[whole][..., 0, :], captured[part][..., 0, :])
                count.over = "\n" in model.prompter.decode([token])
        if all(count.over for count in counts):
            break
    return [
        count.score
        for trial, count in zip(batch, counts, strict=True)
        if count.produced and _answered(model, trial, count.produced)
    ]


def _answered(model: HFModel, trial: Trial, produced: list[int]) -> bool:
    return rouge1_recall(trial.answer, model.prompter.decode(produced)) > SUCCESS


DETECTOR = Detector("retrieval", RetrievalParams, run, "needles", 60, THRESHOLD)
