"""Which interval a figure or a difference gets, and when it gets none.

=================  ==================================================================
``wilson``         a proportion, every document a cluster of its own
``tango``          the difference of two such proportions over the same documents
``cluster-score``  every other figure between bounds, and every other difference
``jackknife-t``    a figure without a bound, such as a mean length
``bootstrap-t``    statistics of pairs of records, and their differences
=================  ==================================================================

A count has the interval of its rate times the number counted over. ``wilson`` and ``tango`` hold
from one document up. The others learn the variance from the clusters: below ``Metric.fewest`` of
them there is no interval, below :data:`FEW` a note.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from headbench.nouns import Record
from headbench.statistics.binary import wilson
from headbench.statistics.bootstrap import DRAWS, UNDEFINED, Spread, spread
from headbench.statistics.metric import Floats, Metric, SumMetric, ratio
from headbench.statistics.resamplable import SLACK, resamplable, resamplable_pair
from headbench.statistics.samples import Jackknife, jackknife, proportion
from headbench.statistics.score import (
    Interval,
    Sample,
    agree,
    bounded,
    paired,
    student,
    t_quantile,
    tango,
)

FEW = 30
"""Clusters below which an interval that rests on them is called rough."""


@dataclass(frozen=True)
class Limits:
    """An interval, or why there is none.

    Attributes:
        low: Lower end; ``None`` where there is no interval.
        high: Upper end.
        method: One of the table above; empty for none.
        clusters: Clusters that take part in the figure.
        undefined: Share of them without which the figure is undefined.
        note: Why there is no interval, or that it rests on few clusters; empty otherwise.
    """

    low: float | None
    high: float | None
    method: str
    clusters: int
    undefined: float = 0.0
    note: str = ""

    def times(self, scale: float) -> Limits:
        """The interval of a figure that is ``scale`` times as large."""
        if self.low is None or self.high is None:
            return self
        return replace(self, low=self.low * scale, high=self.high * scale)


@dataclass(frozen=True)
class Changes:
    """By how much each changed cluster moves a difference.

    Attributes:
        effects: ``[changed cluster]``, in the metric's unit; they sum to the difference.
        clusters: Clusters that take part, changed or not.
        unit: What one changed document moves where documents are right or wrong; 0 otherwise.
    """

    effects: Floats
    clusters: int
    unit: float = 0.0


def value_limits(
    metric: Metric,
    records: Sequence[Record],
    level: float = 0.95,
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> Limits:
    """The interval of a metric over one condition.

    Args:
        metric: What is computed.
        records: Over which; in any order.
        level: Coverage, 0..1.
        seed: Of the draws, where the interval is a bootstrap's.
        draws: How many, at most :data:`headbench.statistics.bootstrap.DRAWS`; fewer than two make
            no interval.
    """
    if not records:
        return Limits(None, None, "", 0, note="no interval from 0 documents")
    documents: float | None = None
    if isinstance(metric, SumMetric):
        if metric.unit == "count" and _adds_up(metric, records):
            trials = metric.trials or _one
            rate = _per_trial(metric, trials, 1.0 if _most(metric, records) else None)
            return value_limits(rate, records, level).times(sum(map(trials, records)))
        outcomes = proportion(metric, records)
        if outcomes is not None:
            known = np.isfinite(outcomes)
            n = int(known.sum())
            if len({r.cluster for r, takes in zip(records, known, strict=True) if takes}) == n:
                low, high = wilson(int(outcomes[known].sum()), n, level)
                return Limits(low, high, "wilson", n)
            documents = n
    figure = resamplable(metric, records)
    if metric.resampling == "bootstrap":
        drawn = spread(figure, seed=seed, draws=draws)
        return spread_limits(drawn, metric.fewest, level, metric.low, metric.high)
    found = jackknife(figure)
    refused = _refused(found, metric)
    if refused is not None or found.sample is None:
        return refused or _none(found, "the figure is undefined")
    if metric.low is None or metric.high is None:
        return _limits(_clip(student(found.sample, level), metric), "jackknife-t", found)
    sample = replace(_within(found.sample, metric), documents=documents or figure.independent)
    interval = bounded(sample, metric.low, metric.high, level)
    return _limits(interval, "cluster-score", found)


def difference_limits(
    metric: Metric, pairs: Sequence[tuple[Record, Record]], p: float | None, level: float = 0.95
) -> tuple[Limits, Changes | None]:
    """The interval of ``other - base``, which leaves out 0 exactly where p <= 1 - ``level``.

    Args:
        metric: What is computed.
        pairs: Records of both conditions, by document.
        p: Of the paired test; ``None`` where the difference is undefined.
        level: Coverage, 0..1.

    Returns:
        The interval, and the changes behind the difference; ``None`` where it is undefined.
    """
    conditions = [list(condition) for condition in zip(*pairs, strict=True)]
    if isinstance(metric, SumMetric):
        if metric.unit == "count" and _adds_up(metric, conditions[0] + conditions[1]):
            return _count_difference(metric, pairs, p, level)
        outcomes = [proportion(metric, condition) for condition in conditions]
        if outcomes[0] is not None and outcomes[1] is not None:
            same = np.isfinite(outcomes[0]) == np.isfinite(outcomes[1])
            if same.all():
                part = np.isfinite(outcomes[0])
                members = [one for one, takes in zip(conditions[0], part, strict=True) if takes]
                moved = (outcomes[1] - outcomes[0])[part]
                return _outcome_difference(metric, members, moved, p, level)
    return _figure_difference(metric, conditions, p, level)


def too_little(clusters: int, fewest: int, undefined: float = 0.0) -> str:
    """Why clusters cannot give an interval; empty where they can.

    Args:
        clusters: Clusters that take part in the figure.
        fewest: Clusters below which there is no interval.
        undefined: Share of the resamples in which the figure is undefined, 0..1.
    """
    if clusters < fewest:
        return f"no interval from {clusters} cluster(s): below {fewest}"
    if undefined > UNDEFINED:
        share = f"{100 * undefined:.0f} % of the resamples"
        return f"no interval: the figure is undefined in {share}"
    return ""


def spread_limits(
    found: Spread,
    fewest: int,
    level: float,
    low: float | None = None,
    high: float | None = None,
) -> Limits:
    """Student's interval around a figure whose variance was bootstrapped.

    Args:
        found: The figure, or a difference.
        fewest: Clusters below which there is no interval.
        level: Coverage, 0..1.
        low: Least possible value; ``None`` is unbounded.
        high: Greatest possible value; ``None`` is unbounded.
    """
    note = too_little(found.clusters, fewest, found.undefined)
    if not note and math.isnan(found.variance):
        note = "no interval: the figure is undefined, or was not resampled"
    elif not note and found.variance == 0:
        note = "no interval: no two resamples differ"
    if note:
        return Limits(None, None, "", found.clusters, found.undefined, note)
    half = t_quantile(0.5 + level / 2, found.freedom) * found.error
    note = f"only {found.clusters} clusters: below {FEW} an interval is rough"
    return Limits(
        max(found.value - half, -math.inf if low is None else low),
        min(found.value + half, math.inf if high is None else high),
        "bootstrap-t",
        found.clusters,
        found.undefined,
        note if found.clusters < FEW else "",
    )


def _count_difference(
    metric: SumMetric, pairs: Sequence[tuple[Record, Record]], p: float | None, level: float
) -> tuple[Limits, Changes | None]:
    """A count: the difference of its rates, times what it is counted over."""
    most = _most(metric, [record for both in pairs for record in both])
    scale = (most or 1.0) * len(pairs)
    rate = _per_trial(metric, lambda _: most or 1.0, 1.0 if most else None)
    limits, changes = difference_limits(rate, pairs, p, level)
    if changes is not None:
        changes = replace(changes, effects=changes.effects * scale, unit=changes.unit * scale)
    return limits.times(scale), changes


def _outcome_difference(
    metric: Metric, members: Sequence[Record], moved: Floats, p: float | None, level: float
) -> tuple[Limits, Changes | None]:
    """Documents right or wrong under both conditions; ``moved`` holds -1, 0 or 1 for each."""
    n, gains, losses = len(moved), int((moved > 0).sum()), int((moved < 0).sum())
    places = {name: place for place, name in enumerate(sorted({r.cluster for r in members}))}
    owners = np.array([places[record.cluster] for record in members])
    sizes = np.bincount(owners).astype(np.float64)
    net = np.bincount(owners, weights=moved)
    difference = (gains - losses) / n
    changes = Changes(net[net != 0] / n, len(sizes), 1 / n)
    if len(sizes) == n:
        if n < 2:
            return Limits(None, None, "", n, note=f"no interval from {n} document"), changes
        low, high = agree(tango(n, gains, losses, level), difference, p, level)
        return Limits(low, high, "tango", n), changes
    sample = Sample(difference, net / n - difference * sizes / n, sizes / n, documents=n)
    found = Jackknife(sample, np.ones(len(sizes), dtype=bool), 0.0)
    refused = _refused(found, metric)
    if refused is not None:
        return refused, changes
    interval = paired(sample, gains / n, losses / n, 1.0, level)
    return _limits(agree(interval, difference, p, level), "cluster-score", found), changes


def _figure_difference(
    metric: Metric, conditions: Sequence[Sequence[Record]], p: float | None, level: float
) -> tuple[Limits, Changes | None]:
    """Any other metric: each cluster's change is how far it moves the difference."""
    figure = resamplable_pair(metric, *conditions)
    found = jackknife(figure)
    if found.sample is None:
        return _none(found, "the difference is undefined"), None
    sample, count = found.sample, int(found.part.sum())
    effects, changed = figure.effects(sample.influence, sample.weight)
    if np.abs(sample.influence).max() < SLACK:  # nothing that was seen says what a change would do
        sample = replace(sample, documents=figure.independent)
    changes = Changes(effects[changed], count)
    refused = _refused(found, metric)
    if refused is not None:
        return refused, changes
    bounds = None if metric.low is None or metric.high is None else metric.high - metric.low
    # Few changes may all be small by chance: until there are several, a change may be as large as
    # the bounds allow, or as two documents of the first condition differ where there are none.
    possible = bounds
    if possible is None:
        alone = jackknife(resamplable(metric, conditions[0])).sample
        spread = 0.0 if alone is None else float(alone.influence @ alone.influence)
        possible = math.sqrt(2 * count * spread)
    largest = float((np.abs(effects) / sample.weight).max())
    unit = max(largest, abs(sample.value), possible / max(1, int(changed.sum())))
    if unit == 0:
        return _none(found, "no document changed, and documents do not differ"), changes
    up, down = (float(np.maximum(sign * effects, 0).sum()) / unit for sign in (1, -1))
    rest = sample.value / unit - (up - down)  # what unchanged clusters move through the totals
    interval = paired(sample, up + max(rest, 0.0), down + max(-rest, 0.0), unit, level)
    if bounds is not None:
        interval = Interval(max(interval.low, -bounds), min(interval.high, bounds))
    return _limits(agree(interval, sample.value, p, level), "cluster-score", found), changes


