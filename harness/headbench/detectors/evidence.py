"""Evidence attention: from the question's tokens to what answers it, in text or in an image.

"Can Retrieval Heads See Images?" (Li et al., arXiv 2605.27243, Eq. 1 and null calibration). With
``a`` the pattern ``[head, query, key]`` of the prompt, q the question's positions and G those of
the evidence (the needle's values, or the image)::

    S_h(x)   = 1 / |q|  sum over t in q, k in G of a_h[t, k]
    score(h) = mean over x of  S_h(x) - S_h(x with the question "N/A")

The subtraction removes what a head gives the evidence whatever is asked; scores may be below 0.
The paper takes the best 5 % of heads, so the map names no threshold.

Looking is not copying: these heads and those of ``retrieval`` are different lists.
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
from headbench.detectors.stepwise import Path, decode_stepwise
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
        found = masses(model, requests, trials.evidence)
        if params.calibrate:
            nothing = masses(model, [without_question(r) for r in requests], trials.evidence)
            found = [asked - null for asked, null in zip(found, nothing, strict=True)]
        scores += found
    return Measurement(torch.stack(scores).mean(0), len(scores))


def masses(model: HFModel, requests: Sequence[Request], evidence: str) -> list[Tensor]:
    """Mean attention mass ``[layer, head]`` of each prompt's question rows on its evidence."""
    prompts = [model.prompter.resolve(request) for request in requests]
    paths = [_path(prompt, evidence) for prompt in prompts]
    capture = Capture("pattern", attending_layers(model), keys=evidence)
    totals: list[Tensor | None] = [None] * len(paths)
    for step in decode_stepwise(model, paths, (capture,), max(path.rows for path in paths)):
        for row, path in enumerate(paths):
            if step.number < path.rows:
                mass = step.seen[row][capture].sum((-2, -1)).cpu()
                before = totals[row]
                totals[row] = mass if before is None else before + mass
    return [
        total / path.rows for total, path in zip(totals, paths, strict=True) if total is not None
    ]


def _path(prompt: Prompt, evidence: str) -> Path:
    """From the question's first token to its last.

    Raises:
        DataError: The prompt marks no question or no evidence, or the evidence comes later.
    """
    question, sought = prompt.spans.get("question"), prompt.spans.get(evidence)
    if not question or not sought or max(sought) >= min(question):
        raise DataError(
            f"the prompt needs {evidence!r} before a question",
            hint="mark both, and ask after the context",
        )
    return Path(prompt, prompt.tokens[: max(question) + 1], min(question))


DETECTOR = Detector("evidence", EvidenceParams, run, "needles", 20)
