"""Controls of equal size: how much an edit changes the attention output, and controls that match.

Scaling random heads by the same factor is not the same dose: heads differ in how much they write.
With ``control_match=norm`` each control's strength is rescaled, so that on a few documents the mean
norm of its change of the attention output equals the intervention's.

With ``z`` the unedited head outputs ``[row, head, dim]`` of a layer, ``W[h]`` a head's part of the
output projection ``[dim, width]``, and ``D`` the change that an edit makes to ``z``::

    size = mean over documents, edited layers and prompt rows of || sum_h D[row, h] W[h] ||_2

Both are measured on unedited passes: the size is that of the edit itself, not of what follows from
it in later layers. ``D`` is linear in the strength for scaled and shifted heads, so one factor is
exact. Heads that are chosen per sample are those that the condition chooses for each document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from headbench.edits import Edit, Intervention, Offset, Scale
from headbench.errors import RefusedError
from headbench.interventions.method import BoundMethod
from headbench.interventions.norm_matching import edits_of, replaced
from headbench.jobs import Condition, Job, Model
from headbench.nouns import Answer, Capture, HeadTable, Request
from headbench.running.collect import placed
from headbench.running.planned_cells import BASELINE, PlannedIntervention
from headbench.running.run_plan import RunPlan

if TYPE_CHECKING:
    from torch import Tensor

DOCUMENTS = 4
"""Documents of each task that sizes are measured on."""
DIGITS = 4
"""Significant digits of a factor: the last bits of a norm must not change a control's identity."""


def match_norms(plan: RunPlan) -> RunPlan:
    """The plan with its controls rescaled, where the spec asks for it.

    Args:
        plan: A checked plan.

    Raises:
        RefusedError: an edit whose size cannot be measured, or a control that changes nothing.
    """
    if plan.spec.control_match == "none" or not any(one.controls for one in plan.interventions):
        return plan
    matched = []
    for intervention in plan.interventions:
        asked = [
            [request for requests in planned.first_requests[:DOCUMENTS] for request in requests[:1]]
            for planned in plan.tasks
            if intervention.suits(planned.task)
        ]
        matched.append(
            _matched(plan.model, intervention, asked) if intervention.controls else intervention
        )
    return replace(plan, interventions=tuple(matched))


def _matched(
    model: Model, intervention: PlannedIntervention, asked: Sequence[Sequence[Request]]
) -> PlannedIntervention:
    """The intervention with the strength of each control rescaled to its own size.

    Args:
        model: Shows head outputs and output projections.
        intervention: With its controls.
        asked: The requests that sizes are measured on, one list per task.
    """
    conditions = (intervention.condition, *intervention.controls)
    places = replaced(intervention.condition, intervention.controls)
    sizes = dict.fromkeys((condition.name for condition in conditions), 0.0)
    for peers in asked:
        for request in peers:
            z = _captured(model, request, BASELINE)
            for condition in conditions:
                shown = placed(condition, request, peers)
                edits = [e for p in places for e in edits_of(shown.interventions[p])]
                chosen = _chosen(model, request, shown, edits)
                sizes[condition.name] += _size(model, z, edits, chosen)
    if sizes[intervention.condition.name] <= 0:
        raise RefusedError(
            "the intervention changes nothing on the first documents, so there is no norm to match",
            where=intervention.condition.name,
            hint="leave --control-match out",
        )
    controls = []
    for condition in intervention.controls:
        if sizes[condition.name] <= 0:
            raise RefusedError(
                "a control changes nothing, so its norm cannot be matched",
                where=condition.name,
                hint="leave --control-match out",
            )
        factor = float(f"{sizes[intervention.condition.name] / sizes[condition.name]:.{DIGITS}g}")
        parts = tuple(
            _rescaled(part, factor) if place in places else part
            for place, part in enumerate(condition.interventions)
        )
        controls.append(replace(condition, interventions=parts))
    return replace(intervention, controls=tuple(controls))


def _rescaled(part: Intervention, factor: float) -> Intervention:
    """A part with its change multiplied; the plan has checked that it can be."""
    found = part.rescaled(factor) if isinstance(part, BoundMethod) else None
    return part if found is None else found


def _size(
    model: Model, z: Tensor, edits: Sequence[Edit], chosen: Mapping[int, tuple[int, ...]]
) -> float:
    """Mean norm of the change over edited layers and prompt rows.

    Edits from the prompt's last token on, or of decoding, are measured at that token.

    Args:
        model: Shows its output projection.
        z: Unedited head outputs, ``[layer, row, head, dim]``.
        edits: Scales and offsets.
        chosen: Layer -> heads, for edits that choose per sample.
    """
    import torch

    change = torch.zeros_like(z)
    for edit in edits:
        table: HeadTable = chosen if callable(edit.where) else edit.where
        late = edit.rows == "last" or edit.phase in ("decode", "from_last")
        rows = slice(-1, None) if late else slice(None)
        for layer, heads in table.items():
            at = list(heads)
            if isinstance(edit.op, Scale):
                # Scaling the values that a head reads scales its output alike.
                change[layer, rows, at] += (edit.op.factor - 1) * z[layer, rows, at]
            elif isinstance(edit.op, Offset):
                change[layer, rows, at] += edit.op.vector[layer, at].to(z)
    norms = []
    for layer in range(len(z)):
        if bool(change[layer].any()):
            weights = model.output_weights(layer)  # type: ignore[attr-defined]
            norms.append(torch.einsum("rhd,hdw->rw", change[layer], weights).norm(dim=-1).mean())
    return float(torch.stack(norms).mean()) if norms else 0.0


def _captured(model: Model, request: Request, condition: Condition) -> Tensor:
    """Head outputs of every layer and prompt row, ``[layer, row, head, dim]``, float32.

    Layers without attention hold zeros.
    """
    capture = Capture("z", model.info.attending if model.info else (), rows="all")
    found = _represented(model, request, condition, capture).arrays[capture].float().cpu()
    z = found.new_zeros(model.info.layers if model.info else 0, *found.shape[1:])
    z[list(capture.layers)] = found
    return z


def _chosen(
    model: Model, request: Request, condition: Condition, edits: Sequence[Edit]
) -> Mapping[int, tuple[int, ...]]:
    """The heads that a condition chooses for a request; empty where all its heads are fixed."""
    if not any(callable(edit.where) for edit in edits):
        return {}
    first = model.info.attending[:1] if model.info else ()
    return _represented(model, request, condition, Capture("z", first)).chosen


def _represented(model: Model, request: Request, condition: Condition, capture: Capture) -> Answer:
    job = Job(replace(request, kind="represent", ask={"captures": (capture,)}), condition)
    ((_, answer),) = model.answer([job])
    return answer
