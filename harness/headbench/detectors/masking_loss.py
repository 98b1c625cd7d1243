"""What masking a head costs: the answer's loss with the head masked, minus the loss without.

After AttentionInfluence (Hua et al., arXiv 2505.07293, Eq. 5), one head at a time instead of the
best 5 % together::

    L(x)     = mean cross-entropy of the answer's tokens, in nats
    score(h) = mean over x of  L(x | h masked) - L(x)          relative=true divides by L(x)

A masked head is silent (``mode=zero``) or, as in the paper, attends uniformly (``mode=uniform``),
in prefill and answer alike. It takes one pass per head and trial: 1,000 heads and 8 trials take
8,000 passes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import torch

from headbench.detectors.detector import Detector, DetectorParams, Measurement, Trials, engine_of
from headbench.detectors.prompt_captures import BASELINE, answers
from headbench.errors import DataError, RefusedError
from headbench.interventions.resolve import resolve
from headbench.jobs import Condition, Job
from headbench.nouns import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from headbench.models.hf.adapter import HFModel


class MaskingLossParams(DetectorParams):
    """What masking means, and the unit."""

    mode: Literal["zero", "uniform"] = "zero"
    """What a masked head does; see ``headbench show intervention mask_heads``."""
    relative: bool = False
    """Divide each trial's difference by its unmasked loss (Eq. 5)."""


def run(model: HFModel, trials: Trials, params: MaskingLossParams) -> Measurement:
    """Score every head."""
    shape = engine_of(model).shape
    requests = [
        replace(trial.request, kind="score", ask={"continuations": [f" {trial.answer}"]})
        for trial in trials.trials
    ]
    base = losses(model, requests, BASELINE)
    rows = []
    for layer in shape.attending:
        conditions = [_masked(model, layer, head, params.mode) for head in range(shape.heads)]
        rows.append([(losses(model, requests, condition) - base) for condition in conditions])
    costs = torch.stack([torch.stack(row) for row in rows])  # [layer, head, request]
    if params.relative:
        costs = costs / base
    return Measurement(
        costs.mean(-1), len(requests), {"unmasked_loss": round(float(base.mean()), 6)}
    )


def losses(model: HFModel, requests: Sequence[Request], condition: Condition) -> Tensor:
    """Mean cross-entropy of each request's one continuation, in nats per token, ``[request]``.

    Raises:
        DataError: A continuation has no probability at all.
    """
    found = answers(model, [Job(request, condition) for request in requests])
    values = torch.tensor([-sum(one.logprobs) / len(one.logprobs) for one in found])
    if not bool(values.isfinite().all()):
        raise DataError("a continuation has probability 0 under the model", where=condition.name)
    return values


def _masked(model: HFModel, layer: int, head: int, mode: str) -> Condition:
    if model.info is None:
        raise RefusedError(f"{model.name} does not describe its heads")
    return resolve(f"mask_heads(heads=[[{layer},{head}]],mode={mode})", model.info)[0]


DETECTOR = Detector("masking_loss", MaskingLossParams, run, "needles", 8)
