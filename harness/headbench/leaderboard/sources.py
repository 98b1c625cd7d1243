"""What the board is made from. Read once; every maker of pages gets the same object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from headbench.leaderboard.reading import Shown, ShownRun, read_runs
from headbench.results.cell import Cell, NotShown
from headbench.results.paper_cells import PaperCells, load_paper_cells


@dataclass(frozen=True)
class Sources:
    """Where the board's numbers come from.

    Attributes:
        shown: The measured and rescored results, checked and compared.
        published: Folder of published cells; ``None`` where there is none.
        roots: The folders that were given; paths of files are shown relative to them.
    """

    shown: Shown
    published: Path | None = None
    roots: tuple[Path, ...] = ()

    @property
    def runs(self) -> tuple[ShownRun, ...]:
        """Every run with its comparisons, tie letters and cells."""
        return self.shown.runs

    @property
    def not_shown(self) -> tuple[NotShown, ...]:
        """Files that are broken, foreign, of another version, or there twice."""
        return (*self.shown.not_shown, *(NotShown(*fault) for fault in self.papers.faults))

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

    def shown_path(self, path: Path) -> str:
        """A file's path below the folder of results that holds it, the same on every machine."""
        for root in self.roots:
            if path.is_relative_to(root):
                return path.relative_to(root).as_posix()
        return path.name


def read_sources(paths: Sequence[Path]) -> Sources:
    """Read folders of results, and compare them.

    Args:
        paths: Folders of results. The first that has a folder ``published`` gives the published
            cells.

    Raises:
        StoreError: a path does not exist.
    """
    roots = tuple(paths)
    published = next((root / "published" for root in roots if (root / "published").is_dir()), None)
    return Sources(read_runs(roots), published, roots)