def _per_trial(
    metric: SumMetric, trials: Callable[[Record], float], high: float | None
) -> SumMetric:
    """What a count is per trial: a last part sums the trials."""
    return SumMetric(
        name=metric.name,
        parts=(*metric.parts, "trials"),
        row=lambda record: (*metric.row(record), trials(record)),
        value=lambda sums: ratio(metric.value(sums[..., :-1]), sums[..., -1]),
        higher_is_better=metric.higher_is_better,
        low=0.0 if metric.low == 0 else None,
        high=high,
    )


def _most(metric: SumMetric, records: Sequence[Record]) -> float | None:
    """The most that any of the records may add to a count; ``None`` where nobody knows."""
    if metric.trials is not None:
        return max(metric.trials(record) for record in records)
    values = metric.value(metric.rows(records))
    return 1.0 if bool(((values >= 0) & (values <= 1)).all()) else None


def _one(_: Record) -> float:
    return 1.0


def _adds_up(metric: SumMetric, records: Sequence[Record]) -> bool:
    """Whether the figure of all records is the sum of the figures of each."""
    rows = metric.rows(records)
    return bool(np.isclose(metric.value(rows.sum(axis=0)), np.sum(metric.value(rows))))


def _within(sample: Sample, metric: Metric) -> Sample:
    """The sample with its value inside the bounds, which rounding may pass by."""
    value = min(max(sample.value, metric.low or 0.0), metric.high or 0.0)
    return replace(sample, value=value)


def _clip(interval: Interval, metric: Metric) -> Interval:
    low = interval.low if metric.low is None else max(interval.low, metric.low)
    high = interval.high if metric.high is None else min(interval.high, metric.high)
    return Interval(low, high)


def _refused(found: Jackknife, metric: Metric) -> Limits | None:
    """Limits without an interval, where the clusters cannot give one."""
    note = too_little(int(found.part.sum()), metric.fewest, found.undefined)
    return _none(found, note) if note else None


def _none(found: Jackknife, note: str) -> Limits:
    return Limits(None, None, "", int(found.part.sum()), found.undefined, note)


def _limits(interval: Interval, method: str, found: Jackknife) -> Limits:
    count = int(found.part.sum())
    if interval.low == interval.high:
        return _none(found, "no interval: no two clusters differ")
    note = f"only {count} clusters: below {FEW} an interval is rough" if count < FEW else ""
    return Limits(interval.low, interval.high, method, count, found.undefined, note)
