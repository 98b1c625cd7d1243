"""Many results in one comparison: which one is the baseline, which pairs there are, one family.

One folder: each intervention against the baseline of its own run, with its control rank. Several
files or folders: everything after the first is compared with the first. A cell's partner is the
first one's only cell of the same task, or else its cell of the same task and condition. What has no
partner is named with its reason. p is adjusted over all pairs, because one table shows them all.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from headbench._reading import exists, is_folder
from headbench.errors import HeadbenchError, RefusedError, StoreError
from headbench.results.cell import Cell, NotShown, read_cell
from headbench.results.collection import Collection
from headbench.results.comparison import Comparison, adjust, compare_cells, compare_files
from headbench.results.frame import Row, cell_rows


@dataclass(frozen=True)
class Pair:
    """Two cells and how they compare.

    Attributes:
        base: The baseline.
        other: What is compared with it.
        comparison: The second against the first; p is adjusted over all pairs.
        label: Letter of the file or folder that ``other`` comes from; empty where there is one.
        run: Digest of the run that the pair belongs to. A cell that two runs share carries the
            digest of the one that wrote it last.
    """

    base: Cell
    other: Cell
    comparison: Comparison
    label: str = ""
    run: str = ""


@dataclass(frozen=True)
class ManyComparisons:
    """What one command compares.

    Attributes:
        paths: What was given, in order.
        baseline: Which is the baseline, in words.
        pairs: What is compared.
        left_out: Files and cells that take no part, and why.
    """

    paths: tuple[Path, ...]
    baseline: str
    pairs: tuple[Pair, ...]
    left_out: tuple[NotShown, ...] = ()

    @property
    def is_two_files(self) -> bool:
        """Whether these are two results, which are shown in more words than many."""
        return len(self.paths) == 2 and not any(is_folder(path) for path in self.paths)

    @staticmethod
    def letter(number: int) -> str:
        """``A`` for the first path, ``Z`` for the 26th, then ``A1``, ``B1``, ..."""
        turns, place = divmod(number, len(string.ascii_uppercase))
        return string.ascii_uppercase[place] + (str(turns) if turns else "")

    @property
    def comparisons(self) -> list[Comparison]:
        """Every comparison, in order."""
        return [pair.comparison for pair in self.pairs]

    def rows(self) -> Iterator[Row]:
        """Long rows of every cell: each baseline once, before what is first compared with it."""
        shown: set[str] = set()
        for pair in self.pairs:
            if pair.base.result.id not in shown:
                shown.add(pair.base.result.id)
                run = pair.run or pair.base.result.run.digest
                yield from cell_rows(pair.base, None, run[:12])
            run = pair.run or pair.other.result.run.digest
            yield from cell_rows(pair.other, pair.comparison, run[:12])


def compare_many(paths: Sequence[Path]) -> ManyComparisons:
    """Compare results.

    Args:
        paths: Result files, or folders of them.

    Raises:
        StoreError: a path does not exist, or a file that was named is broken.
        RefusedError: nothing can be compared; two files cannot.
    """
    if len(paths) == 2 and not any(is_folder(path) for path in paths):
        return _two_files(*paths)
    if len(paths) == 1:
        return _one_folder(paths[0])
    sets, left_out = [], []
    for path in paths:
        cells, broken = _cells(path)
        sets.append(cells)
        left_out += broken
    pairs: list[Pair] = []
    for number, cells in enumerate(sets[1:], start=1):
        for cell in cells:
            try:
                base = _partner(cell, sets[0], paths[0])
                comparison = compare_cells(base, cell, ())
                comparison.main  # noqa: B018 - refuses pairs without a main metric in common
            except HeadbenchError as error:
                left_out.append(NotShown(cell.path or paths[number], error.what))
            else:
                pairs.append(Pair(base, cell, comparison, ManyComparisons.letter(number)))
    return _adjusted(paths, f"A = {paths[0]}", pairs, left_out)


def _two_files(first: Path, second: Path) -> ManyComparisons:
    comparison = compare_files(first, second)
    base, other = Cell(comparison.base, path=first), Cell(comparison.other, path=second)
    return ManyComparisons((first, second), f"A = {first}", (Pair(base, other, comparison, "B"),))


def _one_folder(path: Path) -> ManyComparisons:
    if not is_folder(path):
        raise RefusedError(
            "one result file has nothing to be compared with",
            where=str(path),
            hint="name a second result, or a folder of results",
        )
    found = Collection([path])
    pairs: dict[tuple[str, str], Pair] = {}
    for run in found.runs:
        cells = {cell.result.id: cell for cell in run.cells}
        for one in run.comparisons:
            key = (one.base.id, one.other.id)  # two runs may share both cells
            if key not in pairs or not pairs[key].comparison.main.rank:
                pairs[key] = Pair(cells[one.base.id], cells[one.other.id], one, run=run.digest)
    left_out = [*found.not_shown, *found.not_compared]
    left_out += [
        NotShown(path, f"{lost}: a cell of run {run.digest[:12]} whose file is not shown")
        for run in found.runs
        for lost in run.missing
    ]
    return _adjusted([path], "the baseline of each run and task", list(pairs.values()), left_out)


def _adjusted(
    paths: Sequence[Path], baseline: str, pairs: Sequence[Pair], left_out: Sequence[NotShown]
) -> ManyComparisons:
    """All pairs as one family.

    Raises:
        RefusedError: there is no pair.
    """
    if not pairs:
        named = "; ".join(f"{one.path}: {one.reason}" for one in left_out[:3])
        raise RefusedError(
            "nothing here can be compared",
            where=named or ", ".join(map(str, paths)),
            hint="give a folder that 'headbench run' wrote, or results of the same task",
        )
    adjusted = adjust([pair.comparison for pair in pairs])
    done = (
        replace(pair, comparison=comparison)
        for pair, comparison in zip(pairs, adjusted, strict=True)
    )
    return ManyComparisons(tuple(paths), baseline, tuple(done), tuple(left_out))


def _cells(path: Path) -> tuple[list[Cell], list[NotShown]]:
    """The cells of a path but for controls; a file that was named must be whole."""
    if is_folder(path):
        found = Collection([path])
        shown = [cell for cell in found.cells if cell.result.arm.role != "control"]
        return shown, list(found.not_shown)
    if not exists(path):
        raise StoreError("there is no such file or folder", where=str(path))
    return [read_cell(path)], []


def _partner(cell: Cell, base: Sequence[Cell], path: Path) -> Cell:
    """The cell of the first path that another one is compared with.

    Raises:
        RefusedError: there is none, or several.
    """
    result = cell.result
    same = [one for one in base if one.result.task.name == result.task.name]
    if len(same) > 1:
        same = [one for one in same if one.result.arm.name == result.arm.name]
    if len(same) == 1:
        if any(one.result.records is None for one in (cell, same[0])):
            raise RefusedError("a published cell has no item records, so nothing can be paired")
        return same[0]
    what = f"task {result.task.name!r} under {result.arm.name!r}"
    raise RefusedError(f"{path} has {'several results' if same else 'no result'} of {what}")
