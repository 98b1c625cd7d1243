"""Evidence attention: from the question's tokens to what answers it, in text or in an image.

"Can Retrieval Heads See Images?" (Li et al., arXiv 2605.27243, Eq. 1 and null calibration). With
``a`` the pattern ``[head, query, key]`` of the prompt, q the question's positions and G those of
the evidence (the needle's values, or the image)::

    S_h(x)   = 1 / |q|  sum over t in q, k in G of a_h[t, k]
    score(h) = mean over x of  S_h(x) - S_h(x with the question "N/A")

The subtraction removes what a head gives the evidence whatever is asked; scores may be below 0.
The paper takes the best 5 % of heads, so the map names no threshold.

Heads that look at evidence need not copy it: compare with ``retrieval``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from headbench.detectors.calibration import without_question
from headbench.detectors.detector import (
    Detector,
    DetectorParams,
    Measurement,
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
    from headbench.models.hf.prompts import Prompt
    from headbench.nouns import Request


class EvidenceParams(DetectorParams):
    """How attention is calibrated."""

    calibrate: bool = True
    """Subtract the attention under the question ``N/A``."""


def run(model: HFModel, trials: Trials, params: EvidenceParams) -> Measurement:
    """Score every head."""
    scores: list[Tensor] = []
    for batch in chunks(model, trials.trials):
        requests = [trial.request for trial in batch]
        masses = evidence_masses(model, requests, trials.evidence)
        if params.calibrate:
            null_requests = [without_question(request) for request in requests]
            null_masses = evidence_masses(model, null_requests, trials.evidence)
            masses = [mass - null for mass, null in zip(masses, null_masses, strict=True)]
        scores += masses
    return Measurement(torch.stack(scores).mean(0), len(scores))


def evidence_masses(model: HFModel, requests: Sequence[Request], evidence: str) -> list[Tensor]:
    """Mean attention mass ``[layer, head]`` of each prompt's question rows on its evidence."""
    prompts = [model.prompter.resolve(request) for request in requests]
    sequences = [_watched_question(prompt, evidence) for prompt in prompts]
    capture = Capture("pattern", attending_layers(model), keys=evidence)
    totals: list[Tensor | None] = [None] * len(sequences)
    for step in decode_stepwise(
        model, sequences, (capture,), max(sequence.rows for sequence in sequences)
    ):
        for row, sequence in enumerate(sequences):
            if step.number < sequence.rows:
                # [layer, head, row, evidence key], of one row: the sum is the row's mass.
                mass = step.captured[row][capture].sum((-2, -1)).cpu()
                before = totals[row]
                totals[row] = mass if before is None else before + mass
    return [
        total / sequence.rows
        for total, sequence in zip(totals, sequences, strict=True)
        if total is not None
    ]


def _watched_question(prompt: Prompt, evidence: str) -> WatchedSequence:
    """The prompt up to its question's last token, watched from the question's first token on.

    Raises:
        DataError: The prompt marks no question or no evidence, or the evidence comes later.
    """
    question, marked = prompt.spans.get("question"), prompt.spans.get(evidence)
    if not question or not marked or max(marked) >= min(question):
        raise DataError(
            f"the prompt needs {evidence!r} before a question",
            hint="mark both, and ask after the context",
        )
    return WatchedSequence(prompt, prompt.tokens[: max(question) + 1], min(question))


DETECTOR = Detector("evidence", EvidenceParams, run, "needles", 20)
