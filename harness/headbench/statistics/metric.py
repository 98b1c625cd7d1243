"""The two kinds of metric, and what they share.

A *sum metric* is a function of summed parts of records: accuracy, F1, CHAIR_I. Corpus ratios are
not means of per-item values, so every such metric is written as ``value(sum of rows)``, and
resampling is one matrix product.

A *sample statistic* is a function of all records and a weight per record: a rank correlation, an
AUROC, a comparison of dissimilarity matrices. No sum of rows gives it, but what its draws share
(ranks, sorted orders, matrices) is computed once.

Everything that resamples, pairs, permutes or ranks treats both alike, through
:mod:`headbench.statistics.resamplable`.

numpy is imported where it is used: a metric is named by every list and every check of task files,
and numpy would be a quarter of what those cost.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from headbench.nouns import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Integers: TypeAlias = "NDArray[np.intp]"
Unit = Literal["fraction", "count", "words", "points"]
Resampling = Literal["leave-one-out", "bootstrap"]


@dataclass
class _Kept:
    """Rows and figures by the ids of a metric's functions and of records, which live with them."""

    tables: dict[tuple[int, ...], tuple[Metric, tuple[Record, ...], Floats]] = field(
        default_factory=dict
    )
    figures: dict[tuple[int, ...], tuple[Metric, tuple[Record, ...], float]] = field(
        default_factory=dict
    )


_KEPT: ContextVar[_Kept | None] = ContextVar("_KEPT", default=None)


@contextmanager
def rows_kept() -> Iterator[None]:
    """Within it, a metric reads the same records once: they are checked, compared and ranked.

    Rows are held until it ends, so it should enclose the work on few records.
    """
    token = _KEPT.set(_Kept())
    try:
        yield
    finally:
        _KEPT.reset(token)


class Metric(ABC):
    """A named figure over the records of one (model, task, condition) cell.

    Attributes:
        name: Short name; the registry may put a family before it.
        higher_is_better: ``None`` where neither direction is good (length, yes ratio).
        unit: How to print it.
        low: Least possible value; a value below it stops the run. ``None`` is unbounded.
        high: Greatest possible value; ``None`` is unbounded.
        fewest: Clusters below which the figure has no interval.
        resampling: Where its intervals come from.
    """

    name: str
    higher_is_better: bool | None
    unit: Unit
    low: float | None
    high: float | None
    fewest: ClassVar[int]
    resampling: Resampling

    def __new__(cls, *_: object, **__: object) -> Metric:
        """A sum metric, for code that still makes it under this name."""
        if cls is Metric:
            warnings.warn(
                "Metric is what both kinds of metric share; make a SumMetric",
                DeprecationWarning,
                stacklevel=2,
            )
            cls = SumMetric
        return object.__new__(cls)

    @abstractmethod
    def of(self, records: Sequence[Record]) -> float:
        """The metric over all records; NaN where it is undefined, and for none."""

    @abstractmethod
    def called(self, name: str) -> Metric:
        """The same metric under another short name."""


@dataclass(frozen=True)
class SumMetric(Metric):
    """A function of summed parts of records.

    Attributes:
        name: Short name.
        parts: Names of the summed columns, for humans and for stored aggregates.
        row: Record -> one number per part. A record that does not take part gives zeros.
        value: Sums ``[..., part]`` -> values ``[...]``; NaN where the figure is undefined.
        higher_is_better: ``None`` where neither direction is good.
        unit: How to print it.
        low: Least possible value; ``None`` is unbounded.
        high: Greatest possible value; ``None`` is unbounded.
        outcome: For metrics whose documents are right or wrong: record -> bool, or ``None`` for a
            record that does not take part. Enables the exact McNemar test.
        trials: For counts: the most that a record can add to the count, which makes its interval
            that of the share. ``None``: one, where every record adds 0 to 1; unknown elsewhere.
    """

    name: str
    parts: tuple[str, ...]
    row: Callable[[Record], Sequence[float]]
    value: Callable[[Floats], Floats]
    higher_is_better: bool | None
    unit: Unit = "fraction"
    low: float | None = 0.0
    high: float | None = 1.0
    outcome: Callable[[Record], bool | None] | None = None
    trials: Callable[[Record], float] | None = None
    fewest: ClassVar[int] = 10
    resampling: Resampling = field(default="leave-one-out", init=False)

    def rows(self, records: Sequence[Record]) -> Floats:
        """Stack the records' parts: ``[record, part]``; ``[0, part]`` for no records."""
        kept = _KEPT.get()
        if kept is None:
            return self._read(records)
        key = (id(self.row), len(self.parts), *map(id, records))
        if key not in kept.tables:
            table = self._read(records)
            table.flags.writeable = False
            kept.tables[key] = (self, tuple(records), table)
        return kept.tables[key][-1]

    def _read(self, records: Sequence[Record]) -> Floats:
        import numpy as np

        table = np.array([self.row(record) for record in records], dtype=np.float64)
        return table.reshape(len(records), len(self.parts))

    def of(self, records: Sequence[Record]) -> float:
        """The metric over all records; NaN where it is undefined, and for none."""
        kept = _KEPT.get()
        if kept is None:
            return float(self.value(self.rows(records).sum(axis=0)))
        key = (id(self.value), id(self.row), *map(id, records))
        if key not in kept.figures:
            figure = float(self.value(self.rows(records).sum(axis=0)))
            kept.figures[key] = (self, tuple(records), figure)
        return kept.figures[key][-1]

    def called(self, name: str) -> SumMetric:
        """The same metric under another short name."""
        return replace(self, name=name)


