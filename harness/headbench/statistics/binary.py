"""Yes/no outcomes of the same documents under two conditions, and intervals of one proportion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from headbench.statistics.score import Interval


def mcnemar_exact(gains: int, losses: int) -> float:
    """Exact two-sided McNemar test (McNemar 1947; the binomial test of the discordant pairs).

    Args:
        gains: Documents wrong under the first condition and right under the second.
        losses: Documents right under the first condition and wrong under the second.

    Returns:
        p = min(1, 2 P(X <= min(gains, losses))) with X ~ Binomial(gains + losses, 1/2); 1 where no
        document changed.
    """
    discordant, fewer = gains + losses, min(gains, losses)
    term, total = 1, 1
    for index in range(fewer):
        term = term * (discordant - index) // (index + 1)
        total += term
    return min(1.0, 2 * total / (1 << discordant))


def mcnemar_clustered(differences: Sequence[int]) -> float:
    """McNemar's test where several documents share a cluster, still exact.

    Under the null hypothesis the two conditions of a cluster could be swapped as a whole. With d_c
    the gains minus the losses of cluster c, p is the chance that the sum of +-d_c, all signs
    equally likely, is at least as far from zero as the sum of d_c; computed by convolution. Where
    no cluster holds more than one change this is :func:`mcnemar_exact`; where changes come in
    bundles of one direction it is rightly larger.

    Args:
        differences: d_c of each cluster.

    Returns:
        p in (0, 1]; 1 where the sum is zero.
    """
    sizes = [abs(difference) for difference in differences if difference]
    observed = abs(sum(differences))
    if all(size == 1 for size in sizes):
        gains = sum(difference > 0 for difference in differences)
        return mcnemar_exact(gains, len(sizes) - gains)
    total = sum(sizes)
    chances = np.zeros(2 * total + 1)
    chances[total] = 1.0
    for size in sizes:
        moved = np.zeros_like(chances)
        moved[size:] += 0.5 * chances[:-size]
        moved[:-size] += 0.5 * chances[size:]
        chances = moved
    sums = np.abs(np.arange(-total, total + 1))
    return min(1.0, float(chances[sums >= observed].sum()))


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion (Wilson 1927).

    Args:
        successes: Between 0 and ``n``.
        n: Independent trials; for none the answer is (0, 1).
        level: Coverage, 0..1.
    """
    if n == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = successes / n
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if successes == 0 else (centre - spread) / scale
    high = 1.0 if successes == n else (centre + spread) / scale
    return Interval(low, high)
