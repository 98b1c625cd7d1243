"""Two arms over the same documents: difference, interval, p, and what could have been seen.

The interval always comes from the paired cluster bootstrap. The p always comes from swapping the
arms within clusters: exactly, as McNemar's test, where documents are right or wrong; by
permutation where the metric is a ratio of sums. It is not read off the bootstrap, whose percentile
p is too small with few clusters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from headbench.scoring.metric import Metric
from headbench.scoring.statistics.binary import detectable_binary, mcnemar_clustered
from headbench.scoring.statistics.bootstrap import Bootstrap, cluster_bootstrap
from headbench.scoring.statistics.clusters import pair
from headbench.scoring.statistics.permutation import swap_test
from headbench.types import Record


@dataclass(frozen=True)
class PairedResult:
    """The comparison of two arms by one metric.

    Attributes:
        value_a: The metric under the first arm; NaN where it is undefined.
        value_b: Under the second arm.
        difference: ``value_b - value_a``.
        low: Lower end of the difference's interval; ``None`` where there is none.
        high: Upper end.
        p: Two-sided p; ``None`` where the difference is undefined.
        test: What gave p.
        n: Paired documents.
        clusters: Clusters they come from.
        detectable: Smallest true difference that this many documents show in four of five runs;
            ``None`` where the spread is unknown.
        level: Coverage of the interval.
        draws: Resamples.
        note: What is missing, and why; empty otherwise.
    """

    value_a: float
    value_b: float
    difference: float
    low: float | None
    high: float | None
    p: float | None
    test: Literal["mcnemar", "permutation"]
    n: int
    clusters: int
    detectable: float | None
    level: float = 0.95
    draws: int = 10_000
    note: str = ""


def compare_paired(
    metric: Metric,
    base_records: Sequence[Record],
    other_records: Sequence[Record],
    *,
    seed: int,
    draws: int = 10_000,
    level: float = 0.95,
) -> PairedResult:
    """Compare two arms document by document.

    Args:
        metric: What to compare.
        base_records: The first arm, usually the baseline.
        other_records: The second arm, over the same documents, in any order.
        seed: Of resamples and swaps.
        draws: Resamples, and swaps.
        level: Coverage of the interval, 0..1.

    Returns:
        The comparison. One document, or one cluster, has a difference and p = 1, but no interval.

    Raises:
        RefusedError: The arms do not hold the same documents, or hold none.
        DataError: A document occurs twice, or its cluster or ground truth differs between arms.
    """
    pairs = pair(base_records, other_records)
    base, other = [one for one, _ in pairs], [two for _, two in pairs]
    value_a, value_b = metric.of(base), metric.of(other)
    interval = cluster_bootstrap(metric, base, other, seed=seed, draws=draws, level=level)
    changes = outcome_changes(metric, pairs)
    p = (
        swap_test(metric, base, other, seed=seed, draws=draws)
        if changes is None
        else mcnemar_clustered(changes.by_cluster)
    )
    return PairedResult(
        value_a=value_a,
        value_b=value_b,
        difference=value_b - value_a,
        low=interval.low,
        high=interval.high,
        p=None if math.isnan(value_b - value_a) else p,
        test="permutation" if changes is None else "mcnemar",
        n=len(pairs),
        clusters=len({record.cluster for record in base}),
        detectable=smallest_detectable(interval, changes, level),
        level=level,
        draws=draws,
        note=interval.note,
    )


@dataclass(frozen=True)
class Changes:
    """Outcomes that differ between two arms.

    Attributes:
        n: Documents with an outcome under both arms.
        gains: Wrong, then right.
        losses: Right, then wrong.
        by_cluster: Gains minus losses of each cluster with a change.
        single: Whether no cluster holds two documents.
    """

    n: int
    gains: int
    losses: int
    by_cluster: tuple[int, ...]
    single: bool


def outcome_changes(metric: Metric, pairs: Sequence[tuple[Record, Record]]) -> Changes | None:
    """Count the documents whose outcome changed; ``None`` for metrics without outcomes.

    A document without an outcome under one arm takes no part.
    """
    if metric.outcome is None:
        return None
    n = gains = losses = 0
    sizes: dict[str, int] = {}
    by_cluster: dict[str, int] = {}
    for one, two in pairs:
        before, after = metric.outcome(one), metric.outcome(two)
        if before is None or after is None:
            continue
        n += 1
        gains += after and not before
        losses += before and not after
        sizes[one.cluster] = sizes.get(one.cluster, 0) + 1
        if before != after:
            by_cluster[one.cluster] = by_cluster.get(one.cluster, 0) + (1 if after else -1)
    single = all(size == 1 for size in sizes.values())
    return Changes(n, gains, losses, tuple(by_cluster.values()), single)


def smallest_detectable(
    interval: Bootstrap, changes: Changes | None = None, level: float = 0.95, power: float = 0.8
) -> float | None:
    """The smallest difference that data like these would have shown.

    For outcomes without clusters :func:`~.binary.detectable_binary`; otherwise
    (z_(1 - alpha/2) + z_power) x the bootstrap's standard error, 2.8 standard errors at 95 % and
    80 % (Cohen 1988).

    Returns:
        A difference in the metric's unit; ``None`` where the standard error is missing or zero:
        where nothing varied, what could have been seen is unknown.
    """
    if changes is not None and changes.single:
        return detectable_binary(changes.n, changes.gains + changes.losses, level, power)
    if not interval.se:
        return None
    z = NormalDist().inv_cdf(0.5 + level / 2) + NormalDist().inv_cdf(power)
    return z * interval.se
