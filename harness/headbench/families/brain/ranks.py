"""Average ranks, and what ties take away from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headbench.families.brain.rdm import Floats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


LEAST_PACKED = 20_000
"""Values from which they are sorted as whole numbers."""
PLACE_BITS = 21
"""Bits that a place takes: two million values, the pairs of 2,000 stimuli."""


def average_ranks(values: ArrayLike) -> Floats:
    """Ranks 1..n in ascending order; equal values share the mean of their ranks.

    Args:
        values: ``[value]``, finite.

    Returns:
        ``[value]``.
    """
    return _ranks(np.asarray(values, dtype=np.float64))[0]


def ranks_and_tie_variance(values: ArrayLike) -> tuple[Floats, Floats | None]:
    """Average ranks with the variance that breaking ties at random would add to each.

    A group of t equal values, ranked in random order, spreads over t consecutive ranks: variance
    (t^2 - 1) / 12.

    Args:
        values: ``[value]``, finite.

    Returns:
        The ranks and the variances, ``[value]`` each; ``None`` where nothing is tied.
    """
    ranks, starts, order = _ranks(np.asarray(values, dtype=np.float64))
    if len(starts) == len(ranks):
        return ranks, None
    sizes = np.diff(np.append(starts, len(ranks)))
    variances = np.empty(len(ranks))
    variances[order] = np.repeat((sizes.astype(np.float64) ** 2 - 1.0) / 12.0, sizes)
    return ranks, variances


def _ranks(values: Floats) -> tuple[Floats, np.ndarray, np.ndarray]:
    """Ranks, first position of each group of ties in sorted order, and that order."""
    order = _order(values)
    ordered = values[order]
    first = np.ones(len(values), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    ranks = np.empty(len(values))
    if len(starts) == len(values):
        ranks[order] = np.arange(1.0, len(values) + 1.0)
    else:
        sizes = np.diff(np.append(starts, len(values)))
        ranks[order] = np.repeat(starts + (sizes + 1) / 2.0, sizes)
    return ranks, starts, order


def _order(values: Floats) -> np.ndarray:
    """The order that sorts the values.

    Many values that are not negative are sorted as whole numbers, the upper bits of the value and
    behind them its place: half the cost of sorting places by value. Where upper bits agree, the
    values decide.
    """
    if not LEAST_PACKED <= len(values) < 1 << PLACE_BITS or values.min() < 0:
        return np.argsort(values)
    low = np.uint64((1 << PLACE_BITS) - 1)
    bits = (values + 0.0).view(np.uint64)  # -0.0 becomes 0.0; bits grow with the value
    packed = (bits & ~low) | np.arange(len(values), dtype=np.uint64)
    packed.sort()
    order = (packed & low).astype(np.int64)
    upper = packed >> np.uint64(PLACE_BITS)
    same = upper[1:] == upper[:-1]
    unsure = np.flatnonzero(np.append(same, False) | np.append(False, same))
    if len(unsure):
        places = order[unsure]
        order[unsure] = places[np.lexsort((values[places], upper[unsure]))]
    return order
