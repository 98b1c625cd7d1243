"""A folder of results: its runs, their cells, how these compare, and what cannot be shown.

A result file says one cell. What relates cells follows from what the files say: a condition names
the id of its baseline, a control the condition that it serves, and the list of a run
(:mod:`~headbench.results.run_list`) the cells whose tests were adjusted together. So each figure of
a run's table (difference, interval, p, adjusted p, rank among controls) comes from files alone, and
``run`` itself prints its table from the same objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from headbench._reading import exists, is_file, resolved
from headbench.errors import HeadbenchError, StoreError
from headbench.results.canonical import digest
from headbench.results.cell import Cell, NotShown, read_cell
from headbench.results.comparison import Comparison, adjust, compare_cells
from headbench.results.frame import Row, run_rows, to_frame
from headbench.results.notebook import runs_html
from headbench.results.paper_cells import CONTRADICTIONS, ENDING
from headbench.results.run_list import FILE_NAME, ListedCell, RunList, read_run_list
from headbench.results.timing import FILE as TIMING

if TYPE_CHECKING:
    import pandas as pd

_NOT_RESULTS = (TIMING, "pins/prompts.json", ENDING, f"cells/{CONTRADICTIONS}")
"""Files of headbench's own that lie among results, by the end of their path."""


@dataclass(frozen=True)
class Run:
    """The cells of one run on one model.

    Attributes:
        digest: Digest of the run's spec; empty for recorded outputs, which no run made.
        model: Display name of the model.
        cells: Every cell, task by task: the baseline, then each intervention with its controls.
        spec: The run's spec as JSON values; empty where no run made the cells.
        missing: Cells of the run whose files are not shown, as ``task / condition``.
        listed: Whether a list of the run says which cells it has. Otherwise they are those whose
            files carry its digest, which a later run may have replaced in part.
    """

    digest: str
    model: str
    cells: tuple[Cell, ...]
    spec: Mapping[str, object] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    listed: bool = True

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Each intervention against its baseline and among its controls, in the cells' order.

        p is adjusted over all of them: they are one family, as in the run's own table.
        """
        return self._compared[0]

    @property
    def not_compared(self) -> tuple[NotShown, ...]:
        """Interventions without a comparison, and why."""
        return self._compared[1]

    @cached_property
    def _compared(self) -> tuple[tuple[Comparison, ...], tuple[NotShown, ...]]:
        found: list[Comparison] = []
        left_out: list[NotShown] = []
        for cell in self.cells:
            if cell.result.arm.role != "toggle":
                continue
            try:
                comparison = self._compare(cell)
                comparison.main  # noqa: B018 - refuses results without a main metric in common
            except HeadbenchError as error:
                left_out.append(NotShown(cell.path or Path(cell.result.arm.name), error.what))
            else:
                found.append(comparison)
        return tuple(adjust(found)), tuple(left_out)

    def _compare(self, cell: Cell) -> Comparison:
        """One intervention against its baseline, ranked where all of its controls are here."""
        result = cell.result
        base = self._baseline_of(cell)
        controls = [
            one
            for one in self.cells
            if (one.result.arm.role, one.result.arm.of, one.result.task.name)
            == ("control", result.arm.name, result.task.name)
            and one.result.arm.baseline == result.arm.baseline
        ]
        facts = result.arm.controls
        drawn = facts.drawn if facts else 0
        if result.status == "inert" or len(controls) == drawn:
            return compare_cells(base, cell, controls)
        # A rank among some of the draws would be another test than the one that was planned.
        note = f"it has no control rank: {drawn} controls were drawn, and {len(controls)} are here"
        return replace(compare_cells(base, cell, ()), note=note)

    def _baseline_of(self, cell: Cell) -> Cell:
        wanted, task = cell.result.arm.baseline, cell.result.task.name
        named = [
            one
            for one in self.cells
            if one.result.arm.role == "baseline" and one.result.task.name == task
        ]
        if wanted is not None:
            named = [one for one in named if one.result.id == wanted]
        if len(named) == 1:
            return named[0]
        what = f"its baseline {wanted[:8]}" if wanted else "one baseline of its task"
        raise StoreError(
            f"{what} is not among the files" if not named else "its task has several baselines",
            where=f"{task} / {cell.result.arm.name}",
        )

    def rows(self, *, controls: bool = False) -> list[Row]:
        """One row per task, condition and metric, with the names of ``frame.COLUMNS``."""
        return list(run_rows(self, controls=controls))

    def to_frame(self, *, controls: bool = False) -> pd.DataFrame:
        """The same rows as a data frame; see :func:`headbench.results.frame.to_frame`."""
        return to_frame(self.rows(controls=controls))

    def _repr_html_(self) -> str:
        return runs_html([self], self.not_compared)

    def __repr__(self) -> str:
        shown = len([c for c in self.cells if c.result.arm.role != "control"])
        name = f" {self.digest[:12]}" if self.digest else ""
        return f"<Run{name} on {self.model}: {shown} cells, {len(self.cells) - shown} of controls>"


class _Read(NamedTuple):
    """What the files of a collection hold."""

    cells: tuple[Cell, ...]
    lists: tuple[tuple[Path, RunList], ...]
    not_shown: tuple[NotShown, ...]


class Collection:
    """Results below some paths. Nothing is read before it is asked for.

    Args:
        paths: Folders, searched with all folders below them but hidden ones, and result files.
        check: Whether every figure is computed again from its records. Without it, files and
            digests are checked only, which is many times faster.
        beside: Whether digests of records are checked where ``check`` is false; a caller that reads
            the records finds what is wrong with them.

    Raises:
        StoreError: a path does not exist.
    """

    def __init__(self, paths: Sequence[Path], *, check: bool = True, beside: bool = True) -> None:
        self.paths = tuple(paths)
        self.check = check
        self.beside = beside
        for path in self.paths:
            if not exists(path):
                raise StoreError(
                    "there is no such file or folder",
                    where=str(path),
                    hint="give a result file, or a folder that 'headbench run --out' wrote",
                )

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every result that can be shown, in the order of its path."""
        return self._read.cells

    @property
    def not_shown(self) -> tuple[NotShown, ...]:
        """Files that are broken, foreign, of another version, or there twice."""
        return self._read.not_shown

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The runs that the cells belong to. A cell that several runs share is in each of them."""
        return tuple(_runs(self._read.cells, self._read.lists))

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Each intervention against its baseline; p is adjusted within each run."""
        return tuple(one for run in self.runs for one in run.comparisons)

    @property
    def not_compared(self) -> tuple[NotShown, ...]:
        """Interventions without a comparison, and why."""
        return tuple(one for run in self.runs for one in run.not_compared)

    @cached_property
    def _read(self) -> _Read:
        cells: dict[tuple[Path, str], Cell] = {}
        lists: list[tuple[Path, RunList]] = []
        not_shown: list[NotShown] = []
        for path in dict.fromkeys(one for given in self.paths for one in _files(given)):
            try:
                if FILE_NAME.fullmatch(path.name):
                    lists.append((path, read_run_list(path)))
                    continue
                cell = read_cell(path, check=self.check, beside=self.beside)
            except HeadbenchError as error:
                not_shown.append(NotShown(path, error.what))
                continue
            key = (_root(path), cell.result.id)
            twin = cells.get(key)
            if twin is None:
                cells[key] = cell
            elif wrong := self._wrong(twin):  # a broken file must not hide a whole one
                not_shown.append(NotShown(_path(twin), wrong))
                cells[key] = cell
            else:
                not_shown.append(NotShown(path, f"the same result as {twin.path}"))
        return _Read(tuple(cells.values()), tuple(lists), tuple(not_shown))

    def _wrong(self, cell: Cell) -> str:
        """Why a cell cannot be shown, where that was not looked at before; empty if it can."""
        if self.check:
            return ""
        try:
            read_cell(_path(cell))
        except HeadbenchError as error:
            return error.what
        return ""

    def rows(self, *, controls: bool = False) -> list[Row]:
        """One row per run, task, condition and metric, with the names of ``frame.COLUMNS``.

        Args:
            controls: Whether control cells have rows of their own; they have no difference.
        """
        return [row for run in self.runs for row in run.rows(controls=controls)]

    def to_frame(self, *, controls: bool = False) -> pd.DataFrame:
        """The same rows as a data frame; see :func:`headbench.results.frame.to_frame`."""
        return to_frame(self.rows(controls=controls))

    def __repr__(self) -> str:
        where = ", ".join(str(path) for path in self.paths)
        if "_read" not in vars(self):
            return f"<Collection of {where}: not read yet>"
        return (
            f"<Collection of {where}: {len(self.cells)} cells in {len(self.runs)} runs, "
            f"{len(self.not_shown)} files not shown>"
        )

    def _repr_html_(self) -> str:
        return runs_html(self.runs, [*self.not_shown, *self.not_compared])


