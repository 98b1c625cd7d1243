"""What a metric looks like to an interval: a share of documents, or a figure that clusters move.

Nothing is declared for that. A metric is a *proportion* over given records where each record alone
gives 0 or 1, or nothing, and every sum of records gives the mean of those: so accuracy, precision
and a user's own hit rate are recognised, and F1 and CHAIR_I are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from headbench.nouns import Record
from headbench.statistics.metric import Floats, SumMetric
from headbench.statistics.resamplable import MANY, Resamplable
from headbench.statistics.score import Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROBES = 16
"""Random subsets on which a proportion must be the mean of its records."""
FEW = 10_000
"""Records up to which the subsets are kept: 1.4 MB."""
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
    picks = _picks(len(rows))
    # All sums in one call: each record alone, the random subsets, and all records once.
    sums = np.concatenate([rows * MANY, picks @ rows, rows.sum(axis=0, keepdims=True)])
    computed = np.asarray(metric.value(sums), dtype=np.float64)
    values, found, total = computed[: len(rows)], computed[len(rows) : -1], computed[-1]
    part = np.isfinite(values)
    hits = np.where(part, values, 0.0)
    if not part.any() or not ((hits == 0.0) | (hits == 1.0)).all():
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (picks @ hits) / (picks @ part.astype(np.float64))
        # A least number of items, which leaves the plain figure undefined, is no other rule.
        same = np.isnan(total) or _near(total, means[0])
        return values if same and _near(found, means).all() else None


def _near(found: Floats, means: Floats) -> NDArray[np.bool_]:
    """Equal within :data:`SLACK`, or both undefined; ``np.isclose`` takes five times as long."""
    both = np.isnan(found) & np.isnan(means)
    return both | (np.abs(found - means) <= SLACK * (1 + np.abs(means)))


def _picks(count: int) -> Floats:
    return _few_picks(count) if count <= FEW else _new_picks(count)


@lru_cache(8)  # many results have as many records
def _few_picks(count: int) -> Floats:
    picks = _new_picks(count)
    picks.flags.writeable = False
    return picks


def _new_picks(count: int) -> Floats:
    """All records, then random halves of them, each taken often: ``[pick, record]``."""
    halves = np.random.default_rng(0).integers(2, size=(PROBES, count)).astype(np.float64)
    return np.concatenate([np.ones((1, count)), halves]) * MANY


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
