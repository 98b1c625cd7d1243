"""Results, checked and compared in one pass: records are in memory for one task of one run.

A collection that checks each file reads every record twice, once for its figures and once for its
comparisons. A board has all runs at once, so here both happen while the records are at hand.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from headbench.errors import HeadbenchError
from headbench.leaderboard.foreign import unfit
from headbench.leaderboard.ties import tie_letters
from headbench.results.cell import Cell, NotShown
from headbench.results.check import metric_of, refuse_faults, unchecked
from headbench.results.collection import Collection, Run
from headbench.results.comparison import Comparison, adjust
from headbench.results.figures import Sampling
from headbench.results.files import read_entries
from headbench.results.keys import seed_for
from headbench.results.schema import Result
from headbench.statistics.clusters import pair
from headbench.statistics.metric import rows_kept


@dataclass(frozen=True)
class ShownRun:
    """One run: its cells, and what was computed from their records.

    Attributes:
        run: Its facts; the cells are those whose figures their records give, records left out.
        comparisons: Each intervention against its baseline; p is adjusted over the run.
        not_compared: Interventions without a comparison, and why.
        ties: File -> letters of conditions that cannot be told apart, among all conditions of one
            baseline, whichever runs and folders they come from.
    """

    run: Run
    comparisons: tuple[Comparison, ...]
    not_compared: tuple[NotShown, ...] = ()
    ties: Mapping[Path, str] = field(default_factory=dict)

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
        level: Confidence level of every interval.
    """

    runs: tuple[ShownRun, ...]
    not_shown: tuple[NotShown, ...]
    level: float = Sampling.level


def read_runs(paths: Sequence[Path]) -> Shown:
    """Read folders of results; each figure is computed again from its records.

    Raises:
        StoreError: a path does not exist.
    """
    found = Collection(paths, check=False, beside=False)  # each file is read below
    level = _level_of(found.cells)
    parts = _Parts(found.runs, level)
    runs = tuple(parts.assembled(place, run) for place, run in enumerate(found.runs))
    return Shown(runs, (*found.not_shown, *parts.broken.values()), level)


def _level_of(cells: Sequence[Cell]) -> float:
    """The one confidence level that a board shows: the usual one where any result has it.

    Otherwise the most frequent; one heading stands over all intervals, and intervals of two levels
    do not compare.
    """
    counts = Counter(_stated_level(cell.result) for cell in cells)
    if not counts or Sampling().level in counts:
        return Sampling().level
    return max(counts, key=lambda level: (counts[level], level))


def _stated_level(result: Result) -> float:
    """The level of a result's intervals; the usual one where it states none that can be."""
    stated = [result.run.spec.get("level"), *(one.level for one in result.metrics.values())]
    possible = (level for level in stated if isinstance(level, float) and 0 < level < 1)
    return next(possible, Sampling().level)


@contextmanager
def fewer_collections() -> Iterator[None]:
    """Let Python look for cycles less often: millions of small records hold none."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Parts:
    """Every task of every model, read once, whichever runs its cells belong to.

    Attributes:
        broken: Files whose records do not give their figures.
    """

    def __init__(self, runs: Sequence[Run], level: float) -> None:
        self._level = level
        self.broken: dict[Path, NotShown] = {}
        self._compared: dict[int, list[Comparison]] = {}
        self._not_compared: dict[int, list[NotShown]] = {}
        self._shown: dict[Path, Cell] = {}
        self._ties: dict[Path, str] = {}
        tasks: dict[tuple[str, str], dict[int, list[Cell]]] = {}
        for place, run in enumerate(runs):
            for cell in run.cells:
                # By names, as rows of the board are: two folders may share a baseline.
                key = (cell.result.task.name, cell.result.model.name)
                tasks.setdefault(key, {}).setdefault(place, []).append(cell)
        for by_run in tasks.values():
            with rows_kept():
                self._read(runs, by_run)

    def _read(self, runs: Sequence[Run], by_run: Mapping[int, Sequence[Cell]]) -> None:
        """One task of one model: its records are in memory here, and nowhere else."""
        held: dict[Path, Cell] = {}
        for cell in (one for cells in by_run.values() for one in cells):
            if _path(cell) not in held and (read := self._with_records(cell)):
                held[_path(cell)] = read
        standing: dict[str, list[Standing]] = {}
        for place, cells in by_run.items():
            # A run may say of its own what draws a cell had, so its cells lend the records only.
            own = [
                replace(cell, in_memory=held[_path(cell)].in_memory)
                for cell in cells
                if _path(cell) in held
            ]
            part = replace(runs[place], cells=tuple(own))
            self._compared.setdefault(place, []).extend(part.comparisons)
            self._not_compared.setdefault(place, []).extend(part.not_compared)
            for one in _standings(part):
                standing.setdefault(one.result.arm.baseline or "", []).append(one)
        for group in _by_baseline(list(held.values())):
            self._ties |= _ties(group, standing)
        self._shown |= {path: replace(cell, in_memory=None) for path, cell in held.items()}

    def _with_records(self, cell: Cell) -> Cell | None:
        """The cell with its records, or ``None`` where they do not give its figures."""
        path = _path(cell)
        if reason := unfit(cell.result) or self._apart(cell.result):
            self.broken[path] = NotShown(path, reason)
            return None
        try:
            entries = read_entries(path, cell.result) if cell.result.records is not None else ()
            refuse_faults(cell.result, entries, cell.version, path)
        except HeadbenchError as error:
            self.broken[path] = NotShown(path, error.what)
            return None
        return replace(cell, in_memory=entries, unchecked=tuple(unchecked(cell.result)))

    def _apart(self, result: Result) -> str:
        own = _stated_level(result)
        if own == self._level:
            return ""
        return (
            f"its intervals have the level {own:g}, those of this board {self._level:g}: build a "
            "board of its own"
        )

    def assembled(self, place: int, run: Run) -> ShownRun:
        """A run without what is broken."""
        cells = [
            replace(cell, unchecked=self._shown[_path(cell)].unchecked)
            for cell in run.cells
            if _path(cell) in self._shown
        ]
        lost = [cell.result for cell in run.cells if _path(cell) in self.broken]
        missing = tuple(f"{result.task.name} / {result.arm.name}" for result in lost)
        return ShownRun(
            replace(run, cells=tuple(cells), missing=(*run.missing, *missing)),
            tuple(adjust(self._compared.get(place, []))),
            tuple(self._not_compared.get(place, [])),
            {_path(one): self._ties.get(_path(one), "") for one in cells},
        )


def _path(cell: Cell) -> Path:
    return cell.path or Path()


def _by_baseline(cells: Sequence[Cell]) -> list[list[Cell]]:
    """A task's baselines, each with its interventions."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.result.arm.baseline or cell.result.id, []).append(cell)
    return list(groups.values())


