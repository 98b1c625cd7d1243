"""What the board is made from. Read once; every maker of pages gets the same object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from headbench._paths import checkpoints_root
from headbench.errors import HeadbenchError
from headbench.interventions import method_catalogue
from headbench.leaderboard.costs import FILE as COST_FILE
from headbench.leaderboard.costs import Costs, read_costs
from headbench.leaderboard.reading import Shown, ShownRun, read_runs
from headbench.results.cell import Cell, NotShown
from headbench.results.paper_cells import PaperCells, load_paper_cells
from headbench.results.schema import Result
from headbench.tasks.index import Index, build_index
from headbench.tasks.loader import load as load_task
from headbench.tasks.task import Task


@dataclass(frozen=True)
class Sources:
    """Where the board's numbers come from.

    Attributes:
        shown: The measured and rescored results, checked and compared.
        published: Folder of published cells; ``None`` where there is none.
        roots: The folders that were given; paths of files are shown relative to them.
        maps: Folder with a folder per model that holds its head maps, ``heads-*.json``.
    """

    shown: Shown
    published: Path | None = None
    roots: tuple[Path, ...] = ()
    maps: Path = field(default_factory=checkpoints_root)

    @property
    def runs(self) -> tuple[ShownRun, ...]:
        """Every run with its comparisons, tie letters and cells."""
        return self.shown.runs

    @property
    def not_shown(self) -> tuple[NotShown, ...]:
        """Files that are broken, foreign, of another version, or there twice."""
        faults = (*self.papers.faults, *self._costs[1])
        costs = {root / COST_FILE for root in self.roots}  # read, and no result
        results = (one for one in self.shown.not_shown if one.path not in costs)
        return (*results, *(NotShown(*fault) for fault in faults))

    @cached_property
    def _costs(self) -> tuple[Costs, tuple[tuple[Path, str], ...]]:
        return read_costs(self.roots)

    @property
    def costs(self) -> Costs:
        """What interventions cost, where that was measured."""
        return self._costs[0]

    @cached_property
    def papers(self) -> PaperCells:
        """Figures as papers print them."""
        if self.published is None:
            return PaperCells(())
        return load_paper_cells(self.published / "cells")

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell that can be shown, each once, controls included; records are read on use."""
        found: dict[Path | None, Cell] = {}
        for run in self.runs:
            for cell in run.cells:
                found.setdefault(cell.path, cell)
        return tuple(found.values())

    @cached_property
    def versions(self) -> dict[str, tuple[str, ...]]:
        """Library -> the versions that results say they were made with, never the builder's own."""
        found: dict[str, set[str]] = {}
        for cell in self.cells:
            for name, version in cell.result.run.versions.items():
                found.setdefault(name, set()).add(version)
        return {name: tuple(sorted(values)) for name, values in sorted(found.items())}

    @cached_property
    def _tasks(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], Task | None]:
        return {}

    @cached_property
    def _index(self) -> Index:
        return build_index()

    def task(self, result: Result) -> Task | None:
        """The packaged task of a result; ``None`` where its prompt is not the one it asked."""
        name, given = result.task.name, task_args(result)
        key = (name, tuple(sorted(given.items())))
        if key not in self._tasks:
            try:
                self._tasks[key] = load_task(name, index=self._index, args=given)
            except HeadbenchError:  # a user's own task, or one that was renamed
                self._tasks[key] = None
        found = self._tasks[key]
        return found if found and found.prompt_hash == result.task.prompt_hash else None

    @cached_property
    def _papers(self) -> dict[str, str]:
        return {}

    def paper(self, method: str) -> str:
        """The source that a method names; empty for a method that is not installed here."""
        if method not in self._papers:
            try:
                self._papers[method] = method_catalogue.get(method).source
            except HeadbenchError:
                self._papers[method] = ""
        return self._papers[method]

    def shown_path(self, path: Path) -> str:
        """A file's path below the folder of results that holds it, the same on every machine."""
        for root in self.roots:
            if path.is_relative_to(root):
                return path.relative_to(root).as_posix()
        return path.name


def task_args(result: Result) -> dict[str, str]:
    """Arguments of tasks that a result says its run had; what is no text is left out.

    They may name files. The board loads a task with them for its prompt and its metadata, and reads
    no data that they name.
    """
    given = (result.run.spec or {}).get("task_args")
    if not isinstance(given, Mapping):
        return {}
    return {
        name: value
        for name, value in given.items()
        if isinstance(name, str) and isinstance(value, str)
    }


def read_sources(paths: Sequence[Path]) -> Sources:
    """Read folders of results, and compare them.

    Args:
        paths: Folders of results. The first that has a folder ``published`` gives the published
            cells.

    Raises:
        StoreError: a path does not exist.
    """
    roots = tuple(paths)
    published = next((found for root in roots if (found := _published(root))), None)
    folders = [folder for root in roots for folder in _folders(root)]
    return Sources(read_runs(folders), published, roots)


def _published(root: Path) -> Path | None:
    """The folder of published cells that is a root, or lies in it."""
    if root.name == "published" and root.is_dir():
        return root
    return root / "published" if (root / "published").is_dir() else None


def _folders(root: Path) -> list[Path]:
    """Where a root's results lie.

    In a checkout, golden measurements are what tests compare with: a few documents each, and no
    controls. They are no results to compare methods by.
    """
    if root.name == "published":
        return []
    golden = root / "measured" / "golden"
    if not golden.is_dir():
        return [root]
    kept = [path for path in sorted(root.iterdir()) if path.name not in _NO_RESULTS]
    kept += [path for path in sorted(golden.parent.iterdir()) if path != golden]
    return [path for path in kept if path.is_dir()]


_NO_RESULTS = ("measured", "pins", "published")
