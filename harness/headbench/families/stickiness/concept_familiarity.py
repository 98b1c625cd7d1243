"""Definition-specific familiarity, and its correlation with accuracy within data sets.

Casanova, Kocielnik and Alvarez (arXiv 2606.00467): the model describes a concept, the description
and the data set's definition are embedded, and their cosine, cut to 0..1, is the familiarity. The
consensus is the mean over encoders; fewer encoders than the paper's six are not its consensus.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from headbench.errors import DataError
from headbench.statistics.metric import Floats


def clipped_cosine(description: Floats, definition: Floats) -> float:
    """Cosine of two sentence vectors, cut to 0..1.

    Args:
        description: ``[width]``, the model's own words for the concept.
        definition: ``[width]``, the data set's definition.

    Raises:
        DataError: The vectors differ in width, or one is zero or not finite.
    """
    one, other = (np.asarray(vector, dtype=np.float64) for vector in (description, definition))
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    if one.shape != other.shape or one.ndim != 1 or not np.isfinite(lengths) or lengths == 0:
        raise DataError(f"no cosine of vectors of shapes {one.shape} and {other.shape}")
    return float(np.clip(one @ other / lengths, 0.0, 1.0))


class Consensus(NamedTuple):
    """Mean familiarity, and over how many encoders."""

    value: float
    encoders: int


def consensus(pairs: Sequence[tuple[Floats, Floats]]) -> Consensus:
    """Mean familiarity over encoders, one (description, definition) pair each.

    Raises:
        DataError: No encoder.
    """
    if not pairs:
        raise DataError("familiarity needs at least one encoder")
    return Consensus(float(np.mean([clipped_cosine(*pair) for pair in pairs])), len(pairs))


class Correlation(NamedTuple):
    """A correlation, its two-sided p, and the degrees of freedom left."""

    r: float
    p: float
    freedom: int


def partial_correlation(
    first: Sequence[float], second: Sequence[float], groups: Sequence[Hashable]
) -> Correlation:
    """Pearson's r of two variables after both were freed of group means.

    Regressing on one indicator per group leaves each value minus its group's mean. The p-value has
    n - groups - 1 degrees of freedom.

    Args:
        first: One value per point (familiarity).
        second: One value per point (accuracy).
        groups: The data set of each point.

    Returns:
        NaN for r and p where a variable does not vary within groups, or too few points are left.

    Raises:
        DataError: The three differ in length.
    """
    from scipy.stats import t

    if not len(first) == len(second) == len(groups):
        raise DataError(f"{len(first)}, {len(second)} and {len(groups)} points do not match")
    one, other = _within(first, groups), _within(second, groups)
    freedom = len(first) - len(set(groups)) - 1
    spread = float(np.sqrt((one @ one) * (other @ other)))
    scale = float(np.linalg.norm(first) * np.linalg.norm(second))
    if freedom < 1 or spread <= 1e-12 * max(scale, 1e-300):
        return Correlation(float("nan"), float("nan"), freedom)
    r = float(np.clip(one @ other / spread, -1.0, 1.0))
    if abs(r) == 1.0:
        return Correlation(r, 0.0, freedom)
    statistic = r * np.sqrt(freedom / (1.0 - r * r))
    return Correlation(r, float(2.0 * t.sf(abs(statistic), freedom)), freedom)


def _within(values: Sequence[float], groups: Sequence[Hashable]) -> Floats:
    """Each value minus the mean of its group."""
    array = np.asarray(values, dtype=np.float64)
    members: dict[Hashable, list[int]] = {}
    for at, group in enumerate(groups):
        members.setdefault(group, []).append(at)
    for rows in members.values():
        array[rows] = array[rows] - array[rows].mean()
    return array
