"""Correlations over items: Pearson with a weight per item, Spearman, partial; and reliability.

Spearman under weights is :func:`headbench.statistics.ranks.weighted_spearman`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.ranks import average_ranks
from headbench.families.brain.rdm import Floats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

FLAT = 1e-12
"""A weighted variance below this share of the plain one is zero up to rounding."""


def pearson(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson r over items; NaN where one side does not vary.

    Args:
        x: ``[item]``, finite.
        y: ``[item]``, finite.
    """
    return float(weighted_pearson(x, y, np.ones((1, np.size(x))))[0])


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson r of average ranks; NaN where one side does not vary."""
    left, right = _pair(x, y)
    return pearson(average_ranks(left), average_ranks(right))


def weighted_pearson(x: ArrayLike, y: ArrayLike, weights: ArrayLike) -> Floats:
    """Pearson r under weights per item.

    Args:
        x: ``[item]``, finite.
        y: ``[item]``, finite.
        weights: ``[draw, item]``, not negative: counts of a bootstrap. For clusters (stories),
            repeat a cluster's count for each of its items.

    Returns:
        ``[draw]``; NaN where one side does not vary over the items with weight.

    Raises:
        DataError: Lengths that differ, or a value that is not finite.
    """
    left, right = _pair(x, y)
    table = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    if table.shape[1] != len(left):
        raise DataError(
            f"weights of shape {table.shape} for {len(left)} items",
            where="weights",
            hint="give [draw, item]",
        )
    left, right = left - left.mean(), right - right.mean()
    columns = np.stack([np.ones_like(left), left, right, left**2, right**2, left * right], axis=1)
    total, a, b, aa, bb, ab = (table @ columns).T
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = a / total, b / total
        first, second = aa / total - a**2, bb / total - b**2
        first = np.where(first > FLAT * columns[:, 3].mean(), first, np.nan)
        second = np.where(second > FLAT * columns[:, 4].mean(), second, np.nan)
        return np.asarray((ab / total - a * b) / np.sqrt(first * second))


def partial_pearson(x: ArrayLike, y: ArrayLike, controls: ArrayLike) -> float:
    """Pearson r of what a least-squares fit of the controls leaves of both sides.

    Args:
        x: ``[item]``.
        y: ``[item]``.
        controls: ``[item, control]``; a constant is added.
    """
    left, right = _pair(x, y)
    table = np.asarray(controls, dtype=np.float64).reshape(len(left), -1)
    design = np.column_stack([np.ones(len(left)), table])
    fit = np.linalg.lstsq(design, np.stack([left, right], axis=1), rcond=None)[0]
    rest = np.stack([left, right], axis=1) - design @ fit
    return pearson(rest[:, 0], rest[:, 1])


def reliability(deviations: ArrayLike, counts: ArrayLike, means: ArrayLike) -> float:
    """Share of the variance of item means that is not the error of a mean: 1 - mean(sd^2/n)/var.

    The correlation of a perfect predictor with such means is the square root of it.

    Args:
        deviations: ``[item]``, standard deviation over raters.
        counts: ``[item]``, raters.
        means: ``[item]``.

    Returns:
        At most 1; below 0 where raters agree less than chance; NaN for means without variance.
    """
    sd, n, mean = (np.asarray(one, dtype=np.float64) for one in (deviations, counts, means))
    variance = float(np.var(mean))
    return 1.0 - float(np.mean(sd**2 / n)) / variance if variance > 0 else float("nan")


def _pair(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    left, right = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if left.ndim != 1 or left.shape != right.shape or len(left) < 2:
        raise DataError(
            "a correlation needs two values or more on each side, as many on both",
            where=f"shapes {left.shape} and {right.shape}",
            hint="keep the items that both sides have",
        )
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise DataError(
            "a correlation of values that are not finite",
            where=f"{int((~np.isfinite(left + right)).sum())} of {len(left)} items",
            hint="drop items without a value and report how many",
        )
    return left, right
