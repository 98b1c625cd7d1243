"""Many tests at once."""

from __future__ import annotations

from collections.abc import Sequence

from headbench.errors import DataError


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
            "a p-value is outside 0..1", where=f"{list(pvalues)}", hint="check the test behind it"
        )
    adjusted: list[float | None] = [None] * len(pvalues)
    largest = 0.0
    for place, (p, index) in enumerate(sorted(family)):
        largest = max(largest, min(1.0, (len(family) - place) * p))
        adjusted[index] = largest
    return tuple(adjusted)
