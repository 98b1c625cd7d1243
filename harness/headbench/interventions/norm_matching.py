"""Which edits have a size that controls can match, and what of a condition controls replace."""

from __future__ import annotations

from collections.abc import Sequence

from headbench.edits import Edit, Intervention, Offset, Scale
from headbench.errors import RefusedError
from headbench.interventions.method import BoundMethod
from headbench.jobs import Condition


def replaced(condition: Condition, controls: Sequence[Condition]) -> tuple[int, ...]:
    """Places of the parts of a composed intervention that its controls replace."""
    return tuple(
        place
        for place, part in enumerate(condition.interventions)
        if any(control.interventions[place] is not part for control in controls)
    )


def edits_of(part: Intervention) -> tuple[Edit, ...]:
    """The edits of a method of ours, whatever the prompt; none of another."""
    return part.edits(None, {}) if isinstance(part, BoundMethod) else ()


def measurable(edit: Edit) -> bool:
    """Whether an edit changes head outputs in proportion to its strength, in a known way."""
    scaled = isinstance(edit.op, Scale) and edit.site in ("z", "v")
    return scaled or (isinstance(edit.op, Offset) and edit.site == "z")


def check_matchable(condition: Condition, controls: Sequence[Condition]) -> None:
    """Refuse controls whose size cannot be changed or measured.

    Args:
        condition: The intervention.
        controls: Its control conditions.

    Raises:
        RefusedError: which part, and what can be matched.
    """
    for place in replaced(condition, controls):
        part = controls[0].interventions[place]
        fixed = not isinstance(part, BoundMethod) or part.rescaled(1.0) is None
        if fixed or not all(map(measurable, edits_of(part))):
            raise RefusedError(
                f"{condition.interventions[place].canonical} has no strength to match a norm with",
                where=f"--control-match norm, {condition.name}",
                hint="sizes are matched for methods with a strength (rescaled) that scale heads at "
                "z or v, or add vectors at z",
            )
