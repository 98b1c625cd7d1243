"""What papers print: one figure per cell, with everything that a comparison hangs on.

A file of ``published/cells/`` holds one paper. Its tables hold cells as rows of an array; what all
cells of a table share is said once, and ids are written without the file's and the table's key.
Nothing here is recomputed: cells that our scorers can recompute stand in ``published/*.yaml``.

What is not known of a protocol is one of two words, so that the reader can tell a silent paper
from a gap in our reading: :data:`NOT_STATED` and :data:`NOT_READ`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from headbench._json import strict_json
from headbench._reading import exists, is_folder, read_file
from headbench.errors import DataError

NOT_STATED = "not_stated"
"""The paper was read for it, and is silent."""
NOT_READ = "not_read"
"""Nobody has looked it up."""
NOT_APPLICABLE = "not_applicable"
"""There is no such thing in this measurement, for instance images in a text task."""
UNKNOWN = frozenset({NOT_STATED, NOT_READ})

UNITS = (
    "fraction", "percent", "points", "count", "tokens", "bits", "nats", "perplexity",
    "score", "correlation", "ratio", "unknown",
)  # fmt: skip
"""``points`` is a difference of percentages; ``unknown``: the source does not settle it."""
ROLES = ("baseline", "method", "ablation", "sweep", "rival", "control", "ceiling", "human")
"""``baseline``: no edit. ``method``: the paper's own. ``rival``: another paper's, as run by this
one. ``control``: the method's null, such as random heads. ``ceiling``: a bound such as noise."""
DIRECTIONS = ("higher", "lower", "neither")
GRADES = ("P", "C")
READ_FROM = ("text", "table", "image", "figure", "released_file")

PROTOCOL = (
    "n", "image_set", "prompt", "chat_template", "decoding", "max_new_tokens", "parser",
    "profile", "judge", "seeds",
)  # fmt: skip
"""Fields of a protocol. Each is a value, or one of the words above."""
CONDITION = ("context_tokens", "iteration", "depth", "layer", "head")
"""Where in a run the figure was taken; empty where the table does not divide by it. The context
length stays as printed: 4K may be 4,000 or 4,096."""

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_ARXIV = re.compile(r"\d{2}(?:0[1-9]|1[0-2])\.\d{4,5}")
_ID = re.compile(r"[a-z0-9_-]+/[a-z0-9_.-]+/[0-9a-f]{8}")
LONGEST = 2_000
"""Characters of the longest text that a cell may hold."""


@dataclass(frozen=True)
class Spread:
    """What stands behind ``±``.

    Attributes:
        kind: ``sd``, ``se``, ``ci`` (half width of 95 %), or ``not_stated``.
        value: As printed.
        over: What varies: ``seeds``, ``runs`` or ``items``.
        k: How many; ``None`` where that is not recorded.
    """

    kind: str
    value: str
    over: str
    k: int | None = None


