"""One card per table of a paper: its protocol, its rows, and differences to its own baseline."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from headbench.leaderboard.page import page_name
from headbench.results.paper_cells import (
    CONDITION,
    NOT_APPLICABLE,
    PROTOCOL,
    UNKNOWN,
    PaperCell,
)
from headbench.results.paper_comparable import difference, in_words

Label = tuple[str, ...]

FIELD_WORDS = {
    "n": "n",
    "image_set": "images",
    "prompt": "prompt",
    "chat_template": "chat template",
    "decoding": "decoding",
    "max_new_tokens": "max new tokens",
    "parser": "answer parser",
    "profile": "object synonyms",
    "judge": "judge",
    "seeds": "seeds",
    "context_tokens": "context",
    "iteration": "iteration",
    "depth": "depth",
    "layer": "layer",
    "head": "head (layer-head)",
}
"""Field -> what a reader calls it."""
UNIT_WORDS = {
    "percent": "percent", "fraction": "0 to 1", "points": "points", "count": "count",
    "tokens": "tokens", "bits": "bits", "nats": "nats", "perplexity": "perplexity",
    "score": "score", "correlation": "correlation", "ratio": "ratio",
    "unknown": "unit not recorded",
}  # fmt: skip
READ_WORDS = {
    "text": "read in the paper's text", "table": "read in the paper's table",
    "image": "read in an image of the paper's table", "figure": "read in a figure of the paper",
    "released_file": "from the authors' released files",
}  # fmt: skip
MOST_COLUMNS = 16


@dataclass(frozen=True)
class Chip:
    """One field of a card's protocol.

    Attributes:
        name: The field, in words.
        text: Its value, in words.
        unknown: Whether nobody knows it.
    """

    name: str
    text: str
    unknown: bool


@dataclass(frozen=True)
class Shown:
    """One figure in a card.

    Attributes:
        cell: The figure.
        difference: To the table's own baseline; empty where it has none.
        to: The baseline's row, as the paper calls it.
        effect: ``better``, ``worse``, ``equal`` or empty.
        marks: Numbers of the notes that it has.
    """

    cell: PaperCell
    difference: str
    to: str
    effect: str
    marks: tuple[int, ...]


@dataclass(frozen=True)
class Column:
    """A column of figures: its name, and what it does not share with the others."""

    label: str
    details: str


@dataclass(frozen=True)
class Row:
    """A row: what it is, and its figures by column."""

    labels: Label
    arm: str
    method: str | None
    role: str
    figures: tuple[tuple[Shown, ...], ...]


@dataclass(frozen=True)
class Card:
    """One table of one paper, as far as it belongs to one family.

    Attributes:
        anchor: Its element on the page.
        paper: The paper.
        arxiv: Its identifier.
        year: Of the identifier.
        table: The table.
        source: Where the figures were read, in words.
        model: The one model of the card; empty where rows name theirs.
        chips: The protocol that all figures share.
        labels: Headings of what rows say before the arm.
        columns: Headings of the figures.
        rows: Baselines first within each group.
        notes: What a reader must know, by number.
        differences: What the differences are to, in words; empty where there are none.
        subject: Task and metric, where all figures share them.
        cells: How many figures there are.
        facts: Field of the protocol -> every value that occurs, for comparing two cards.
    """

    anchor: str
    paper: str
    arxiv: str | None
    year: int | None
    table: str
    source: str
    model: str
    chips: tuple[Chip, ...]
    labels: Label
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[tuple[int, str], ...]
    differences: str
    subject: str
    cells: int
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def edited(self) -> bool:
        """Whether some row is no plain evaluation, so that roles say something."""
        return any(row.role not in ("baseline", "human", "ceiling") for row in self.rows)

    @property
    def several(self) -> bool:
        """Whether differences are to more than one row, so that each must name its own."""
        shown = (one for row in self.rows for figures in row.figures for one in figures)
        return len({one.to for one in shown if one.difference}) > 1


def cards(cells: Iterable[PaperCell], by_id: Mapping[str, PaperCell]) -> list[Card]:
    """The cards of one family, in order of year, paper and table.

    Args:
        cells: The family's cells, in their order.
        by_id: Every cell, for baselines.
    """
    tables: dict[tuple[str, str], list[PaperCell]] = defaultdict(list)
    for cell in cells:
        tables[cell.slug, cell.table].append(cell)
    return [_card(group, by_id) for group in tables.values()]


def card_anchor(cell: PaperCell) -> str:
    """The element of a cell's card."""
    part = cell.id.split("/")[1]
    whole = re.sub(r"[^a-z0-9]+", "-", cell.table.lower()).strip("-")
    # Ids hold long names of tables cut, so two tables may share what is left.
    return page_name("card", f"{cell.slug}-{part if part == whole else cell.table}")


Key = Callable[[PaperCell], Label]


