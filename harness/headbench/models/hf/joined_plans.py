"""The plans and probes of a composed condition, joined left to right, and what they declare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headbench.edits import Edit, Intervention, Plan, Probe, Scale
from headbench.errors import RefusedError
from headbench.models.runtime import MAIN
from headbench.nouns import Capture

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.interventions.method import ProbeResults


def join(plans: Sequence[Plan], where: str) -> Plan:
    """One plan of several, left to right.

    Raises:
        RefusedError: two parts compare branches, or branches that nothing combines.
    """
    compared = [plan for plan in plans if plan.branches or plan.combine]
    if len(compared) > 1:
        raise RefusedError(
            "two interventions compare branches", where=where, hint="run them one at a time"
        )
    if any(plan.branches and plan.combine is None for plan in compared):
        raise RefusedError("an intervention has branches that nothing combines", where=where)
    if any(MAIN in (plan.branches or {}) for plan in compared):
        raise RefusedError(f"a branch cannot be called {MAIN!r}", where=where)
    return Plan(
        edits=tuple(edit for plan in plans for edit in plan.edits),
        branches=compared[0].branches if compared else None,
        combine=compared[0].combine if compared else None,
    )


def alone(plans: Sequence[Plan], number: int) -> Plan:
    """The edits of one part of a composition, each in its place; the others' do nothing."""
    nothing = Edit("z", Scale(1.0), {})
    edits = tuple(
        edit if place == number else nothing
        for place, plan in enumerate(plans)
        for edit in plan.edits
    )
    return Plan(edits=edits)


def merge(captured: Sequence[ProbeResults], where: str) -> dict[str, dict[Capture, Tensor]]:
    """Probes of all parts of a composition, by name.

    Raises:
        RefusedError: Under one name, two parts captured the same thing of different passes, e.g. a
            value and a gradient. Edits read captures by name and would get the other part's.
    """
    merged: dict[str, dict[Capture, Tensor]] = {}
    for part in captured:
        for name, arrays in part.items():
            known = merged.setdefault(name, {})
            for capture, tensor in arrays.items():
                if known.setdefault(capture, tensor) is not tensor:
                    raise RefusedError(
                        f"two interventions have a probe {name!r}, and their captures at "
                        f"{capture.site!r} differ",
                        where=where,
                        hint="give the probes different names, or run them one at a time",
                    )
    return merged


def checked(part: Intervention, probes: Sequence[Probe], where: str) -> Sequence[Probe]:
    """The probes of a method, which has declared what they need."""
    if any(probe.gradient for probe in probes):
        check_declared(part, "gradients", "a probe differentiates", where)
    return probes


def check_declared(part: Intervention, need: str, what: str, where: str) -> None:
    """A method's needs tell, before anything runs, which models cannot answer it.

    Raises:
        RefusedError: It does not declare this one.
    """
    if need not in part.needs:
        raise RefusedError(
            f"{what}, and {part.canonical} does not declare {need!r} among its needs",
            where=where,
            hint=f"return frozenset({{{need!r}}}) from its `needs`",
        )