@dataclass(frozen=True)
class PaperCell:
    """One printed figure.

    Attributes:
        id: Stable name: paper, table and a digest of the row and column as printed.
        paper: Paper or repository.
        slug: Its file's name without the ending.
        arxiv: Identifier without version; ``None`` where none is known.
        table: Table, figure or section.
        family: Group of tasks that a page shows together.
        task: Canonical name of the task.
        setting: What divides the task: ``random``, ``popular``, ``5-shot``; empty where nothing.
        metric: Canonical name.
        metric_printed: As the source spells it.
        unit: One of :data:`UNITS`.
        direction: Which way is better; one of :data:`DIRECTIONS`.
        model: Canonical name.
        model_printed: As the source spells it.
        arm: Our intervention of the same method; ``None`` where we have none.
        arm_printed: As the source spells it; empty for an unedited model without a label.
        role: One of :data:`ROLES`.
        value: The figure as transcribed. A zero at its end may have been lost on the way.
        baseline_id: Cell of the same table that this one is compared with; ``None``: it has none.
        grade: ``P``: read in the paper. ``C``: in the authors' released files, or recomputed.
        read_from: One of :data:`READ_FROM`.
        protocol: Field of :data:`PROTOCOL` -> value.
        condition: Field of :data:`CONDITION` -> value, only what the table divides by.
        spread: ``None``: the table gives none.
        repeats: Ids of cells with the same key and another value.
        note: What else a reader must know.
    """

    id: str
    paper: str
    slug: str
    arxiv: str | None
    table: str
    family: str
    task: str
    metric: str
    metric_printed: str
    unit: str
    direction: str
    model: str
    role: str
    value: str
    grade: str
    read_from: str
    protocol: Mapping[str, str | int]
    model_printed: str = ""
    setting: str = ""
    arm: str | None = None
    arm_printed: str = ""
    baseline_id: str | None = None
    condition: Mapping[str, str | int] = field(default_factory=dict)
    spread: Spread | None = None
    repeats: tuple[str, ...] = ()
    note: str = ""

    @property
    def number(self) -> float:
        """The figure in its printed unit."""
        return float(self.value)

    @property
    def year(self) -> int | None:
        """Of the arXiv number; ``None`` without one."""
        return None if self.arxiv is None else 2000 + int(self.arxiv[:2])

    @property
    def quantity(self) -> tuple[float, str]:
        """The figure with fractions and percentages on one scale, and that scale's unit."""
        if self.unit == "fraction":
            return self.number * 100, "percent"
        return self.number, self.unit


@dataclass(frozen=True)
class Contradiction:
    """Two statements of sources that cannot both hold. It is listed and not resolved.

    Attributes:
        kind: What sort, in a few words.
        where: Paper and table.
        cells: Ids of the cells, where cells are concerned.
        says: In words, with the figures.
    """

    kind: str
    where: str
    cells: tuple[str, ...]
    says: str


@dataclass(frozen=True)
class PaperCells:
    """All cells of a folder.

    Attributes:
        cells: In order of year, paper and place in the file.
        contradictions: As listed in ``contradictions.json``.
        faults: File and reason of what could not be read; those files give no cell.
    """

    cells: tuple[PaperCell, ...]
    contradictions: tuple[Contradiction, ...] = ()
    faults: tuple[tuple[Path, str], ...] = ()

    def by_id(self) -> dict[str, PaperCell]:
        """Id -> cell."""
        return {cell.id: cell for cell in self.cells}


def load_paper_cells(folder: Path) -> PaperCells:
    """Read a folder of published cells. A broken file is reported and hides no other file.

    Args:
        folder: ``results/published/cells``. One that is absent holds no cells.
    """
    cells: list[PaperCell] = []
    faults: list[tuple[Path, str]] = []
    for path in sorted(folder.glob(f"*{ENDING}")) if is_folder(folder) else ():
        try:
            cells.extend(read_paper(path))
        except DataError as error:
            faults.append((path, error.what))
    listed: tuple[Contradiction, ...] = ()
    try:
        listed = _contradictions(folder / CONTRADICTIONS)
    except DataError as error:
        faults.append((folder / CONTRADICTIONS, error.what))
    order = sorted(cells, key=lambda cell: (cell.year or 9999, cell.slug))
    return PaperCells(tuple(order), listed, tuple(faults))


CONTRADICTIONS = "contradictions.json"
ENDING = ".cells.json"
"""Of a paper's file; what stands before it is the paper's short name."""
_SHARED = tuple(one.name for one in fields(PaperCell) if one.name not in ("paper", "slug", "arxiv"))
COLUMNS = tuple(
    name for name in _SHARED if name not in ("protocol", "condition", "table", "spread")
)
"""Columns of a table besides ``protocol``, ``condition`` and ``spread``, which are spread out."""
SPREAD = ("spread_kind", "spread_value", "spread_over", "spread_k")
ALL_COLUMNS = (*COLUMNS, *CONDITION, *PROTOCOL, *SPREAD)