def _card(cells: Sequence[PaperCell], by_id: Mapping[str, PaperCell]) -> Card:
    column_names, column_of = _columns(cells)
    row_names = _row_fields(cells, column_of)
    columns: dict[Label, list[PaperCell]] = defaultdict(list)
    rows: dict[tuple[Label, str, str], dict[Label, list[PaperCell]]] = {}
    groups: dict[Label, int] = {}
    for cell in cells:
        labels = tuple(_value(cell, name) for name in row_names)
        groups.setdefault(labels, len(groups))
        columns[column_of(cell)].append(cell)
        row = rows.setdefault((labels, cell.arm_printed, cell.role), defaultdict(list))
        row[column_of(cell)].append(cell)
    notes = _notes(cells)
    marks = {text: number for number, text in notes if number}
    order = sorted(
        rows, key=lambda one: (_group_of(one[0], row_names, groups), one[2] != "baseline")
    )
    made = [
        Row(
            labels,
            arm or "no edit",
            next(one.arm for group in rows[labels, arm, role].values() for one in group),
            role,
            tuple(
                tuple(_shown(cell, by_id, marks) for cell in rows[labels, arm, role].get(key, ()))
                for key in columns
            ),
        )
        for labels, arm, role in order
    ]
    first = cells[0]
    models = {cell.model for cell in cells}
    return Card(
        anchor=card_anchor(first),
        paper=first.paper,
        arxiv=first.arxiv,
        year=first.year,
        table=first.table,
        source=_source(cells),
        model=first.model if len(models) == 1 else "",
        chips=_chips(cells),
        labels=tuple(_FIELD_TITLES.get(name, FIELD_WORDS.get(name, name)) for name in row_names),
        columns=tuple(_column(key, group, column_names, cells) for key, group in columns.items()),
        rows=tuple(made),
        notes=notes,
        differences=_differences(cells, by_id),
        subject=_subject(cells),
        cells=len(cells),
        facts=_facts(cells),
    )


def _differences(cells: Sequence[PaperCell], by_id: Mapping[str, PaperCell]) -> str:
    """What the figures of a card are compared with, or why they are not."""
    names = dict.fromkeys(
        by_id[cell.baseline_id].arm_printed or "no edit" for cell in cells if cell.baseline_id
    )
    if len(names) == 1:
        return f"under a figure: its difference to the row {next(iter(names))!r}"
    if names:
        return "under a figure: its difference to the row that it names"
    if {cell.role for cell in cells} <= {"baseline", "human", "ceiling"}:
        return "nothing is edited"
    return "no unedited row of the same protocol in this table"


def _subject(cells: Sequence[PaperCell]) -> str:
    """Task, setting, metric and unit, as far as all cells share them."""
    parts = [
        _value(cells[0], name)
        for name in ("task", "setting", "metric_printed")
        if len({getattr(cell, name) for cell in cells}) == 1 and getattr(cells[0], name)
    ]
    return ", ".join([*parts, *([_measure(cells)] if _measure(cells) else [])])


def _measure(cells: Sequence[PaperCell]) -> str:
    """Unit and better direction, where all cells share them."""
    pairs = {(cell.unit, cell.direction) for cell in cells}
    if len(pairs) > 1:
        return ""
    ((unit, direction),) = pairs
    return UNIT_WORDS[unit] + ("" if direction == "neither" else f", {direction} is better")


_FIELD_TITLES = {"metric_printed": "metric"}
_SUBJECT = ("model", "task", "setting", "metric_printed")


def _value(cell: PaperCell, name: str) -> str:
    if name in PROTOCOL:
        return in_words(cell.protocol[name])
    if name in CONDITION:
        return str(cell.condition.get(name, ""))
    if name == "task":
        return cell.task.replace("_", " ")
    return str(getattr(cell, name))


def _columns(cells: Sequence[PaperCell]) -> tuple[Label, Key]:
    """Which fields make the columns: what the table itself most likely puts there."""
    for name in ("context_tokens", "iteration"):
        if len({cell.condition.get(name) for cell in cells}) > 2:
            return (name,), _by(name)
    pairs = {(cell.task, cell.metric_printed) for cell in cells}
    triples = {(cell.task, cell.metric_printed, cell.setting) for cell in cells}
    settings = {cell.setting for cell in cells}
    # A setting that crosses with metrics belongs to rows; one with columns of its own does not.
    crossed = len(triples) / len(settings) >= 1.5 or len(triples) > MOST_COLUMNS
    names: Label = ("task", "metric_printed") if crossed else ("task", "metric_printed", "setting")
    if len(pairs) > 2 * MOST_COLUMNS:
        names = ("metric_printed",)
    return names, _by(*names)


def _by(*names: str) -> Key:
    return lambda cell: tuple(_value(cell, name) for name in names)


