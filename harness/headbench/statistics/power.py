"""The smallest difference that a test would have found, by inverting the test's own power.

Both tests of this package swap the conditions of whole clusters, so both see a difference only
through clusters that change, and p is at least 2 / 2^k where k clusters change, all one way. At
.05 that takes six; six are there in 80 % of runs where some eight are expected.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from headbench.statistics.limits import Changes
from headbench.statistics.metric import Floats
from headbench.statistics.score import t_quantile

DRAWS = 2_000
"""Simulated runs behind a power; its standard error is then .009 at a power of .80."""
CELLS = 2_000_000
"""Most changes drawn in all; with thousands of changed clusters there are fewer runs."""
TOLERANCE = 0.01
"""How exactly a simulated share of clusters is sought, over that share."""


def detectable(changes: Changes, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest difference, all its changes one way, that the test finds in most runs.

    The run is taken as it was seen: as many clusters change up as down (twice the rarer direction
    seen), and by as much. A share of the clusters changes one way instead, first of those that did
    not change, by amounts drawn from those seen; the share is the smallest with which the test
    rejects at ``alpha`` often enough. Where nothing changed, one document per cluster does.

    Args:
        changes: What was seen.
        alpha: Level of the two-sided test, after adjustment.
        power: Share of runs in which the difference is found.

    Returns:
        A difference in the metric's unit, above 0; ``None`` where there are too few clusters, or
        nothing changed and what a change would do to the figure is unknown.
    """
    seen = changes.effects[changes.effects != 0]
    sizes = np.abs(seen) if seen.size else np.array([changes.unit])
    clusters = changes.clusters
    if not sizes.any() or math.log2(alpha) < 1 - clusters:  # even with every cluster one way
        return None
    rarer = min(int((seen > 0).sum()), int((seen < 0).sum()))
    both_ways = min(1.0, 2 * rarer / clusters)
    if not rarer or np.allclose(sizes, sizes[0]):
        share = _equal_changes(both_ways, clusters, alpha, power)
    else:
        top = min(1.0, 2 * _guess(sizes, both_ways, clusters, alpha, power))
        runs = _Runs(sizes, clusters, changes.unit and float(sizes.min()), top + both_ways)

        def seen_in(one_way: float) -> bool:
            return runs.power(one_way, min(both_ways, 1 - one_way), alpha) >= power

        share = _least(seen_in, top, TOLERANCE)
    return float(share * clusters * sizes.mean())


@lru_cache(4096)  # a table of yes/no figures asks the same few questions again and again
def _equal_changes(both_ways: float, clusters: int, alpha: float, power: float) -> float:
    """Share of clusters that must change one way, where all changes are of one size."""

    def found(one_way: float) -> bool:
        return _power(one_way, min(both_ways, 1 - one_way), clusters, alpha) >= power

    return _least(found, 1.0, 1e-9)


def detectable_by_t(
    error: float, freedom: float, alpha: float = 0.05, power: float = 0.8
) -> float | None:
    """The smallest difference that a t test with this standard error finds in most runs.

    Args:
        error: Standard error of the difference.
        freedom: Degrees of freedom of the test.
        alpha: Level of the two-sided test, after adjustment.
        power: Share of runs in which the difference is found.

    Returns:
        A difference in the metric's unit; ``None`` where the standard error is 0.
    """
    if error <= 0:
        return None
    return error * (t_quantile(1 - alpha / 2, freedom) + t_quantile(power, freedom))


def _least(found: Callable[[float], bool], top: float, tolerance: float) -> float:
    """The least share that is found; at most ``top``."""
    low, high = 0.0, top
    while high - low > tolerance * high:
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


def _guess(sizes: Floats, both_ways: float, clusters: int, alpha: float, power: float) -> float:
    """Share of clusters where a normal sum would reach the power: m q = z sqrt(s (q + others))."""
    from scipy.special import ndtri

    z = float(ndtri(power) - ndtri(alpha / 2))
    ratio = z * z * float((sizes**2).mean() / sizes.mean() ** 2) / clusters
    return min(1.0, (ratio + math.sqrt(ratio * ratio + 4 * ratio * both_ways)) / 2)


