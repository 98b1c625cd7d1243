"""Two conditions over the same documents: difference, interval, p, and what could have been seen.

The p always comes from swapping the conditions within clusters: exactly, as McNemar's test, where
documents are right or wrong; by permutation where the metric is a ratio of sums. Its null is that
each cluster's change is symmetric about 0, which says more than a mean of 0. The interval is a
score interval (:mod:`~headbench.statistics.limits`) that leaves out 0 exactly where p
rejects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from headbench.nouns import Record
from headbench.statistics.binary import mcnemar_clustered
from headbench.statistics.bootstrap import DRAWS, Spread, spread
from headbench.statistics.clusters import pair
from headbench.statistics.limits import Changes, difference_limits, spread_limits
from headbench.statistics.metric import Metric, SumMetric
from headbench.statistics.permutation import least_p, swap_test
from headbench.statistics.power import detectable, detectable_by_t
from headbench.statistics.resamplable import resamplable_pair


@dataclass(frozen=True)
class PairedResult:
    """The comparison of two conditions by one metric.

    Attributes:
        value_a: The metric under the first condition; NaN where it is undefined.
        value_b: Under the second condition.
        difference: ``value_b - value_a``.
        low: Lower end of the difference's interval; ``None`` where there is none.
        high: Upper end.
        p: Two-sided p; ``None`` where the difference is undefined.
        test: What gave p.
        n: Paired documents.
        clusters: Clusters they come from.
        detectable: Smallest true difference, all changes one way, that the test finds in four of
            five runs at ``alpha``; ``None`` where no difference is, or the effect of a change on
            this figure is unknown.
        level: Coverage of the interval.
        draws: Random swaps of a permutation test.
        note: What is missing, and why, or that there are few clusters; empty otherwise.
        method: What gave the interval; empty where there is none.
        undefined: Share of resamples in which the difference is undefined.
        least_p: Smallest p that random swaps can give; ``None`` where p is exact.
        alpha: Level for which ``detectable`` holds.
        changes: What ``detectable`` was computed from; ``None`` where the difference is undefined.
    """

    value_a: float
    value_b: float
    difference: float
    low: float | None
    high: float | None
    p: float | None
    test: Literal["mcnemar", "permutation", "bootstrap-t"]
    n: int
    clusters: int
    detectable: float | None
    level: float = 0.95
    draws: int = 10_000
    note: str = ""
    method: str = ""
    undefined: float = 0.0
    least_p: float | None = None
    alpha: float = 0.05
    changes: Changes | Spread | None = field(default=None, repr=False, compare=False)

    def in_family(self, size: int) -> PairedResult:
        """The same with ``detectable`` at alpha / ``size``: Holm's first step in that family."""
        alpha = round(1 - self.level, 12) / size
        return replace(self, alpha=alpha, detectable=_detectable(self.changes, alpha))


def compare_paired(
    metric: Metric,
    base_records: Sequence[Record],
    other_records: Sequence[Record],
    *,
    seed: int,
    draws: int = 10_000,
    level: float = 0.95,
    family: int = 1,
) -> PairedResult:
    """Compare two conditions document by document.

    Statistics that are resampled by a bootstrap have p from Student's t of the paired difference;
    all others from swapping the conditions.

    Args:
        metric: What to compare.
        base_records: The first condition, usually the baseline.
        other_records: The second condition, over the same documents, in any order.
        seed: Of the random swaps, or of the resamples.
        draws: Random swaps, or resamples.
        level: Coverage of the interval, 0..1.
        family: Tests among which this one is adjusted; ``detectable`` is at (1 - level) / family.

    Returns:
        The comparison. One document, or one cluster, has a difference and p = 1, but no interval.

    Raises:
        RefusedError: The conditions do not hold the same documents, or hold none.
        DataError: A document occurs twice, or its cluster or ground truth differs.
    """
    pairs = pair(base_records, other_records)
    base, other = [one for one, _ in pairs], [two for _, two in pairs]
    alpha = round(1 - level, 12) / family
    if metric.resampling == "bootstrap":
        return _resampled(metric, base, other, seed=seed, draws=draws, level=level, alpha=alpha)
    value_a, value_b = metric.of(base), metric.of(other)
    by_cluster = outcome_changes(metric, pairs)
    clusters = len({record.cluster for record in base})
    p: float | None = None
    if not math.isnan(value_b - value_a):
        p = (
            swap_test(metric, base, other, seed=seed, draws=draws)
            if by_cluster is None
            else mcnemar_clustered(by_cluster)
        )
    limits, changes = difference_limits(metric, pairs, p, level)
    return PairedResult(
        value_a=value_a,
        value_b=value_b,
        difference=value_b - value_a,
        low=limits.low,
        high=limits.high,
        p=p,
        test="permutation" if by_cluster is None else "mcnemar",
        n=len(pairs),
        clusters=clusters,
        detectable=_detectable(changes, alpha),
        level=level,
        draws=draws,
        note=limits.note,
        method=limits.method,
        undefined=limits.undefined,
        least_p=least_p(clusters, draws) if by_cluster is None else None,
        alpha=alpha,
        changes=changes,
    )


def _resampled(
    metric: Metric,
    base: Sequence[Record],
    other: Sequence[Record],
    *,
    seed: int,
    draws: int,
    level: float,
    alpha: float,
) -> PairedResult:
    """The comparison by a bootstrap: interval and p are both Student's, so they agree.

    Conditions of a statistic of pairs cannot be swapped record by record: a pair of records from
    two conditions is a pair of neither. Both see the same draws of stimuli and subjects instead.
    """
    difference = resamplable_pair(metric, base, other)
    found = spread(difference, seed=seed, draws=draws)
    reach = None if metric.low is None or metric.high is None else metric.high - metric.low
    limits = spread_limits(found, metric.fewest, level, None if reach is None else -reach, reach)
    return PairedResult(
        value_a=metric.of(base),
        value_b=metric.of(other),
        difference=found.value,
        low=limits.low,
        high=limits.high,
        p=None if limits.low is None and found.variance != 0 else found.p,
        test="bootstrap-t",
        n=len(base),
        clusters=len(difference.sizes),
        detectable=None if limits.low is None else _detectable(found, alpha),
        level=level,
        draws=min(draws, DRAWS),
        note=limits.note,
        method=limits.method,
        undefined=limits.undefined,
        alpha=alpha,
        changes=None if limits.low is None else found,
    )


def _detectable(changes: Changes | Spread | None, alpha: float) -> float | None:
    if changes is None:
        return None
    if isinstance(changes, Spread):
        return detectable_by_t(changes.error, changes.freedom, alpha)
    return detectable(changes, alpha)


def outcome_changes(
    metric: Metric, pairs: Sequence[tuple[Record, Record]]
) -> tuple[int, ...] | None:
    """Gains minus losses of each cluster with a change; ``None`` for metrics without outcomes.

    A document without an outcome under one condition takes no part.
    """
    if not isinstance(metric, SumMetric) or metric.outcome is None:
        return None
    by_cluster: dict[str, int] = {}
    for one, two in pairs:
        before, after = metric.outcome(one), metric.outcome(two)
        if before is not None and after is not None and before != after:
            by_cluster[one.cluster] = by_cluster.get(one.cluster, 0) + (1 if after else -1)
    return tuple(by_cluster.values())