@dataclass(frozen=True)
class Standing:
    """An intervention that can be compared with its baseline, and how well it is known.

    Attributes:
        result: The intervention.
        base: The baseline that it was compared with.
        known: Larger: ranked among more controls; among equals, the run's digest decides.
    """

    result: Result
    base: Result
    known: tuple[int, str]


def _standings(run: Run) -> Iterator[Standing]:
    for one in run.comparisons:
        if one.other.status == "ok" and not otherwise(one):
            yield Standing(one.other, one.base, known(one, run.digest))


def known(comparison: Comparison | None, run_digest: str) -> tuple[int, str]:
    """By which a board takes one of several results of a condition: the larger."""
    line = None if comparison is None else comparison.main
    return (line.rank.of if line and line.rank else 0, run_digest)


def otherwise(comparison: Comparison | None) -> str:
    """Why a measured result is none against the baseline whose id it states; empty if it is one.

    The id of a baseline covers its task and its model, so a run cannot write two that differ.
    """
    if comparison is None or comparison.other.kind != "measured":
        return ""
    names = [
        name for name, _, _ in comparison.differs if name.startswith(("task.", "model.identity."))
    ]
    return f"its baseline is of another {', '.join(names[:3])}" if names else ""


def same_file(one: Result, two: Result) -> bool:
    """Whether two results are one: of the same id, and made of the same records."""
    return (one.id, one.records) == (two.id, two.records)


def _ties(cells: Sequence[Cell], standing: Mapping[str, Sequence[Standing]]) -> dict[Path, str]:
    """Letters of a task's baseline and interventions; inert cells are their baseline again.

    What the board does not show as a difference to this baseline has no letter, and takes none
    from the others: what cannot be paired with it, was compared with another file of its id, is of
    another task or model, or is a second result of a condition.
    """
    shown = [
        cell
        for cell in cells
        if cell.result.arm.role != "control" and cell.result.status == "ok" and cell.in_memory
    ]
    base = next((cell for cell in shown if cell.result.arm.role == "baseline"), None)
    if base is None:
        return {}
    best: dict[str, Standing] = {}
    for one in standing.get(base.result.id, ()):
        name = one.result.arm.name
        if same_file(one.base, base.result) and (name not in best or one.known > best[name].known):
            best[name] = one
    taken = {one.result.id: one.result for one in best.values()} | {base.result.id: base.result}
    # One result that lies in two folders is one condition.
    kept = {
        cell.result.id: cell
        for cell in reversed(shown)
        if (own := taken.get(cell.result.id)) and same_file(own, cell.result) and _pairs(base, cell)
    }
    first = base.result
    figure = first.metrics.get(first.task.main_metric)
    metric = metric_of(first.task.main_metric, figure) if figure and figure.metric else None
    if len(kept) < 2 or metric is None:
        return {}
    draws = first.run.spec.get("draws")
    sampling = Sampling(
        seed_for(first.run.seed, "interval", first.task.name),
        draws if isinstance(draws, int) else Sampling().draws,
        figure.level or Sampling().level if figure else Sampling().level,
    )
    try:
        letters = tie_letters(metric, {name: one.records for name, one in kept.items()}, sampling)
    except HeadbenchError:  # records that were scored in different ways: nothing to tell apart
        return {}
    return {
        _path(cell): letters[cell.result.id]
        for cell in shown
        if (twin := kept.get(cell.result.id)) and twin.result.records == cell.result.records
    }


def _pairs(base: Cell, other: Cell) -> bool:
    """Whether two cells hold the same documents, with the same targets."""
    try:
        pair(base.records, other.records)
    except HeadbenchError:
        return False
    return True
