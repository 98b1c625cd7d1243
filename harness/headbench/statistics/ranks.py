"""Rank statistics of weighted records: order once, then answer for any weights.

A weight counts equal copies, so the value for integer weights is the value of the records repeated
so often, ties and their mean ranks included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headbench.statistics.metric import Floats, Integers

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Levels:
    """Values in ascending order, equal ones together.

    Attributes:
        order: ``[record]``, sorts the values.
        starts: ``[level]``, where each distinct value begins in that order.
        level: ``[record]``, which of the distinct values a record has.
    """

    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    level: NDArray[np.intp]

    @classmethod
    def of(cls, values: Floats) -> Levels:
        """Sort ``[record]`` values, at least one."""
        order = np.argsort(values, kind="stable")
        ascending = values[order]
        new = np.r_[True, ascending[1:] != ascending[:-1]]
        level = np.empty(len(values), dtype=np.intp)
        level[order] = np.cumsum(new) - 1
        return cls(order, np.flatnonzero(new), level)

    def summed(self, weights: Floats) -> Floats:
        """Weights ``[draw, record]`` -> sums ``[draw, level]``."""
        return np.asarray(np.add.reduceat(weights[:, self.order], self.starts, axis=1))

    def ranks(self, weights: Floats) -> Floats:
        """Weights ``[draw, record]`` -> mean ranks ``[draw, record]``, less a half."""
        sums = self.summed(weights)
        middles = np.cumsum(sums, axis=1) - sums / 2  # [draw, level]
        return np.asarray(middles[:, self.level])


def weighted_auroc(scores: Floats, positive: NDArray[np.bool_]) -> Callable[[Floats], Floats]:
    """AUROC for any weights: Mann and Whitney's U over the number of pairs; a tie counts half.

    Args:
        scores: ``[record]``.
        positive: ``[record]``.

    Returns:
        Weights ``[draw, record]`` -> ``[draw]``, NaN where a class has no weight.
    """
    levels = Levels.of(scores)

    def values(weights: Floats) -> Floats:
        above = levels.summed(weights * positive)
        below = levels.summed(weights * ~positive)  # both [draw, level]
        pairs = above.sum(axis=1) * below.sum(axis=1)
        beaten = np.cumsum(below, axis=1) - below / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((above * beaten).sum(axis=1) / pairs)

    return values


def weighted_spearman(one: Floats, other: Floats) -> Callable[[Floats], Floats]:
    """Spearman's correlation for any weights: Pearson's of the mean ranks among the weighted.

    Args:
        one: ``[record]``.
        other: ``[record]``.

    Returns:
        Weights ``[draw, record]`` -> ``[draw]``, NaN where either side has one level only.
    """
    first, second = Levels.of(one), Levels.of(other)

    def values(weights: Floats) -> Floats:
        # The weighted mean of the mean ranks, less a half, is half the total weight.
        middle = weights.sum(axis=1, keepdims=True) / 2
        a, b = first.ranks(weights) - middle, second.ranks(weights) - middle  # [draw, record]
        spread = (weights * a * a).sum(axis=1) * (weights * b * b).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = (weights * a * b).sum(axis=1) / np.sqrt(spread)
        return np.asarray(np.clip(np.where(spread > 0, found, np.nan), -1.0, 1.0))

    return values


def permuted_auroc(scores: Floats, positive: NDArray[np.bool_]) -> Callable[[Integers], Floats]:
    """AUROC when the classes are given in another order.

    Args:
        scores: ``[record]``.
        positive: ``[record]``.

    Returns:
        Permutations ``[draw, record]`` -> ``[draw]``.
    """

    def values(orders: Integers) -> Floats:
        ranks = Levels.of(scores).ranks(np.ones((1, len(scores))))[0]
        above = int(positive.sum())
        pairs = above * (len(scores) - above)
        # Mann and Whitney's U from the rank sum of the positive; ranks here are less a half.
        sums = (ranks * positive[orders]).sum(axis=1) + above / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((sums - above * (above + 1) / 2) / np.float64(pairs))

    return values


def permuted_spearman(one: Floats, other: Floats) -> Callable[[Integers], Floats]:
    """Spearman's correlation when the second side is given in another order.

    Args:
        one: ``[record]``.
        other: ``[record]``.

    Returns:
        Permutations ``[draw, record]`` -> ``[draw]``.
    """

    def values(orders: Integers) -> Floats:
        ones = np.ones((1, len(one)))
        a, b = (Levels.of(side).ranks(ones)[0] - len(side) / 2 for side in (one, other))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(b[orders] @ a / np.sqrt((a @ a) * (b @ b)))

    return values
