"""The board: task x model by intervention, and the other way round; one page per kind."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headbench.leaderboard import numbers
from headbench.leaderboard.cells import ShownCell, ShownRow, direction, rows
from headbench.leaderboard.links import intervention_page, method_names, task_page
from headbench.leaderboard.page import Asset, Page, Part, Shard, ShardValue
from headbench.leaderboard.protocol import protocol
from headbench.leaderboard.sources import Sources
from headbench.results.markup import csv_text

LIVE = 50
"""Rows in the layout at once while scripts run; the others lie in a second table body."""


@dataclass(frozen=True)
class Axis:
    """A row or column of the grid: a task on a model, or an intervention.

    Attributes:
        name: What it is called: a condition's name, or empty for a task on a model.
        row: The task on a model; ``None`` for an intervention.
        task, model, method, paper: What filters ask for; empty where it has none.
        place: Number of its protocol's popover.
    """

    name: str = ""
    row: ShownRow | None = None
    task: str = ""
    model: str = ""
    method: str = ""
    paper: str = ""
    place: int = 0


@dataclass(frozen=True)
class GridRow:
    """A row of the grid with its cells, ``None`` where nothing was run."""

    head: Axis
    cells: tuple[ShownCell | None, ...]


def board_parts(sources: Sources) -> Iterator[Part]:
    """The first page, its other orientation, the rescored results, and the data behind them."""
    found = rows(sources)
    measured = [row for row in found if row.result.kind == "measured"]
    rescored = [row for row in found if row.result.kind != "measured"]
    tasks = [_task_axis(row, place) for place, row in enumerate(measured)]
    interventions = _interventions(measured, sources)
    shard = _shard("board-measured", measured)
    common = {
        "kind": "measured",
        "shard": shard.name,
        "facts": [protocol(row.result, sources) for row in measured],
        "rows_of": measured,
        "live": LIVE,
        "choices": _choices([*tasks, *interventions]),
        "task_page": task_page,
        "intervention_page": intervention_page,
        "method_names": method_names,
        "direction": direction,
        "exact": exact,
        "counts": _counts(measured),
    }
    by_task = [
        GridRow(axis, tuple(axis.row.cells.get(one.name) for one in interventions))
        for axis in tasks
        if axis.row is not None
    ]
    by_intervention = [
        GridRow(one, tuple(axis.row.cells.get(one.name) for axis in tasks if axis.row))
        for one in interventions
    ]
    yield Page(
        "index",
        "What interventions on attention heads change",
        "board.html",
        {**common, "grid": by_task, "columns": interventions, "turned": False},
        scripts=("board",),
        nav="Board",
        nav_order=0,
    )
    yield Page(
        "by-intervention",
        "Interventions by task and model",
        "board.html",
        {**common, "grid": by_intervention, "columns": tasks, "turned": True},
        scripts=("board",),
        under="index",
    )
    yield shard
    yield Asset("data/board-measured.csv", _csv(shard))
    kept = _shard("board-rescored", rescored)
    yield Page(
        "rescored",
        "Rescored outputs of others",
        "rescored.html",
        {
            **common,
            "kind": "rescored",
            "shard": kept.name,
            "facts": [protocol(row.result, sources) for row in rescored],
            "rows_of": rescored,
            "choices": _choices([_task_axis(row, 0) for row in rescored]),
            "columns": [],
            "turned": False,
        },
        scripts=("board",),
        under="index",
    )
    yield kept
    yield Asset("data/board-rescored.csv", _csv(kept))


def exact(value: float | None) -> str:
    """All digits of a number, for sorting; empty where there is none."""
    return "" if value is None or math.isnan(value) else repr(float(value))


def _task_axis(row: ShownRow, place: int) -> Axis:
    return Axis("", row, row.result.task.name, row.result.model.name, place=place)


def _interventions(measured: Sequence[ShownRow], sources: Sources) -> list[Axis]:
    names = {name for row in measured for name in row.cells}
    compared: Counter[str] = Counter(
        name for row in measured for name, cell in row.cells.items() if cell.line
    )
    of_method: Counter[tuple[str, ...]] = Counter()
    for name, count in compared.items():
        of_method[method_names(name)] += count

    def place(name: str) -> tuple[object, ...]:
        """Methods and conditions that most tasks have come first, so that a view opens full."""
        methods = method_names(name)
        return (-of_method[methods], methods, -compared[name], numbers.natural(name))

    found = []
    for name in sorted(names, key=place):
        methods = method_names(name)
        papers = {paper for one in methods if (paper := sources.paper(one))}
        found.append(
            Axis(name, method=" + ".join(dict.fromkeys(methods)), paper="; ".join(sorted(papers)))
        )
    return found


def _choices(axes: Sequence[Axis]) -> dict[str, list[str]]:
    """What each filter offers."""
    return {
        name: sorted({value for axis in axes if (value := getattr(axis, name))})
        for name in ("task", "model", "method", "paper")
    }


def _counts(measured: Sequence[ShownRow]) -> dict[str, int]:
    cells = [cell for row in measured for cell in row.cells.values()]
    return {
        "models": len({row.result.model.name for row in measured}),
        "tasks": len({row.result.task.name for row in measured}),
        "conditions": len({cell.result.arm.name for cell in cells}),
        "cells": len(cells),
    }


COLUMNS = (
    "kind", "task", "task_version", "metric", "direction", "unit", "model", "condition", "status",
    "reason", "n", "clusters", "expected", "value", "low", "high", "unedited", "difference",
    "difference_low", "difference_high", "level", "p", "p_adjusted", "family", "tie",
    "control_rank", "control_of", "control_end", "control_p", "minus_controls",
    "minus_controls_low", "minus_controls_high", "changed_share", "first_token_kl", "detectable",
    "prompt_hash", "parser", "scorer", "profile", "data_hash", "seed", "run", "id", "file",
)  # fmt: skip
"""Columns of CSV and JSON; ``docs/leaderboard.md`` says what each holds."""


def _shard(name: str, found: Sequence[ShownRow]) -> Shard:
    """Every cell with all its digits, the baseline first."""
    data = [_values(cell, row) for row in found for cell in (row.baseline, *row.cells.values())]
    return Shard(name, COLUMNS, data)


def _values(cell: ShownCell, row: ShownRow) -> list[ShardValue]:
    result, main, line = cell.result, cell.main, cell.line
    paired = line.paired if line else None
    rank, against = (line.rank, line.against) if line else (None, None)
    told = result.diagnostics
    task = result.task
    values: list[ShardValue] = [
        result.kind, task.name, task.version, task.main_metric, direction(main), cell.unit,
        result.model.name, result.arm.name, cell.status, cell.reason or result.reason,
        main.n if main else 0, main.clusters if main else None, result.coverage.expected,
        main.value if main else None, main.low if main else None, main.high if main else None,
        row.baseline.main.value if row.baseline.main else None,
        paired.difference if paired else None, paired.low if paired else None,
        paired.high if paired else None, paired.level if paired else None,
        paired.p if paired else None, line.holm if line else None,
        cell.comparison.family if cell.comparison and line else None, cell.letters,
        rank.rank if rank else None, rank.of if rank else None, rank.end if rank else "",
        rank.p if rank else None, against.difference if against else None,
        against.low if against else None, against.high if against else None,
        cell.comparison.changed_share if cell.comparison and line else None,
        told.first_token_kl if told and line else None, paired.detectable if paired else None,
        task.prompt_hash, task.parser, task.scorer, task.profile or "", task.data_hash,
        result.run.seed, cell.run[:12], result.id, cell.file,
    ]  # fmt: skip
    return [_finite(value) for value in values]


def _finite(value: ShardValue) -> ShardValue:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _csv(shard: Shard) -> bytes:
    return csv_text(shard.columns, shard.rows).encode("utf-8")


def arxiv_ids(source: str) -> tuple[str, ...]:
    """The arXiv numbers that a method's source names."""
    return tuple(dict.fromkeys(re.findall(r"\b\d{4}\.\d{4,5}\b", source)))
