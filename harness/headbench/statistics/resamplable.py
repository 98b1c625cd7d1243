"""A metric over clusters of records, ready to be computed anew for any weights of the clusters.

The one place that knows how the two kinds of metric differ: sums are added up per cluster and
resampled by a matrix product; a sample statistic is prepared once and asked with weights. Tests,
intervals, controls and draws ask both the same questions, those of :class:`Resamplable`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from headbench.nouns import Record
from headbench.statistics.clusters import Sums, cluster_places, cluster_sums, pair
from headbench.statistics.metric import Floats, Metric, SampleStatistic, SumMetric, Weighted

if TYPE_CHECKING:
    from numpy.typing import NDArray

MANY = 1_000.0
"""As if a cluster stood there so often: it has a value then, whatever number of items is least."""
SLACK = 1e-12
"""Differences this close count as equal: the same numbers, summed in another order."""
CELLS = 4_000_000
"""Most weights held at once (32 MB); fixed, so that chunks never change the random stream."""


class Resamplable(ABC):
    """A figure, or a difference of figures, over clusters of records.

    Clusters stand in the order of their names. What is undefined is NaN.
    """

    subjects: int = 0
    """Subjects over which the figure is a mean; 0 where there are none."""
    independent: float | None = None
    """The figure varies at least as a share of so many independent outcomes; ``None``: unknown."""

    @property
    @abstractmethod
    def sizes(self) -> Floats:
        """``[cluster]``, records of each."""

    @property
    @abstractmethod
    def part(self) -> NDArray[np.bool_]:
        """``[cluster]``, whether a cluster takes part in the figure."""

    @abstractmethod
    def value(self) -> float:
        """Over all records."""

    @abstractmethod
    def without_each(self) -> Floats:
        """``[cluster]``, the value when that cluster is left out."""

    @abstractmethod
    def by_subject(self, weights: Floats) -> Floats:
        """Weights ``[draw, cluster]`` -> values ``[draw, subject]``; one column for none."""

    def weighted(self, weights: Floats) -> Floats:
        """Weights ``[draw, cluster]`` -> values ``[draw]``."""
        return np.asarray(self.by_subject(weights).mean(axis=1))


def resamplable(metric: Metric, records: Sequence[Record]) -> Resamplable:
    """A metric over the records of one condition; their order does not matter."""
    if isinstance(metric, SumMetric):
        return _Summed(metric, cluster_sums(metric, records))
    return _Sampled.of(_statistic(metric), records)


def resamplable_pair(metric: Metric, base: Sequence[Record], other: Sequence[Record]) -> Swappable:
    """The difference ``other - base`` of a metric, paired by document.

    Raises:
        RefusedError: The conditions do not hold the same documents, or hold none.
        DataError: A document occurs twice, or its cluster or ground truth differs.
    """
    pairs = pair(base, other)
    first, second = [one for one, _ in pairs], [two for _, two in pairs]
    if isinstance(metric, SumMetric):
        return _SummedPair.of(metric, first, second)
    return _SampledPair.of(_statistic(metric), first, second)


def _statistic(metric: Metric) -> SampleStatistic:
    if not isinstance(metric, SampleStatistic):
        raise TypeError(f"{type(metric).__name__} is neither a SumMetric nor a SampleStatistic")
    return metric


class LessMean(Resamplable):
    """A figure less the mean of others over the same clusters: a condition and its controls.

    Args:
        figure: The one.
        others: The others, at least one.
    """

    def __init__(self, figure: Resamplable, others: Sequence[Resamplable]) -> None:
        self.figure, self.others = figure, tuple(others)
        every = (figure, *others)
        self.subjects = max(one.subjects for one in every)
        known = [one.independent for one in every if one.independent is not None]
        self.independent = min(known, default=None)

    @property
    def sizes(self) -> Floats:
        """``[cluster]``, records of each."""
        return self.figure.sizes

    @property
    def part(self) -> NDArray[np.bool_]:
        """``[cluster]``, whether a cluster takes part in any of the figures."""
        parts = [self.figure.part, *(other.part for other in self.others)]
        return np.asarray(np.any(parts, axis=0))

    def value(self) -> float:
        """Over all records."""
        return self.figure.value() - float(np.mean([other.value() for other in self.others]))

    def without_each(self) -> Floats:
        """``[cluster]``, the difference when that cluster is left out."""
        others = np.mean([other.without_each() for other in self.others], axis=0)
        return np.asarray(self.figure.without_each() - others)

    def by_subject(self, weights: Floats) -> Floats:
        """Weights ``[draw, cluster]``, the same for all figures -> ``[draw, subject]``."""
        others = np.mean([other.by_subject(weights) for other in self.others], axis=0)
        return np.asarray(self.figure.by_subject(weights) - others)


class Swappable(LessMean, ABC):
    """The difference of two conditions, whose records can change places cluster by cluster."""

    @abstractmethod
    def swapped(self, swaps: Floats) -> Floats:
        """``[draw, cluster]``, 1 where a cluster's conditions change places -> ``[draw]``."""

    @abstractmethod
    def effects(self, influence: Floats, weight: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """How much of the difference each cluster's own change makes, and whether it changed.

        Args:
            influence: ``[taking part]``, how far each cluster moves the difference, centred.
            weight: ``[taking part]``, its share of the documents.

        Returns:
            Both ``[taking part]``; the effect of an unchanged cluster is 0.
        """


# ------------------------------------------------------------------ sums


@dataclass(frozen=True)
class _Summed(Resamplable):
    metric: SumMetric
    sums: Sums

    @property
    def sizes(self) -> Floats:
        return self.sums.sizes

    @property
    def part(self) -> NDArray[np.bool_]:
        """A cluster takes part where it has a value alone."""
        return np.isfinite(self.metric.value(self.sums.table * MANY))

    def value(self) -> float:
        return float(self.metric.value(self.sums.table.sum(axis=0)))

    def without_each(self) -> Floats:
        return self._values(self.sums.table.sum(axis=0) - self.sums.table)

    def by_subject(self, weights: Floats) -> Floats:
        return self._values(weights @ self.sums.table)[:, None]

    def _values(self, sums: Floats) -> Floats:
        return np.asarray(self.metric.value(sums), dtype=np.float64)


class _SummedPair(Swappable):
    def __init__(self, first: _Summed, second: _Summed) -> None:
        super().__init__(second, [first])
        self.metric, self.before, self.after = first.metric, first.sums.table, second.sums.table

    @classmethod
    def of(cls, metric: SumMetric, *conditions: Sequence[Record]) -> _SummedPair:
        return cls(*(_Summed(metric, cluster_sums(metric, records)) for records in conditions))

    def swapped(self, swaps: Floats) -> Floats:
        shift = swaps @ (self.after - self.before)  # what swapping moves to the first condition
        second = self.metric.value(self.after.sum(axis=0) - shift)
        return np.asarray(second - self.metric.value(self.before.sum(axis=0) + shift))

    def effects(self, influence: Floats, weight: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Sums are linear: a changed cluster makes its share of the difference, others nothing."""
        changed = (self.before != self.after).any(axis=1)[self.part]
        return np.where(changed, influence + self.value() * weight, 0.0), changed


# ------------------------------------------------------------------ sample statistics


class _Sampled(Resamplable):
    """A prepared statistic; ``owners [record that takes part]`` are the places of its clusters."""

    def __init__(self, prepared: Weighted, owners: NDArray[np.intp]) -> None:
        self.prepared, self.owners = prepared, owners[prepared.takes_part]
        self.subjects, self.independent = prepared.subjects, prepared.independent
        self._sizes = np.bincount(owners).astype(np.float64)

    @classmethod
    def of(cls, statistic: SampleStatistic, records: Sequence[Record]) -> _Sampled:
        return cls(statistic.prepare(records), cluster_places(records))

    @property
    def sizes(self) -> Floats:
        return self._sizes

    @property
    def part(self) -> NDArray[np.bool_]:
        return np.bincount(self.owners, minlength=len(self.sizes)) > 0

    def value(self) -> float:
        return float(self.weighted(np.ones((1, len(self.sizes))))[0])

    def without_each(self) -> Floats:
        return np.concatenate([self.weighted(1 - one) for one in _one_each(len(self.sizes))])

    def by_subject(self, weights: Floats) -> Floats:
        if not len(self.owners):
            return np.full((len(weights), 1), np.nan)
        return _in_blocks(
            lambda rows: self.prepared.values(rows[:, self.owners]), weights, len(self.owners)
        )


class _SampledPair(Swappable):
    def __init__(
        self,
        first: _Sampled,
        second: _Sampled,
        both: Callable[[], Weighted],
        owners: NDArray[np.intp],
    ) -> None:
        super().__init__(second, [first])
        self._prepare_both, self._owners = both, owners

    @classmethod
    def of(
        cls, statistic: SampleStatistic, first: Sequence[Record], second: Sequence[Record]
    ) -> _SampledPair:
        return cls(
            _Sampled.of(statistic, first),
            _Sampled.of(statistic, second),
            lambda: statistic.prepare([*first, *second]),
            cluster_places(first),
        )

    @cached_property
    def _both(self) -> Weighted:
        """Both conditions as one list, from which weights of 0 and 1 choose."""
        return self._prepare_both()

    def swapped(self, swaps: Floats) -> Floats:
        takes_part = self._both.takes_part
        if not takes_part.any():
            return np.full(len(swaps), np.nan)

        def difference(rows: Floats) -> Floats:
            moved = rows[:, self._owners]  # [draw, document]
            first = np.concatenate([1 - moved, moved], axis=1)[:, takes_part]  # of both conditions
            return self._both.values(1 - first) - self._both.values(first)

        return np.asarray(_in_blocks(difference, swaps, len(takes_part)).mean(axis=1))

    def effects(self, influence: Floats, weight: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Half of what swapping a cluster alone changes, which for sums is the same thing."""
        alone = np.concatenate([self.swapped(one) for one in _one_each(len(self.sizes))])
        found = (self.value() - alone)[self.part] / 2
        changed = np.abs(found) > SLACK  # false for NaN: an undefined effect cannot be counted
        return np.where(changed, found, 0.0), changed


def _one_each(count: int) -> Iterator[Floats]:
    """Rows with a single 1, one row per cluster: ``[chunk, cluster]``."""
    size = max(1, CELLS // max(1, count))
    for start in range(0, count, size):
        yield np.eye(min(size, count - start), count, start)


def _in_blocks(values: Callable[[Floats], Floats], weights: Floats, width: int) -> Floats:
    """``values`` of blocks of rows that hold ``width`` weights each: ``[draw, subject]``."""
    size = max(1, CELLS // width)
    blocks = [weights[start : start + size] for start in range(0, len(weights), size)]
    found = [np.asarray(values(block), dtype=np.float64) for block in blocks]
    return np.concatenate([one.reshape(len(one), -1) for one in found])