def read_paper(path: Path) -> tuple[PaperCell, ...]:
    """The cells of one paper's file.

    Raises:
        DataError: it is missing, no JSON, does not have this form, or a cell contradicts itself.
    """
    document = _document(path)
    paper, tables = document.get("paper"), document.get("tables")
    arxiv = document.get("arxiv")
    if not isinstance(paper, str) or not isinstance(tables, list) or not paper.strip():
        raise DataError("a file of cells names its paper and its tables", where=str(path))
    if arxiv is not None and not (isinstance(arxiv, str) and _ARXIV.fullmatch(arxiv)):
        raise DataError(
            f"not an arXiv identifier: {str(arxiv)[:60]!r}",
            where=str(path),
            hint="write it as 2412.13949, without a version, or null",
        )
    head = {"paper": paper, "slug": path.name.removesuffix(ENDING), "arxiv": arxiv}
    cells = [cell for table in tables for cell in _table(table, head, path)]
    _check_links(cells, path)
    return tuple(cells)


def _document(path: Path) -> dict[str, Any]:
    try:
        found = strict_json(read_file(path, "the published cells").decode())
    except ValueError as error:
        raise DataError(f"not JSON: {error}", where=str(path)) from error
    if not isinstance(found, dict) or found.get("schema_version") != 1:
        raise DataError("not a file of published cells, version 1", where=str(path))
    return found