def load(*paths: str | Path, check: bool = True) -> Collection:
    """Load results: ``headbench.load("results/")``.

    Args:
        paths: Folders and result files.
        check: See :class:`Collection`.

    Raises:
        StoreError: a path does not exist. Files that cannot be shown raise nothing: they are in
            ``not_shown``.
    """
    return Collection([Path(path) for path in paths], check=check)


def _files(path: Path) -> Iterator[Path]:
    """The JSON files that may be results, in the order of their paths."""
    if is_file(path):
        yield path
        return
    for found in sorted(path.rglob("*.json")):
        parts = found.relative_to(path).parts
        hidden = any(part.startswith(".") for part in parts)
        if is_file(found) and not hidden and not found.as_posix().endswith(_NOT_RESULTS):
            yield found


def _root(path: Path) -> Path:
    """The model's folder: ``<root>/<task>/<cell>.json``."""
    return _resolved_folder(path.parent.absolute()).parent


@lru_cache(1_000)  # a folder holds many cells, and resolving a path asks the disk for each part
def _resolved_folder(folder: Path) -> Path:
    return resolved(folder)


def _runs(cells: Sequence[Cell], lists: Sequence[tuple[Path, RunList]]) -> Iterator[Run]:
    """The runs with a list, then what is left by the digest of its run."""
    known = {(_root(_path(cell)), cell.result.id): cell for cell in cells}
    claimed: set[tuple[Path, str]] = set()
    for path, listed in lists:
        keys = [(resolved(path).parent, one.id) for one in listed.cells]
        claimed.update(keys)
        yield Run(
            listed.digest,
            listed.model,
            tuple(
                _as_listed(known[key], one)
                for one, key in zip(listed.cells, keys, strict=True)
                if key in known
            ),
            listed.spec,
            tuple(
                f"{one.task} / {one.arm}"
                for one, key in zip(listed.cells, keys, strict=True)
                if key not in known
            ),
        )
    groups: dict[tuple[Path, str, str], dict[tuple[Path, str], Cell]] = {}
    for key, cell in known.items():
        if key not in claimed:
            group = groups.setdefault((key[0], *_state(cell)), {})
            group[key] = cell
            baseline = (key[0], cell.result.arm.baseline or "")
            if baseline in known:  # a later run may have written it again, with its own spec
                group[baseline] = known[baseline]
    for (_, run_digest, _), group in groups.items():
        members = sorted(group.values(), key=_place)
        facts = next(c.result for c in members if c.result.run.digest == run_digest)
        yield Run(run_digest, facts.model.name, tuple(members), facts.run.spec, listed=False)


