"""Average ranks, and what ties take away from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headbench.families.brain.rdm import Floats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


LEAST_COUNTED = 20_000
"""Values from which they are sorted as whole numbers."""
LEAST_SCALED = 1e-200
"""Values below can have a scale beyond the range of numbers."""
TOP = float((1 << 32) - 1)
"""The greatest of these whole numbers."""


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
    ranks, tied, sizes = _ranks(np.asarray(values, dtype=np.float64))
    if not len(tied):
        return ranks, None
    variances = np.zeros(len(ranks))
    variances[tied] = np.repeat((sizes.astype(np.float64) ** 2 - 1.0) / 12.0, sizes)
    return ranks, variances


def _ranks(values: Floats) -> tuple[Floats, np.ndarray, np.ndarray]:
    """Ranks; places of the values that have equals, group after group; the sizes of these groups.

    Few dissimilarities are equal as a rule, so only neighbours that may be are looked at.
    """
    order, near = _order(values)
    ranks = np.empty(len(values))
    ranks[order] = np.arange(1.0, len(values) + 1.0)
    places = order[near]
    found = values[places]
    # A group begins where the value differs from the one before, or is no neighbour of it.
    first = np.ones(len(near), dtype=np.bool_)
    first[1:] = (found[1:] != found[:-1]) | (near[1:] != near[:-1] + 1)
    starts = np.flatnonzero(first)
    sizes = np.diff(np.append(starts, len(near)))
    tied = np.repeat(sizes > 1, sizes)
    starts, sizes = starts[sizes > 1], sizes[sizes > 1]
    ranks[places[tied]] = np.repeat(near[starts] + (sizes + 1) / 2.0, sizes)
    return ranks, places[tied], sizes


def _order(values: Floats) -> tuple[np.ndarray, np.ndarray]:
    """The order that sorts the values, and where in it a value may equal its neighbour.

    Many values that are not negative are scaled to whole numbers of 32 bits and sorted by
    counting, the lower 16 bits first: half the cost of sorting places by value. Where these numbers
    agree, the values decide.
    """
    if len(values) < LEAST_COUNTED or values.min() < 0 or values.max() < LEAST_SCALED:
        order = np.argsort(values)
        return order, _neighbours(values[order])
    # Of two values the greater one never gets the smaller number.
    scaled = (values * (TOP / values.max())).astype(np.uint32)
    order = np.argsort(scaled.astype(np.uint16), kind="stable")
    upper = (scaled >> np.uint32(16)).astype(np.uint16)
    order = order[np.argsort(upper[order], kind="stable")]
    numbers = scaled[order]
    near = _neighbours(numbers)
    if len(near):
        places = order[near]
        order[near] = places[np.lexsort((values[places], numbers[near]))]
    return order, near


def _neighbours(ordered: np.ndarray) -> np.ndarray:
    """Where a sorted value equals the one before or the one behind."""
    same = ordered[1:] == ordered[:-1]
    return np.flatnonzero(np.append(same, False) | np.append(False, same))
