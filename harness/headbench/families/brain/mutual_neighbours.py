"""Mutual nearest neighbours of two representations (arXiv 2405.07987; per head: 2606.23885).

    MKNN(A, B) = (1 / n) sum_i |N_k^A(i) and N_k^B(i)| / k

with N_k(i) the k stimuli of greatest cosine to i, itself left out. Chance is k / (n - 1).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.rdm import Booleans, Floats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def neighbours(features: ArrayLike, k: int) -> Booleans:
    """Which stimuli are among the k nearest of each, by cosine.

    Args:
        features: ``[stimulus, unit]``, finite, no zero vector.
        k: Neighbours, 1 to n - 1. Of equally near ones the earlier stimuli are taken.

    Returns:
        ``[stimulus, stimulus]``, k true per row, never on the diagonal.
    """
    table = np.asarray(features, dtype=np.float64)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise DataError(
            "features must be finite", where=f"shape {table.shape}", hint="give [stimulus, unit]"
        )
    n = len(table)
    sizes = np.linalg.norm(table, axis=1, keepdims=True)
    if not sizes.all():
        raise DataError(
            "a zero vector has no neighbours",
            where=f"stimulus {int(np.flatnonzero(sizes[:, 0] == 0)[0])}",
            hint="leave the head or layer out",
        )
    if not 1 <= k <= n - 1:
        raise DataError(f"{k} neighbours among {n} stimuli", where="k", hint=f"1 to {n - 1}")
    near = table / sizes
    near = near @ near.T
    np.fill_diagonal(near, -np.inf)
    # The k-th greatest value of a row; ties at it are filled from the left until there are k.
    edge = np.partition(near, n - k, axis=1)[:, n - k][:, None]
    above, level = near > edge, near == edge
    missing = k - above.sum(axis=1, keepdims=True)
    return np.asarray(above | (level & (np.cumsum(level, axis=1) <= missing)), dtype=np.bool_)


def mutual_knn(one: ArrayLike, two: ArrayLike, k: int = 10) -> float:
    """Mean share of common neighbours of two representations of the same stimuli, 0..1."""
    return float(shared_neighbours(neighbours(one, k), neighbours(two, k)).mean())


def shared_neighbours(one: Booleans, two: Booleans) -> Floats:
    """Share of common neighbours per stimulus: ``[stimulus]``, a figure with one row per record.

    Args:
        one: From :func:`neighbours`.
        two: The same, of the same stimuli and k.
    """
    if one.shape != two.shape:
        raise DataError(
            f"neighbours of {len(one)} and {len(two)} stimuli",
            where="shape",
            hint="the same stimuli",
        )
    counts = one.sum(axis=1)
    return np.asarray((one & two).sum(axis=1) / counts)


def chance(stimuli: int, k: int) -> float:
    """Expected score of unrelated representations: k / (n - 1)."""
    return k / (stimuli - 1)


def mutual_knn_of_heads(heads: Iterable[ArrayLike], target: ArrayLike, k: int = 10) -> Floats:
    """Score of each head against one target, one head in memory at a time: ``[head]``.

    A head whose vector is zero for a stimulus (masked, or dead) gives NaN.
    """
    other = neighbours(target, k)
    found = []
    for head in heads:
        table = np.asarray(head, dtype=np.float64)
        dead = not np.abs(table).sum(axis=1).all()
        score = shared_neighbours(neighbours(table, k), other).mean() if not dead else np.nan
        found.append(float(score))
    return np.array(found)
