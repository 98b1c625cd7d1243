"""Many tests at once, and one intervention among its own controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headbench.errors import DataError

LEAST_CONTROLS = 19
"""Fewer control draws than this cannot give p <= .05, so no p is printed."""


def holm(pvalues: Sequence[float | None]) -> tuple[float | None, ...]:
    """Holm's step-down adjustment (Holm 1979), controlling the family-wise error rate.

    Args:
        pvalues: One a test, in any order. ``None`` (an inert or undefined cell) is no member of
            the family and stays ``None``.

    Returns:
        Adjusted p-values in the given order: max over j <= i of min(1, (m - j + 1) p_(j)).

    Raises:
        DataError: A p-value is outside 0..1.
    """
    family = [(p, index) for index, p in enumerate(pvalues) if p is not None]
    if not all(0 <= p <= 1 for p, _ in family):
        raise DataError(
            "a p-value is outside 0..1", where=f"{list(pvalues)}", mend="check the test behind it"
        )
    adjusted: list[float | None] = [None] * len(pvalues)
    largest = 0.0
    for place, (p, index) in enumerate(sorted(family)):
        largest = max(largest, min(1.0, (len(family) - place) * p))
        adjusted[index] = largest
    return tuple(adjusted)


@dataclass(frozen=True)
class ControlRank:
    """Where an intervention stands among its own control draws.

    Attributes:
        rank: 1 is the largest effect; ties count against the intervention.
        of: Control draws plus one.
        p: ``rank / of``; ``None`` below :data:`LEAST_CONTROLS` draws.
    """

    rank: int
    of: int
    p: float | None

    def __str__(self) -> str:
        """``rank 1 of 20``."""
        return f"rank {self.rank} of {self.of}"


def control_rank(
    value: float, control_values: Sequence[float], higher_is_better: bool | None = None
) -> ControlRank:
    """Rank an intervention's effect among those of its controls.

    Args:
        value: Difference to the baseline under the intervention.
        control_values: Difference to the baseline under each control draw.
        higher_is_better: ``True`` or ``False`` ranks by improvement, for a claim with a direction
            fixed beforehand. ``None`` ranks by the size of the difference, whatever its sign: the
            right question where an ablation may help or harm, and a two-sided one.

    Returns:
        The rank, and p = rank / (K + 1) where there are at least :data:`LEAST_CONTROLS` draws.
    """
    if higher_is_better is None:
        value, control_values = abs(value), [abs(control) for control in control_values]
    elif not higher_is_better:
        value, control_values = -value, [-control for control in control_values]
    # A NaN control counts as at least as large: an undefined draw is no evidence of an effect.
    rank = 1 + sum(not control < value for control in control_values)
    of = 1 + len(control_values)
    return ControlRank(rank, of, rank / of if of > LEAST_CONTROLS else None)
