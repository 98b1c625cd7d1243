"""The smallest difference that a test would have found, by inverting the test's own power.

Both tests of this package swap the arms of whole clusters, so both see a difference only through
clusters that change, and p is at least 2 / 2^k where k clusters change, all one way. At .05 that
takes six; six are there in 80 % of runs where some eight are expected.
"""

from __future__ import annotations

import math

import numpy as np

from headbench.scoring.metric import Floats
from headbench.scoring.statistics.limits import Changes

DRAWS = 2_000
"""Simulated runs behind a power; its standard error is then .009 at a power of .80."""
TOLERANCE = 0.01
"""How exactly a simulated share of clusters is sought, over that share."""
KINDS = 8
"""So many of the largest changes keep their size in a simulation; the rest get as many means."""


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
    if not sizes.any():
        return None
    rarer = min(int((seen > 0).sum()), int((seen < 0).sum()))
    both_ways = min(1.0, 2 * rarer / changes.clusters)
    alike = bool(np.allclose(sizes, sizes[0]))

    exact = alike or not rarer
    runs = _Runs(sizes, changes.clusters, changes.unit and float(sizes.min()))

    def found(one_way: float) -> bool:
        others = min(both_ways, 1 - one_way)
        if exact:
            return _power(one_way, others, changes.clusters, alpha) >= power
        return runs.power(one_way, others, alpha) >= power

    if not found(1.0):
        return None
    low, high = 0.0, 1.0
    if not exact:  # simulated runs cost more than a guess
        guess = _guess(sizes, both_ways, changes.clusters, alpha, power)
        low, high = (0.0, guess) if found(guess) else (guess, min(1.0, 2 * guess))
        if high < 1 and not found(high):
            low, high = high, 1.0
    while high - low > (1e-9 if exact else TOLERANCE * high):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return float(high * changes.clusters * sizes.mean())


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
    """

    def __init__(self, sizes: Floats, clusters: int, lattice: float) -> None:
        if len(np.unique(sizes)) > 2 * KINDS:  # the largest stay: the variance is theirs
            small, large = np.split(np.sort(sizes), [-KINDS])
            groups = np.array_split(small, KINDS)
            sizes = np.concatenate([*(np.full(len(g), g.mean()) for g in groups), large])
        self.kinds, counts = np.unique(sizes, return_counts=True)
        self.shares = counts / counts.sum()
        self.clusters, self.lattice = clusters, lattice

    def power(self, one_way: float, both_ways: float, alpha: float) -> float:
        """Share of the runs in which the swap test rejects; the same seed for every question."""
        up, down = one_way + both_ways / 2, both_ways / 2
        chances = np.concatenate([self.shares * up, self.shares * down])
        chances = np.append(chances, max(0.0, 1 - chances.sum()))
        drawn = np.random.default_rng(0).multinomial(
            self.clusters, chances / chances.sum(), size=DRAWS
        )
        ups, downs = np.split(drawn[:, :-1].astype(np.float64), 2, axis=1)  # [run, kind] each
        return float(self._rejects(ups, downs, alpha).mean())

    def _rejects(self, ups: Floats, downs: Floats, alpha: float) -> Floats:
        """Verdicts, 1 or 0: a normal quantile corrected by the swaps' own fourth cumulant."""
        from scipy.special import ndtri

        changed = ups + downs
        moved, most = np.abs((ups - downs) @ self.kinds), changed @ self.kinds
        squares, fourths = changed @ self.kinds**2, changed @ self.kinds**4
        z = -float(ndtri(alpha / 2))
        with np.errstate(invalid="ignore", divide="ignore"):
            # Cornish and Fisher 1938: the sum of +-a has variance sum a^2, excess -2 sum a^4.
            needed = z - (z**3 - 3 * z) / 12 * fourths / squares**2
            beyond = moved - self.lattice >= needed * np.sqrt(squares)
        attainable = np.exp2(1.0 - changed.sum(axis=1)) <= alpha
        verdict = attainable & (beyond | (moved >= most * (1 - 1e-9)))
        return np.asarray(verdict, dtype=np.float64)
