"""Results, checked and compared in one pass: records are in memory for one task of one run.

A collection that checks each file reads every record twice, once for its figures and once for its
comparisons. A board has all runs at once, so here both happen while the records are at hand.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from headbench.errors import HeadbenchError
from headbench.leaderboard.ties import tie_letters
from headbench.results.cell import Cell, NotShown
from headbench.results.check import metric_of, refuse_faults, unchecked
from headbench.results.collection import Collection, Run
from headbench.results.comparison import Comparison, adjust
from headbench.results.figures import Sampling
from headbench.results.files import read_entries
from headbench.results.keys import seed_for


@dataclass(frozen=True)
class ShownRun:
    """One run: its cells, and what was computed from their records.

    Attributes:
        run: Its facts; the cells are those whose figures their records give, records left out.
        comparisons: Each intervention against its baseline; p is adjusted over the run.
        not_compared: Interventions without a comparison, and why.
        ties: Result id -> letters of conditions that cannot be told apart, within one task.
    """

    run: Run
    comparisons: tuple[Comparison, ...]
    not_compared: tuple[NotShown, ...] = ()
    ties: Mapping[str, str] = field(default_factory=dict)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell of the run that can be shown."""
        return self.run.cells


@dataclass(frozen=True)
class Shown:
    """What a board shows.

    Attributes:
        runs: Every run, with its comparisons.
        not_shown: Files that are broken, and why.
    """

    runs: tuple[ShownRun, ...]
    not_shown: tuple[NotShown, ...]


def read_runs(paths: Sequence[Path]) -> Shown:
    """Read folders of results; each figure is computed again from its records.

    Raises:
        StoreError: a path does not exist.
    """
    found = Collection(paths, check=False)
    broken: dict[Path, NotShown] = {}
    checked: dict[Path, tuple[str, ...]] = {}
    with _fewer_collections():
        runs = tuple(_read_run(run, checked, broken) for run in found.runs)
    return Shown(runs, (*found.not_shown, *broken.values()))


@contextmanager
def _fewer_collections() -> Iterator[None]:
    """Let Python look for cycles less often: millions of small records hold none."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _read_run(
    run: Run, checked: dict[Path, tuple[str, ...]], broken: dict[Path, NotShown]
) -> ShownRun:
    tasks: dict[str, list[Cell]] = {}
    for cell in run.cells:
        tasks.setdefault(cell.result.task.name, []).append(cell)
    shown: list[Cell] = []
    compared: list[Comparison] = []
    not_compared: list[NotShown] = []
    ties: dict[str, str] = {}
    for cells in tasks.values():
        read = [one for cell in cells if (one := _with_records(cell, checked, broken))]
        part = replace(run, cells=tuple(read))
        compared += part.comparisons
        not_compared += part.not_compared
        ties |= _ties(read)
        shown += (replace(cell, in_memory=None) for cell in read)
    lost = [cell for cell in run.cells if cell.path in broken]
    missing = tuple(f"{cell.result.task.name} / {cell.result.arm.name}" for cell in lost)
    return ShownRun(
        replace(run, cells=tuple(shown), missing=(*run.missing, *missing)),
        tuple(adjust(compared)),
        tuple(not_compared),
        ties,
    )


def _with_records(
    cell: Cell, checked: dict[Path, tuple[str, ...]], broken: dict[Path, NotShown]
) -> Cell | None:
    """The cell with its records, or ``None`` where they do not give its figures."""
    path = cell.path or Path()
    if path in broken:
        return None
    try:
        entries = read_entries(path, cell.result) if cell.result.records is not None else ()
        if path not in checked:  # runs may share a cell
            refuse_faults(cell.result, entries, cell.version, path)
            checked[path] = tuple(unchecked(cell.result))
    except HeadbenchError as error:
        broken[path] = NotShown(path, error.what)
        return None
    return replace(cell, in_memory=entries, unchecked=checked[path])


def _ties(cells: Sequence[Cell]) -> dict[str, str]:
    """Letters of a task's baseline and interventions; inert cells are their baseline again."""
    shown = [
        cell
        for cell in cells
        if cell.result.arm.role != "control" and cell.result.status == "ok" and cell.in_memory
    ]
    if len(shown) < 2:
        return {}
    first = shown[0].result
    figure = first.metrics.get(first.task.main_metric)
    metric = metric_of(first.task.main_metric, figure) if figure and figure.metric else None
    if metric is None:
        return {}
    draws = first.run.spec.get("draws")
    sampling = Sampling(
        seed_for(first.run.seed, "interval", first.task.name),
        draws if isinstance(draws, int) else Sampling().draws,
        figure.level or Sampling().level if figure else Sampling().level,
    )
    try:
        return tie_letters(metric, {one.result.id: one.records for one in shown}, sampling)
    except HeadbenchError:  # conditions of one run over other documents: nothing to tell apart
        return {}
