"""The cluster bootstrap: resample whole clusters, then recompute the metric from summed parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from headbench.nouns import Record
from headbench.statistics.clusters import cluster_sums, pair
from headbench.statistics.metric import Floats, Metric

CELLS = 4_000_000
"""Most weights held at once (32 MB); fixed, so that chunks never change the random stream."""
UNDEFINED = 0.05
"""Greatest share of resamples in which a figure may be undefined while it keeps an interval."""


@dataclass(frozen=True)
class Bootstrap:
    """What resampling says about a value or a difference.

    Attributes:
        low: Lower end of the percentile interval; ``None`` where it cannot be had.
        high: Upper end.
        se: Standard deviation over the draws; ``None`` likewise.
        draws: Resamples drawn.
        undefined: Share of draws in which the metric was undefined; above :data:`UNDEFINED` there
            is no interval, below it they are left out.
        note: Why an end is missing; empty otherwise.
    """

    low: float | None
    high: float | None
    se: float | None
    draws: int
    undefined: float = 0.0
    note: str = ""


def cluster_bootstrap(
    metric: Metric,
    base: Sequence[Record],
    other: Sequence[Record] | None = None,
    *,
    seed: int,
    draws: int = 10_000,
    level: float = 0.95,
) -> Bootstrap:
    """Percentile interval of a metric, or of the paired difference ``other - base``.

    Clusters are drawn with replacement, as many as there are, the same ones for both conditions
    (Efron and Tibshirani 1993, ch. 13; Field and Welsh 2007 for clusters). A draw is a vector of
    cluster weights w, and its value is ``metric.value(w @ cluster sums)``: corpus ratios are
    recomputed, never averaged.

    Args:
        metric: What to compute.
        base: Records of the first condition.
        other: Records of the second condition over the same documents; ``None``: the first alone.
        seed: Of the resampling.
        draws: Resamples.
        level: Coverage of the interval, 0..1.

    Returns:
        The interval. With fewer than two clusters there is nothing to resample: both ends and the
        standard error are ``None`` and the note says so.

    Raises:
        RefusedError: The conditions do not hold the same documents.
    """
    if other is None:
        tables = [cluster_sums(metric, base).table]
    else:
        pairs = pair(base, other)
        tables = [cluster_sums(metric, condition).table for condition in zip(*pairs, strict=True)]

    def statistic(sums: Floats) -> Floats:
        parts = len(metric.parts)
        first = metric.value(sums[..., :parts])
        return first if other is None else metric.value(sums[..., parts:]) - first

    return resample(np.concatenate(tables, axis=1), statistic, seed=seed, draws=draws, level=level)


def resample(
    table: Floats,
    statistic: Callable[[Floats], Floats],
    *,
    seed: int,
    draws: int,
    level: float,
) -> Bootstrap:
    """Bootstrap any function of summed rows.

    Args:
        table: ``[cluster, part]``.
        statistic: Sums ``[draw, part]`` -> values ``[draw]``.
        seed: Of the resampling.
        draws: Resamples.
        level: Coverage, 0..1.
    """
    clusters = table.shape[0]
    if clusters < 2:
        return Bootstrap(None, None, None, draws, note=f"no interval from {clusters} cluster(s)")
    chunks = [statistic(weights @ table) for weights in _weights(clusters, draws, seed)]
    values = np.concatenate(chunks)
    defined = values[np.isfinite(values)]
    undefined = 1 - defined.size / draws
    if undefined > UNDEFINED:
        note = f"no interval: the figure is undefined in {100 * undefined:.0f} % of the resamples"
        return Bootstrap(None, None, None, draws, undefined, note)
    low, high = np.quantile(defined, [0.5 - level / 2, 0.5 + level / 2])
    return Bootstrap(float(low), float(high), float(defined.std(ddof=1)), draws, undefined)


def _weights(clusters: int, draws: int, seed: int) -> Iterator[Floats]:
    """How often each cluster is drawn: multinomial ``[chunk, cluster]``, in bounded chunks."""
    random = np.random.default_rng(seed)
    size = max(1, CELLS // clusters)
    for start in range(0, draws, size):
        chunk = min(size, draws - start)
        picks = random.integers(clusters, size=(chunk, clusters))
        picks += clusters * np.arange(chunk)[:, None]
        counts = np.bincount(picks.ravel(), minlength=chunk * clusters)
        yield counts.reshape(chunk, clusters).astype(np.float64)
