"""Rows of a sum metric, and keeping them while several statistics read the same records."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headbench.nouns import Record
from headbench.statistics.metric import SumMetric, rows_kept


def records(values: Sequence[float]) -> list[Record]:
    return [
        Record(f"d{n}", f"d{n}", ("",), "", "verbatim@1", {"x": value})
        for n, value in enumerate(values)
    ]


def counting() -> tuple[SumMetric, list[str]]:
    read: list[str] = []

    def row(record: Record) -> tuple[float]:
        read.append(record.document)
        return (float(record.parts["x"]),)  # type: ignore[arg-type]

    return SumMetric("x", ("x",), row, lambda sums: sums[..., 0], True), read


def test_rows_are_read_once_while_they_are_kept_and_every_time_otherwise() -> None:
    metric, read = counting()
    given = records([1, 2])
    with rows_kept():
        assert [metric.of(given), metric.of(list(given)), metric.of(given[:1])] == [3, 3, 1]
        assert read == ["d0", "d1", "d0"]  # another list of the same records is the same rows
        assert metric.of(records([5, 6])) == 11  # equal names are other records
    metric.of(given)
    metric.of(given)
    assert len(read) == 9


def test_kept_rows_are_those_of_their_own_metric_and_cannot_be_changed() -> None:
    one, _ = counting()
    two = SumMetric("y", ("y",), lambda _: (7.0,), lambda sums: sums[..., 0], True)
    given = records([1, 2])
    with rows_kept():
        assert (one.of(given), two.of(given)) == (3, 14)
        assert not np.asarray(one.rows(given)).flags.writeable
