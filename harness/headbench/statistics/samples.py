"""What a metric looks like to an interval: a share of documents, or a figure that clusters move.

Nothing is declared for that. A metric is a *proportion* over given records where each record alone
gives 0 or 1, or nothing, and every sum of records gives the mean of those: so accuracy, precision
and a user's own hit rate are recognised, and F1 and CHAIR_I are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headbench.nouns import Record
from headbench.statistics.metric import Floats, SumMetric
from headbench.statistics.resamplable import MANY, Resamplable
from headbench.statistics.score import Sample

PROBES = 16
"""Random subsets on which a proportion must be the mean of its records."""
SLACK = 1e-9


def proportion(metric: SumMetric, records: Sequence[Record]) -> Floats | None:
    """Each record's 0 or 1, where the metric is their mean.

    Args:
        metric: Any metric.
        records: Over which it is computed.

    Returns:
        ``[record]``, NaN for a record that takes no part; ``None`` where the metric is no
        proportion of these records, or none takes part.
    """
    rows = metric.rows(records)
    values = np.asarray(metric.value(rows * MANY), dtype=np.float64).reshape(len(rows))
    part = np.isfinite(values)
    hits = np.where(part, values, 0.0)
    if not part.any() or not np.isin(hits, (0.0, 1.0)).all():
        return None
    picks = np.random.default_rng(0).integers(2, size=(PROBES, len(rows))).astype(np.float64)
    picks = np.concatenate([np.ones((1, len(rows))), picks]) * MANY
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (picks @ hits) / (picks @ part.astype(np.float64))
    found = np.asarray(metric.value(picks @ rows), dtype=np.float64)
    total = float(metric.value(rows.sum(axis=0)))
    found, means = np.append(found, total), np.append(means, means[0])
    found[-1] = means[0] if np.isnan(total) else total  # a least number of items is no other rule
    same = np.isclose(found, means, rtol=SLACK, atol=SLACK, equal_nan=True)
    return values if same.all() else None


@dataclass(frozen=True)
class Jackknife:
    """A figure, and how it moves when one cluster is left out.

    Attributes:
        sample: The figure with the influences of the clusters that take part; ``None`` where it, or
            every figure without one cluster, is undefined.
        part: ``[cluster]``, whether a cluster takes part: alone, it has a value.
        undefined: Share of those clusters without which the figure is undefined.
    """

    sample: Sample | None
    part: np.ndarray[tuple[int], np.dtype[np.bool_]]
    undefined: float


def jackknife(figure: Resamplable) -> Jackknife:
    """Leave out one cluster after the other (Efron and Tibshirani 1993, ch. 11).

    Args:
        figure: A metric over the clusters of one condition, or the difference of two.
    """
    part = figure.part
    if not part.any():
        return Jackknife(None, part, 1.0)
    value = figure.value()
    without = figure.without_each()[part]
    defined = np.isfinite(without)
    undefined = float(1 - defined.mean())
    if not np.isfinite(value) or not defined.any():
        return Jackknife(None, part, undefined)
    count = len(without)
    moved = np.where(defined, np.mean(without[defined]) - without, 0.0)
    influence = moved * np.sqrt((count - 1) / count)
    weight = figure.sizes[part] / figure.sizes[part].sum()
    return Jackknife(Sample(value, influence, weight), part, undefined)