def detectable_binary(
    n: int, both_ways: int = 0, level: float = 0.95, power: float = 0.8
) -> float | None:
    """:func:`detectable` for ``n`` documents without clusters that are right or wrong.

    Args:
        n: Paired documents.
        both_ways: Documents that change besides, half of them up and half down.
        level: One minus the two-sided test's alpha.
        power: The chance of finding the difference.

    Returns:
        A difference of proportions, 0..1: 7.8 / n for many documents of which none changed;
        ``None`` where ``n`` is too small to show any.
    """
    signs = np.repeat([1.0, -1.0], both_ways // 2)
    return detectable(Changes(signs / n, n, 1 / n), 1 - level, power)


def _power(one_way: float, both_ways: float, clusters: int, alpha: float) -> float:
    """Power of the exact sign test, which is McNemar's, where all changes are of one size.

    With sizes that differ it is still the power where all changes go one way: the swaps that are
    as extreme are then two of 2^k, whatever the sizes.
    """
    from scipy.special import bdtrc, gammaln, xlog1py, xlogy

    share = min(1.0, one_way + both_ways)
    if share == 0:
        return 0.0
    mean = clusters * share
    spread = 9 * math.sqrt(mean * (1 - share)) + 9
    changed = np.arange(max(0, int(mean - spread)), min(clusters, int(mean + spread)) + 1)
    # The least number one way of all that changed with 2 P(that many or more) <= alpha.
    enough, fewer = changed + 1, np.zeros_like(changed)
    while (fewer < enough).any():
        middle = (fewer + enough) // 2
        rejects = np.where(middle > 0, bdtrc(middle - 1.0, changed, 0.5), 1.0) <= alpha / 2
        enough, fewer = np.where(rejects, middle, enough), np.where(rejects, fewer, middle + 1)
    one = min(1.0, (one_way + both_ways / 2) / share)
    reached = np.where(enough <= changed, bdtrc(enough - 1.0, changed, one), 0.0)
    rest = clusters - changed
    ways = gammaln(clusters + 1) - gammaln(changed + 1) - gammaln(rest + 1)
    chances = np.exp(ways + xlogy(changed, share) + xlog1py(rest, -share))
    return float(chances @ reached)


class _Runs:
    """Simulated runs whose changed clusters differ in size.

    Args:
        sizes: ``[changed cluster]``, to draw from; above 0.
        clusters: In all.
        lattice: Step of the sums where sizes are multiples of a unit, for a correction of
            continuity; 0 elsewhere.
        most: The largest share of clusters that will be asked to change.
    """

    def __init__(self, sizes: Floats, clusters: int, lattice: float, most: float) -> None:
        mean = clusters * min(1.0, most)
        self.most = min(clusters, math.ceil(mean + 6 * math.sqrt(mean) + 6))
        self.draws = min(DRAWS, CELLS // self.most)
        self.clusters, self.lattice = clusters, lattice
        drawn = np.random.default_rng(0).choice(sizes, (self.draws, self.most))
        # [power, run, changed cluster]: sums of the first so many changes, to the powers 1, 2, 4.
        self.sums = np.zeros((3, self.draws, self.most + 1))
        for place, power in enumerate((1, 2, 4)):
            np.cumsum(drawn**power, axis=1, out=self.sums[place, :, 1:])

    def power(self, one_way: float, both_ways: float, alpha: float) -> float:
        """Share of the runs in which the swap test rejects; the same seed for every question.

        The verdict is a normal quantile corrected by the swaps' own fourth cumulant, or, where all
        changes go one way, the exact one.
        """
        from scipy.special import ndtri

        random, share = np.random.default_rng(1), min(1.0, one_way + both_ways)
        changed = np.minimum(random.binomial(self.clusters, share, self.draws), self.most)
        up = random.binomial(changed, min(1.0, (one_way + both_ways / 2) / share))
        run = np.arange(self.draws)
        total, squares, fourths = (sums[run, changed] for sums in self.sums)
        moved = np.abs(2 * self.sums[0, run, up] - total)
        z = -float(ndtri(alpha / 2))
        with np.errstate(invalid="ignore", divide="ignore"):
            # Cornish and Fisher 1938: the sum of +-a has variance sum a^2, excess -2 sum a^4.
            needed = z - (z**3 - 3 * z) / 12 * fourths / squares**2
            beyond = moved - self.lattice >= needed * np.sqrt(squares)
        attainable = np.exp2(1.0 - changed) <= alpha
        return float((attainable & (beyond | (moved >= total * (1 - 1e-9)))).mean())