def _as_listed(cell: Cell, listed: ListedCell) -> Cell:
    """The cell with the controls of its own run, where a later run wrote its file again."""
    arm = cell.result.arm
    if arm.controls == listed.controls:
        return cell
    own = arm.model_copy(update={"controls": listed.controls})
    return replace(cell, result=cell.result.model_copy(update={"arm": own}))


def _state(cell: Cell) -> tuple[str, str]:
    """The run of a cell, and the state of models and code that it ran in."""
    run = cell.result.run
    others = {role: dict(model.identity) for role, model in cell.result.roles.items()}
    facts = [cell.result.kind, dict(cell.result.model.identity), others, dict(run.versions)]
    return run.digest, digest([*facts, [one.digest for one in run.code]])


def _place(cell: Cell) -> tuple[object, ...]:
    """Where a run's table would show a cell, as far as the cell says."""
    result = cell.result
    tasks = result.run.spec.get("tasks")
    asked = list(tasks) if isinstance(tasks, list) else []
    place = asked.index(result.task.name) if result.task.name in asked else len(asked)
    arm = result.arm
    return (
        place,
        result.task.name,
        arm.role != "baseline",
        arm.of or arm.name,
        arm.role == "control",
        arm.draw or 0,
        result.id,
    )


def _path(cell: Cell) -> Path:
    return cell.path or Path()
