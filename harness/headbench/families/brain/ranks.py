"""Average ranks, and what ties take away from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headbench.families.brain.rdm import Floats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


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
    order = np.argsort(values)
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
