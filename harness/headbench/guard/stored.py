"""Stored results: do their files say what their records say?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headbench.errors import HeadbenchError
from headbench.results.files import read_entries, read_result
from headbench.results.schema import Result
from headbench.scoring import registry
from headbench.scoring.statistics import check_all
from headbench.types import Record

SLACK = 1e-9
"""What summing in another order may change."""


@dataclass(frozen=True)
class Fault:
    """One stored figure that cannot stand.

    Attributes:
        path: The result file.
        reason: In words.
    """

    path: Path
    reason: str


def check_stored(folder: Path) -> tuple[int, list[Fault]]:
    """Recompute every stored figure from the item records beside it.

    Args:
        folder: Holds ``measured`` and ``rescored``.

    Returns:
        How many results were read, and what is wrong with them.
    """
    faults: list[Fault] = []
    paths = [
        path
        for kind in ("measured", "rescored")
        for path in sorted((folder / kind).rglob("*.json"))
        if path.name != "timing.json"
    ]
    for path in paths:
        try:
            faults += [Fault(path, reason) for reason in _faults(path)]
        except HeadbenchError as error:
            faults.append(Fault(path, str(error)))
    return len(paths), faults


def _faults(path: Path) -> Iterator[str]:
    result = read_result(path)
    records = [entry.record for entry in read_entries(path, result)] if result.records else []
    if result.records is None and result.coverage.answered:
        yield "it has no item records"
        return
    if len(records) != result.coverage.answered:
        yield f"{len(records)} records, but {result.coverage.answered} answered"
    known = set(registry.metric_names())
    values: dict[str, float] = {}
    metrics = []
    for name, one in result.metrics.items():
        if one.metric not in known:
            continue  # n and coverage, and metrics of packages that are not installed here
        metric = registry.metric(one.metric)
        stored = math.nan if one.value is None else float(one.value)
        if records and metric.name == name:
            metrics.append(metric)
            values[name] = stored
        yield from _drift(name, stored, metric.of(records) if records else math.nan)
    check_all(metrics, values, len(records), str(path))
    yield from _extent(result, records)


def _drift(name: str, stored: float, again: float) -> Iterator[str]:
    if math.isnan(stored) and math.isnan(again):
        return
    if not math.isclose(stored, again, rel_tol=SLACK, abs_tol=SLACK):
        yield f"{name} is stored as {stored:g}, its records give {again:g}"


def _extent(result: Result, records: list[Record]) -> Iterator[str]:
    share = result.metrics.get("coverage")
    expected = result.coverage.expected
    if share is not None and share.value is not None and expected:
        yield from _drift("coverage", float(share.value), len(records) / expected)
    names = [record.document for record in records]
    if len(set(names)) < len(names):
        yield "a document has two records"