def _row_fields(cells: Sequence[PaperCell], column_of: Key) -> Label:
    """Fields that rows must say: those that vary, and do not follow from the column."""
    by_column: dict[Label, list[PaperCell]] = defaultdict(list)
    for cell in cells:
        by_column[column_of(cell)].append(cell)
    return tuple(
        name
        for name in (*_SUBJECT, *CONDITION, *PROTOCOL)
        if any(len({_value(cell, name) for cell in group}) > 1 for group in by_column.values())
    )


def _group_of(labels: Label, names: Label, groups: Mapping[Label, int]) -> int:
    """Rows stay together by what is measured; decoding and the like do not part them."""
    keep = [place for place, name in enumerate(names) if name not in PROTOCOL]
    same = [labels[place] for place in keep]
    return min(at for other, at in groups.items() if [other[place] for place in keep] == same)


def _column(
    key: Label, group: Sequence[PaperCell], names: Label, all_cells: Sequence[PaperCell]
) -> Column:
    first = group[0]
    several = {name for name in names if len({_value(cell, name) for cell in all_cells}) > 1}
    parts = [
        f"{FIELD_WORDS[name]} {text}" if name in CONDITION else text
        for name, text in zip(names, key, strict=True)
        if text and name in several
    ]
    label = ", ".join(parts) or first.metric_printed
    measure = _measure(group) or "units differ by row"
    details = [
        f"{FIELD_WORDS[name]} {_value(first, name)}"
        for name in PROTOCOL
        if len({_value(cell, name) for cell in group}) == 1
        and len({_value(cell, name) for cell in all_cells}) > 1
        and first.protocol[name] != NOT_APPLICABLE
    ]
    return Column(label, "; ".join([*([] if _measure(all_cells) else [measure]), *details]))


def _chips(cells: Sequence[PaperCell]) -> tuple[Chip, ...]:
    chips = []
    for name in PROTOCOL:
        values = {cell.protocol[name] for cell in cells}
        if values == {NOT_APPLICABLE}:
            continue
        if len(values) == 1:
            (value,) = values
            chips.append(Chip(FIELD_WORDS[name], in_words(value), value in UNKNOWN))
        else:
            some = ", not recorded for some" if values & UNKNOWN else ""
            chips.append(Chip(FIELD_WORDS[name], f"differs by row or column{some}", bool(some)))
    return tuple(chips)


def _facts(cells: Sequence[PaperCell]) -> dict[str, tuple[str, ...]]:
    """What two cards are compared by; an empty text stands for the unknown."""
    found = {}
    for name in ("model", "task", "setting", "metric_printed", *CONDITION):
        found[_FIELD_TITLES.get(name, FIELD_WORDS.get(name, name))] = _distinct(
            _value(cell, name) or "none" for cell in cells
        )
    for name in PROTOCOL:
        found[FIELD_WORDS[name]] = _distinct(
            "" if cell.protocol[name] in UNKNOWN else in_words(cell.protocol[name])
            for cell in cells
        )
    return found


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _source(cells: Sequence[PaperCell]) -> str:
    read = " and ".join(dict.fromkeys(READ_WORDS[cell.read_from] for cell in cells))
    return f"{read}, grade {' and '.join(_distinct(cell.grade for cell in cells))}"


def _notes(cells: Sequence[PaperCell]) -> tuple[tuple[int, str], ...]:
    """Notes by number; 0 where a note holds for the whole card. Spreads are explained with them."""
    counts: dict[str, int] = {}
    for cell in cells:
        if cell.note:
            counts[cell.note] = counts.get(cell.note, 0) + 1
    whole = [(0, text) for text, times in counts.items() if times == len(cells)]
    single = [text for text, times in counts.items() if times < len(cells)]
    numbered = list(enumerate(single, 1))
    kinds = dict.fromkeys(_spread_words(cell) for cell in cells if cell.spread)
    return (*((0, text) for text in kinds), *whole, *numbered)


def _spread_words(cell: PaperCell) -> str:
    spread = cell.spread
    if spread is None:
        return ""
    kind = {"sd": "standard deviation", "se": "standard error", "ci": "half of a 95 % interval"}
    over = "" if spread.over == "not_stated" else f" over {spread.k or ''} {spread.over}"
    return f"\N{PLUS-MINUS SIGN}: {kind.get(spread.kind, 'kind not stated')}{over}".replace(
        "  ", " "
    )


def _shown(cell: PaperCell, by_id: Mapping[str, PaperCell], marks: Mapping[str, int]) -> Shown:
    base = by_id.get(cell.baseline_id or "")
    number = (marks[cell.note],) if cell.note in marks else ()
    if base is None:
        return Shown(cell, "", "", "", number)
    text = difference(cell, base)
    change = cell.number - base.number
    if change == 0:
        effect = "equal"
    elif cell.direction == "neither":
        effect = ""
    else:
        effect = "better" if (change > 0) == (cell.direction == "higher") else "worse"
    shown = text.replace("-", "\N{MINUS SIGN}")
    if not change:
        shown = text.lstrip("+-")
    return Shown(cell, shown, base.arm_printed or "no edit", effect, number)