def _table(table: object, head: Mapping[str, Any], path: Path) -> Iterator[PaperCell]:
    if not isinstance(table, dict) or set(table) != {"table", "key", "shared", "columns", "cells"}:
        raise DataError("a table has a name, a key, shared values, columns, cells", where=str(path))
    name, shared, columns = table["table"], table["shared"], table["columns"]
    forms = (
        (name, str),
        (table["key"], str),
        (shared, dict),
        (columns, list),
        (table["cells"], list),
    )
    named = isinstance(columns, list) and all(isinstance(one, str) for one in columns)
    if not named or not all(isinstance(value, form) for value, form in forms):
        raise DataError(
            f"the table {str(name)[:60]!r} does not have the form of one", where=str(path)
        )
    within = f"{head['slug']}/{table['key']}/"
    odd = [one for one in (*shared, *columns) if one not in ALL_COLUMNS]
    twice = [one for one, times in Counter([*shared, *columns]).items() if times > 1]
    wrong = sorted({str(one) for one in (*odd, *twice)})
    if wrong:
        raise DataError(
            f"table {name[:60]!r}: unknown or repeated columns: {', '.join(wrong[:4])[:120]}",
            where=str(path),
        )
    for line, row in enumerate(table["cells"], 1):
        if not isinstance(row, list) or len(row) != len(columns):
            raise DataError(
                f"table {name[:60]!r}, cell {line}: the row does not fit {len(columns)} columns",
                where=str(path),
            )
        flat = {**shared, **dict(zip(columns, row, strict=True)), "table": name, **head}
        try:
            yield _cell(flat, within)
        except (KeyError, TypeError, ValueError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise DataError(f"table {name[:60]!r}, cell {line}: {what}", where=str(path)) from error


def _cell(flat: dict[str, Any], within: str) -> PaperCell:
    """One cell from its flat form, in which ids are short: they name cells of the same table.

    Raises:
        KeyError: a field is missing.
        ValueError: a value is not what the field may hold.
    """
    for key, value in flat.items():
        long = isinstance(value, str) and len(value) > LONGEST
        listed = isinstance(value, list) and all(isinstance(one, str) for one in value)
        plain = value is None or (isinstance(value, str | int) and not isinstance(value, bool))
        if long or not (plain or (key == "repeats" and listed)):
            raise ValueError(f"{key} holds {str(value)[:60]!r}, which is no value of a cell")
    protocol = {key: flat.pop(key) for key in PROTOCOL}
    condition = {key: value for key in CONDITION if (value := flat.pop(key, None)) is not None}
    kind, value, over, k = (flat.pop(key, None) for key in SPREAD)
    spread = None if kind is None else Spread(kind, str(value), str(over), k)
    flat["id"] = f"{within}{flat['id']}"
    flat["repeats"] = tuple(f"{within}{one}" for one in flat.get("repeats") or ())
    if flat.get("baseline_id") is not None:
        flat["baseline_id"] = f"{within}{flat['baseline_id']}"
    cell = PaperCell(protocol=protocol, condition=condition, spread=spread, **flat)
    _check(cell)
    return cell


def _check(cell: PaperCell) -> None:
    printed = _NUMBER.fullmatch(cell.value) if isinstance(cell.value, str) else None
    if printed is None or not math.isfinite(float(cell.value)):
        raise ValueError(f"the value {cell.value!r} is no quoted, finite number")
    if not _ID.fullmatch(cell.id):
        raise ValueError(f"not an id: {cell.id[:60]!r}")
    allowed = {
        "unit": UNITS, "direction": DIRECTIONS, "role": ROLES, "grade": GRADES,
        "read_from": READ_FROM,
    }  # fmt: skip
    for name, values in allowed.items():
        if getattr(cell, name) not in values:
            raise ValueError(f"{name} is {getattr(cell, name)!r}, not one of {', '.join(values)}")
    empty = [name for name in ("family", "task", "metric", "model") if not getattr(cell, name)]
    blank = [name for name, value in cell.protocol.items() if value in (None, "")]
    if empty or blank:
        raise ValueError(
            f"{', '.join(empty + blank)}: empty; write {NOT_STATED}, {NOT_READ} or a value"
        )
    n = cell.protocol["n"]
    if n not in UNKNOWN and not (isinstance(n, int) and n > 0):
        raise ValueError(f"n is {n!r}, not a count of items")
    low, high = {"fraction": (-1, 1), "percent": (-100, 100)}.get(cell.unit, (-math.inf, math.inf))
    # Relative changes and normalised scores pass 100 %; shares and accuracies cannot.
    if cell.metric in SHARES and not low <= cell.number <= high:
        raise ValueError(f"{cell.metric} is {cell.value} {cell.unit}, which is impossible")


SHARES = frozenset(
    {"accuracy", "f1", "precision", "recall", "yes_ratio", "chair_s", "chair_i", "hit_rate"}
)
"""Metrics that cannot pass 1, or 100 %."""


def _check_links(cells: list[PaperCell], path: Path) -> None:
    """Ids are unique; a baseline is an unedited cell of the same table, model, task and metric."""
    known: dict[str, PaperCell] = {}
    for cell in cells:
        if cell.id in known:
            raise DataError(f"two cells have the id {cell.id}", where=str(path))
        known[cell.id] = cell
    same = ("table", "model", "task", "setting", "metric", "unit", "condition")
    for cell in cells:
        lost = [one for one in cell.repeats if one not in known]
        if lost:
            raise DataError(f"{cell.id} repeats {lost[0]}, which is not there", where=str(path))
        if cell.baseline_id is None:
            continue
        base = known.get(cell.baseline_id)
        if base is None:
            raise DataError(
                f"the baseline of {cell.id} is {cell.baseline_id}, which is not there",
                where=str(path),
            )
        apart = [name for name in same if getattr(base, name) != getattr(cell, name)]
        if base.role != "baseline" or apart:
            raise DataError(
                f"the baseline of {cell.id} is {base.id}, which is "
                + (f"another {', '.join(apart)}" if apart else f"a {base.role}"),
                where=str(path),
            )


def _contradictions(path: Path) -> tuple[Contradiction, ...]:
    if not exists(path):
        return ()
    found = []
    for one in _document(path).get("contradictions", ()):
        if not isinstance(one, dict) or set(one) != {"kind", "where", "cells", "says"}:
            raise DataError("a contradiction has kind, where, cells and says", where=str(path))
        found.append(Contradiction(one["kind"], one["where"], tuple(one["cells"]), one["says"]))
    return tuple(found)