@dataclass(frozen=True)
class Weighted:
    """A sample statistic over one list of records, for any weights of theirs.

    Attributes:
        takes_part: ``[record]``, which records the statistic reads.
        values: Weights ``[draw, k]`` of the k records that take part, in order -> ``[draw]``, or
            ``[draw, subject]`` where the figure is a mean over subjects. A weight says how often a
            record occurs: a record of weight 2 counts as two equal records, one of weight 0 is
            absent, and weights of one give the plain value. NaN where undefined.
        subjects: People (or other sources of targets) whose values are averaged; 0 for none.
        independent: The statistic is taken to vary at least as a share of so many independent
            outcomes does, which is what gives an interval its width at a bound. ``None``: what the
            records themselves show is enough.
        permuted: Permutations ``[draw, k]`` -> what the statistic is when one of its sides takes
            the records in that order, shaped as ``values`` gives it. ``None``: it has no sides.
        whole_clusters: Where records share clusters, whole clusters of equal size may be exchanged
            in place of single records.
    """

    takes_part: NDArray[np.bool_]
    values: Callable[[Floats], Floats]
    subjects: int = 0
    independent: float | None = None
    permuted: Callable[[Integers], Floats] | None = None
    whole_clusters: bool = False


@dataclass(frozen=True)
class SampleStatistic(Metric):
    """A function of all records of a cell and a weight per record.

    Attributes:
        name: Short name.
        prepare: Records -> the statistic for any weights of theirs. Called once per list of
            records, with what a document gave under several conditions where conditions are
            swapped: it must not expect documents to be distinct.
        higher_is_better: ``None`` where neither direction is good.
        unit: How to print it.
        low: Least possible value; ``None`` is unbounded.
        high: Greatest possible value; ``None`` is unbounded.
        resampling: Where intervals come from. ``leave-one-out``: the statistic without each
            cluster, and the difference of two conditions is tested by swapping them. ``bootstrap``:
            clusters and subjects drawn again (:mod:`headbench.statistics.bootstrap`), for
            statistics of pairs of records, whose conditions cannot be swapped record by record.
        marked_above: Where the ceiling of the data lies, on the statistic's scale. It is an
            estimate, so greater values are possible; a figure's note says so.
    """

    name: str
    prepare: Callable[[Sequence[Record]], Weighted]
    higher_is_better: bool | None
    unit: Unit = "fraction"
    low: float | None = -1.0
    high: float | None = 1.0
    resampling: Resampling = "leave-one-out"
    marked_above: float | None = None
    fewest: ClassVar[int] = 20

    def of(self, records: Sequence[Record]) -> float:
        """The statistic over all records; NaN where it is undefined, and for none."""
        import numpy as np

        if not records:
            return float("nan")
        prepared = self.prepare(records)
        ones = np.ones((1, int(prepared.takes_part.sum())))
        return float(prepared.values(ones).mean()) if ones.size else float("nan")

    def called(self, name: str) -> SampleStatistic:
        """The same statistic under another short name."""
        return replace(self, name=name)


def column(sums: Floats, place: int) -> Floats:
    """One of the summed parts as it is: what a count is."""
    import numpy as np

    return np.asarray(sums[..., place], dtype=np.float64)


def ratio(over: Floats, under: Floats) -> Floats:
    """``over / under`` elementwise, NaN where ``under`` is zero."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(under > 0, over / under, np.nan), dtype=np.float64)
