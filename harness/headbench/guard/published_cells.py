"""Published cells: what papers print, in files that a person can read and add to.

A file holds one paper. Its tables hold rows, a row holds the figures of one model (or method) as
they are PRINTED, so that "15.0" keeps its digit. A row that our scorers can recompute from recorded
outputs names a recipe; the others stand for comparison only.

Figures that nobody printed, which we recomputed from released data, have the same form and stand
apart, among the pins: they are held against change, and are evidence of nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, cast

from pydantic import BeforeValidator, Field, field_validator

from headbench._reading import exists
from headbench.errors import DataError, nearest
from headbench.guard.yaml_forms import Frozen, read_form
from headbench.results.recipe import Recipe
from headbench.scoring import family

Grade = Literal["P", "C", "S", "own"]
"""P: read in the paper. C: authors' code or released files. S: second hand, never fails a build.
own: recomputed by us and printed nowhere; for pinned figures only."""
NOT_STATED = "not stated"
"""Written where the source does not say it, so that the gap is not taken for an oversight."""
_PRINTED = re.compile(r"[+-]?\d+(?:\.(\d+))?")


def _recipe(value: object) -> object:
    """A recipe of the kind that the file names, as the family that brings it reads it."""
    if not isinstance(value, Mapping):
        return value
    kind, known = value.get("kind"), family.names("recipes")
    if kind not in known:
        raise ValueError(f"there is no recipe of the kind {kind!r}; {nearest(str(kind), known)}")
    form = cast("type[Recipe]", family.load("recipes", str(kind)))
    return form.model_validate(dict(value))


AnyRecipe = Annotated[Recipe, BeforeValidator(_recipe)]
Count = Annotated[int, Field(gt=0)] | Literal["not stated"]


class PublishedRow(Frozen):
    """The printed figures of one model under one condition."""

    model: str
    cells: dict[str, str]
    """Metric -> the figure as printed."""
    method: str | None = None
    prompt: str | None = None
    also_asked: tuple[str, ...] = ()
    """Further wordings of the recorded outputs, which the source takes for its prompt."""
    decoding: str | None = None
    n: Count | None = None
    tolerance: float | None = Field(default=None, ge=0)
    note: str | None = None
    fitted: str | None = None
    """Which part of the definition was chosen so that the figure came out; ``None``: none was."""
    recipe: AnyRecipe | None = None

    @field_validator("cells")
    @classmethod
    def _printed(cls, cells: dict[str, str]) -> dict[str, str]:
        wrong = [value for value in cells.values() if not _PRINTED.fullmatch(value)]
        if wrong or not cells:
            raise ValueError(f"figures are quoted numbers, not {wrong}")
        return cells


class PublishedTable(Frozen):
    """Rows of one table that share what a row does not say itself."""

    table: str
    task: str
    grade: Grade
    rows: tuple[PublishedRow, ...]
    n: Count | None = None
    prompt: str | None = None
    also_asked: tuple[str, ...] = ()
    """Further wordings of the recorded outputs, which the source takes for its prompt."""
    decoding: str | None = None
    parser: str | None = None
    profile: str | None = None
    setting: str | None = None
    """The task's setting, where the name of the task does not end with it."""
    percent: bool = False
    """Whether fractions are printed in per cent."""
    tolerance: float | None = Field(default=None, ge=0)
    """How far a recomputed figure may lie, in printed units; ``None``: not a printed digit."""
    note: str | None = None


class Paper(Frozen):
    """One file."""

    paper: str
    arxiv: str | None
    source: str
    tables: tuple[PublishedTable, ...]


@dataclass(frozen=True)
class PublishedCell:
    """One printed figure with everything that it hangs on.

    Attributes:
        file: Name of the paper's file, without its ending.
        paper: The paper.
        table: Its table.
        row: Its row.
        metric: Which figure of the row.
    """

    file: str
    paper: Paper
    table: PublishedTable
    row: PublishedRow
    metric: str

    @property
    def name(self) -> str:
        """Where to find the cell."""
        parts = (self.table.table, self.table.task, self.row.model, self.row.decoding, self.metric)
        return " / ".join(part for part in parts if part)

    @property
    def printed(self) -> str:
        """The figure as printed."""
        return self.row.cells[self.metric]

    @property
    def digits(self) -> int:
        """Digits after the point."""
        match = _PRINTED.fullmatch(self.printed)
        return len(match[1] or "") if match else 0

    @property
    def n(self) -> int | str | None:
        """Items behind the figure, ``not stated``, or ``None`` where the file is silent."""
        return self.row.n or self.table.n

    @property
    def prompt(self) -> str | None:
        """What was asked."""
        return self.row.prompt or self.table.prompt

    @property
    def tolerance(self) -> float | None:
        """How far a recomputed figure may lie; ``None``: it must print the same digits."""
        return self.table.tolerance if self.row.tolerance is None else self.row.tolerance

    @property
    def fails(self) -> bool:
        """Whether a drift may fail a build: anything but what was found at second hand."""
        return self.table.grade in ("P", "C", "own")


def load_paper(path: Path) -> Paper:
    """Read one paper's file.

    Raises:
        DataError: It is missing, no YAML, or does not have this form; the first faults are named.
    """
    hint = "see the other files of the folder, or docs/rescoring.md, for the form"
    return read_form(path, Paper, "a file of published cells", hint)


def load_cells(folder: Path) -> tuple[PublishedCell, ...]:
    """Every cell of every paper of a folder, in order of file and place.

    Raises:
        DataError: A file is broken, the folder is there and holds none, or a cell is named twice.
    """
    if not exists(folder):
        return ()  # whoever demands cells says so with --at-least
    cells = [cell for path in sorted(folder.glob("*.yaml")) for cell in cells_of(path)]
    if not cells:
        raise DataError(
            "there are no published cells",
            where=str(folder),
            hint="docs/rescoring.md shows the form of a file",
        )
    for cell in cells:
        if cell.table.grade == "own":
            raise DataError(
                "a figure of one's own stands among the published cells",
                where=f"{folder / cell.file}.yaml: {cell.name}",
                hint="move it to the folder pins/, or grade it by where it was read: P, C or S",
            )
    return tuple(cells)


def load_pinned(folder: Path) -> tuple[PublishedCell, ...]:
    """Every pinned figure of a folder, in order of file and place; often there are none.

    Raises:
        DataError: A file is broken, a figure is named twice, has no recipe, or is graded as if
            somebody had printed it.
    """
    cells = [cell for path in sorted(folder.glob("*.yaml")) for cell in cells_of(path)]
    for cell in cells:
        if cell.table.grade != "own" or cell.row.recipe is None:
            raise DataError(
                "a pinned figure is graded 'own' and has a recipe",
                where=f"{folder / cell.file}.yaml: {cell.name}",
                hint="move what somebody printed to the folder published/",
            )
    return tuple(cells)


def cells_of(path: Path) -> Iterator[PublishedCell]:
    """The cells of one paper's file.

    Raises:
        DataError: it is broken, or names a row twice.
    """
    paper = load_paper(path)
    seen: set[tuple[object, ...]] = set()
    for table in paper.tables:
        for row in table.rows:
            prompt = row.prompt or table.prompt
            key = (table.table, table.task, row.model, row.method, row.decoding, prompt)
            if key in seen:
                raise DataError(
                    "a row stands twice", where=f"{path}: {' / '.join(filter(None, map(str, key)))}"
                )
            seen.add(key)
            for metric in row.cells:
                yield PublishedCell(path.stem, paper, table, row, metric)
