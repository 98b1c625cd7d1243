"""Groups from embeddings: k-means whose clusters all have the same size.

Embedding baselines of Alavi Naeini et al. 2023 (arXiv 2306.11167) group words by size-constrained
k-means over the clues' vectors, averaged over shufflings of the clues.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headbench.errors import DataError
from headbench.statistics.metric import Floats

Ints = NDArray[np.int64]


def balanced_kmeans(
    vectors: Floats, groups: int = 4, *, seed: int = 0, restarts: int = 10, steps: int = 50
) -> Ints:
    """Cluster into groups of equal size.

    Each step assigns all points to ``groups`` x ``size`` slots at the least summed squared distance
    (the assignment problem, solved exactly) and moves the centres to their points' means.

    Args:
        vectors: ``[point, width]``; scaled to unit length first, so that distance follows cosine.
        groups: Number of clusters; divides the number of points.
        seed: Of the starting centres.
        restarts: Starts, of which the tightest result is kept.
        steps: At most so many steps a start.

    Returns:
        Cluster of each point, ``[point]``, numbered in order of first appearance.

    Raises:
        DataError: The points do not divide into groups, or a vector is not finite or is zero.
    """
    points = np.asarray(vectors, dtype=np.float64)
    if points.ndim != 2 or groups < 1 or len(points) % groups or not len(points):
        raise DataError(f"{points.shape} vectors do not divide into {groups} equal groups")
    norms = np.linalg.norm(points, axis=1, keepdims=True)
    if not np.isfinite(points).all() or not (norms > 0).all():
        raise DataError("an embedding is zero or not finite")
    points = points / norms
    rng = np.random.default_rng(seed)
    runs = [_run(points, _spread(points, groups, rng), steps) for _ in range(restarts)]
    best = min(runs, key=lambda run: run[0])[1]
    order = {label: index for index, label in enumerate(dict.fromkeys(best.tolist()))}
    return np.array([order[label] for label in best.tolist()], dtype=np.int64)


def _spread(points: Floats, groups: int, rng: np.random.Generator) -> Floats:
    """Starting centres: each next one far from those before (k-means++)."""
    chosen = [int(rng.integers(len(points)))]
    while len(chosen) < groups:
        gaps = _squared(points, points[chosen]).min(axis=1)
        weights = gaps / gaps.sum() if gaps.sum() > 0 else None
        chosen.append(int(rng.choice(len(points), p=weights)))
    return points[chosen]


def _run(points: Floats, centres: Floats, steps: int) -> tuple[float, Ints]:
    """Assign and move until nothing changes; the summed distance and the clusters."""
    from scipy.optimize import linear_sum_assignment

    size = len(points) // len(centres)
    found = np.full(len(points), -1, dtype=np.int64)
    for _ in range(steps):
        cost = np.repeat(_squared(points, centres), size, axis=1)
        _, slots = linear_sum_assignment(cost)
        clusters = np.asarray(slots, dtype=np.int64) // size
        if np.array_equal(clusters, found):
            break
        found = clusters
        centres = np.stack([points[found == at].mean(axis=0) for at in range(len(centres))])
    gaps = _squared(points, centres)
    return float(gaps[np.arange(len(points)), found].sum()), found


def _squared(points: Floats, centres: Floats) -> Floats:
    """Squared distances ``[point, centre]``."""
    return np.asarray(((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2))
