"""Randomisation tests: what the difference would be if the conditions' names meant nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np

from headbench.nouns import Record
from headbench.statistics.metric import Floats, Metric
from headbench.statistics.resamplable import CELLS, SLACK, resamplable_pair

Tail = Literal["two-sided", "greater", "less"]


def swap_test(
    metric: Metric,
    base: Sequence[Record],
    other: Sequence[Record],
    *,
    seed: int,
    draws: int = 10_000,
) -> float | None:
    """Paired permutation test of ``other - base``: swap the two conditions of whole clusters.

    The randomisation test for ratios that are recomputed from sums (Noreen 1989, approximate
    randomisation). For a mean of yes/no outcomes without clusters it is McNemar's exact test.

    Args:
        metric: What to compute.
        base: Records of the first condition.
        other: Records of the second condition over the same documents.
        seed: Of the random swaps.
        draws: Random swaps; where there are no more than that many ways to swap, all are gone
            through and p is exact.

    Returns:
        Two-sided p in (0, 1]: the share of ways with a difference at least as large, the observed
        one included. A way in which the metric is undefined counts as large. ``None`` where the
        observed difference is undefined.

    Raises:
        RefusedError: The conditions do not hold the same documents.
    """
    figure = resamplable_pair(metric, base, other)
    return _two_sided(figure.swapped, len(figure.sizes), seed, draws)


def least_p(clusters: int, draws: int) -> float | None:
    """The smallest p that random swaps can give; ``None`` where all ways are gone through."""
    return None if 2**clusters <= draws else 1 / (1 + draws)


def _two_sided(
    difference: Callable[[Floats], Floats], clusters: int, seed: int, draws: int
) -> float | None:
    observed = abs(float(difference(np.zeros((1, clusters)))[0]))
    if not np.isfinite(observed):
        return None
    every = 2**clusters <= draws
    extreme = total = 0 if every else 1
    for swapped in _all_swaps(clusters) if every else _random_swaps(clusters, draws, seed):
        # `not smaller` and not `greater or equal`: an undefined difference counts as large.
        extreme += int(np.sum(~(np.abs(difference(swapped)) < observed - SLACK)))
        total += swapped.shape[0]
    return extreme / total


def _all_swaps(clusters: int) -> Iterator[Floats]:
    bits = np.arange(2**clusters)[:, None] >> np.arange(clusters)
    yield (bits & 1).astype(np.float64)


def _random_swaps(clusters: int, draws: int, seed: int) -> Iterator[Floats]:
    random = np.random.default_rng(seed)
    size = max(1, CELLS // clusters)
    for start in range(0, draws, size):
        chunk = min(size, draws - start)
        yield random.integers(2, size=(chunk, clusters)).astype(np.float64)


def permutation_p(observed: float, null: Sequence[float], tail: Tail = "two-sided") -> float:
    """P of an observed statistic among statistics of permuted data (Phipson and Smyth 2010).

    Args:
        observed: The statistic, e.g. a correlation of two dissimilarity matrices.
        null: The statistic under permutations (e.g. of the conditions' labels).
        tail: Which statistics are as extreme; two-sided compares magnitudes.

    Returns:
        (1 + number at least as extreme) / (1 + number of permutations); never 0, and 1 for none.
    """
    values = np.asarray(null, dtype=np.float64)
    if tail == "two-sided":
        extreme = np.abs(values) >= abs(observed) - SLACK
    elif tail == "greater":
        extreme = values >= observed - SLACK
    else:
        extreme = values <= observed + SLACK
    return float((1 + extreme.sum()) / (1 + values.size))
