"""The views that a family asks for, as numbers that a template draws.

No family is named here: ``Family.views`` says what a view shows, by metrics and parts of records.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headbench.errors import ConfigError
from headbench.leaderboard.cells import ShownCell, ShownRow
from headbench.leaderboard.links import cell_anchor
from headbench.nouns import Record
from headbench.results.schema import Estimate, Result
from headbench.scoring import breakdown, family, lookup
from headbench.scoring.views import View
from headbench.statistics.metric import Metric

MOST_GROUPS = 40
"""Values of a part beyond which it is no split but a number: it then needs bins."""
OPEN = 3
"""Drawings that are open at first; the others are one click away."""


@dataclass(frozen=True)
class Heat:
    """A heat map: ``cells[row][column]`` is a value, or ``None``, and its n."""

    name: str
    page: str
    anchor: str
    cells: tuple[tuple[tuple[float | None, int], ...], ...]
    change: tuple[tuple[tuple[float | None, int], ...], ...] = ()
    """Difference to the unedited model; empty for that model itself."""


@dataclass(frozen=True)
class Line:
    """A line of a table: a condition, perhaps a group of its records, and figures."""

    name: str
    page: str
    anchor: str
    group: str
    n: int
    values: tuple[float | None, ...]
    baseline: bool = False


@dataclass(frozen=True)
class Drawn:
    """A view of one task on one model, ready to draw.

    Attributes:
        view: What the family asked for.
        heats: For ``grid``: the unedited model first.
        rows, columns: Labels of a ``grid``.
        lines: For the other shapes, the unedited model first.
        heads: Names of the lines' figures.
        units: Their units.
        open: How many heat maps beside the unedited one are open at first.
    """

    view: View
    heats: tuple[Heat, ...] = ()
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    heads: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    open: int = OPEN

    def axis(self, place: int) -> tuple[float, float]:
        """Ends of an axis that holds one figure of every line."""
        values = [line.values[place] for line in self.lines]
        known = [value for value in values if value is not None]
        if not known:
            return (0.0, 1.0)
        low, high = min(known), max(known)
        room = 0.06 * (high - low) or 0.05
        return (low - room, high + room)


def drawn(row: ShownRow) -> Iterator[Drawn]:
    """The views of a task on a model, the conditions of one baseline."""
    figure = row.baseline.main
    if figure is None:
        return
    shown = [row.baseline, *(cell for cell in row.cells.values() if cell.status == "ok")]
    for view in family.views(figure.metric):
        made = _draw(view, row.result, shown)
        if made is not None:
            yield made


def undrawn(row: ShownRow) -> tuple[View, ...]:
    """Views of the row's metrics whose parts none of its records has: silence would hide them."""
    figure = row.baseline.main
    if figure is None or row.result.kind != "measured":
        return ()
    figures = _by_registry(row.result)
    return tuple(
        view
        for view in family.views(figure.metric)
        if view.parts
        and view.metrics[0] in figures
        and not any(part in record.parts for part in view.parts for record in row.baseline.records)
    )


def _draw(view: View, base: Result, shown: Sequence[ShownCell]) -> Drawn | None:
    figures = _by_registry(base)
    if view.metrics[0] not in figures:
        return None
    if view.shape in ("plane", "band"):
        return _levels(view, shown)
    metrics = [lookup.metric(name) for name in view.metrics]
    try:
        if view.shape == "grid":
            return _grid(view, metrics[0], shown)
        return _split(view, metrics, shown)
    except ConfigError:  # records of this task lack the part: there is nothing to split
        return None


def _by_registry(result: Result) -> dict[str, Estimate]:
    return {one.metric: one for one in result.metrics.values()}


def _place(cell: ShownCell) -> tuple[str, str, str]:
    return cell.result.arm.name, cell.page, cell_anchor(cell.result)


# ------------------------------------------------------------------ heat maps


def _grid(view: View, metric: Metric, shown: Sequence[ShownCell]) -> Drawn | None:
    if len(shown) < 2:  # nothing stands beside it
        return None
    tables = [breakdown.grid(metric, cell.records, *view.parts) for cell in shown]
    rows = _ordered({row for table in tables for row in table})
    columns = _ordered({one for table in tables for row in table.values() for one in row})
    if not rows or len(rows) > MOST_GROUPS or len(columns) > MOST_GROUPS:
        return None
    heats = []
    first: tuple[tuple[tuple[float | None, int], ...], ...] = ()
    for cell, table in zip(shown, tables, strict=True):
        cells = tuple(tuple(_value(table.get(row, {}).get(one)) for one in columns) for row in rows)
        change = _less(cells, first) if first else ()
        first = first or cells
        heats.append(Heat(*_place(cell), cells, change))
    # What moves most comes first; ties keep the order of their names.
    others = sorted(heats[1:], key=lambda heat: (-_moved(heat), heat.name))
    labels = tuple(map(_label, rows)), tuple(map(_label, columns))
    return Drawn(view, (heats[0], *others), *labels)


def _value(found: breakdown.GroupValue | None) -> tuple[float | None, int]:
    if found is None or math.isnan(found.value):
        return (None, found.n if found else 0)
    return (found.value, found.n)


def _less(
    cells: tuple[tuple[tuple[float | None, int], ...], ...],
    base: tuple[tuple[tuple[float | None, int], ...], ...],
) -> tuple[tuple[tuple[float | None, int], ...], ...]:
    return tuple(
        tuple(
            (None if here is None or there is None else here - there, n)
            for (here, n), (there, _) in zip(one, two, strict=True)
        )
        for one, two in zip(cells, base, strict=True)
    )


def _moved(heat: Heat) -> float:
    return sum(abs(value) for row in heat.change for value, _ in row if value is not None)


# ------------------------------------------------------------------ lines


def _split(view: View, metrics: Sequence[Metric], shown: Sequence[ShownCell]) -> Drawn | None:
    lines: list[Line] = []
    for cell in shown:
        records = cell.records
        groups = _groups(view, records)
        if len(groups) > MOST_GROUPS:
            return None
        if view.shape == "counts":
            shares = tuple(len(members) / len(records) for members in groups.values())
            lines.append(Line(*_place(cell), "", len(records), shares, cell is shown[0]))
            continue
        for group, members in groups.items():
            values = tuple(_finite(metric.of(members)) for metric in metrics)
            lines.append(Line(*_place(cell), group, len(members), values, cell is shown[0]))
    if view.shape == "counts":
        heads = tuple(f"{_label(value)} right" for value, _ in view.chance)
        return Drawn(view, lines=tuple(lines), heads=heads, units=("fraction",) * len(heads))
    units = tuple(metric.unit for metric in metrics)
    return Drawn(view, lines=tuple(lines), heads=_short(view.metrics), units=units)


def _groups(view: View, records: Sequence[Record]) -> dict[str, list[Record]]:
    (part,) = view.parts
    found = breakdown.groups(records, part)
    if view.shape == "counts":
        kept = {key[0]: members for key, members in found.items()}
        return {_label(value): kept.get(value, []) for value, _ in view.chance}
    if not view.bins:
        return {_label(key[0]): members for key, members in found.items()}
    binned: dict[str, list[Record]] = {}
    low = 0.0
    for high in view.bins:
        members = [
            one
            for (key,), group in found.items()
            if isinstance(key, int | float) and (low < key <= high or key == low == 0.0)
            for one in group
        ]
        binned[f"{_label(low)} to {_label(high)}"] = members
        low = high
    return {name: members for name, members in binned.items() if members}


def _levels(view: View, shown: Sequence[ShownCell]) -> Drawn | None:
    known = _by_registry(shown[0].result)
    metrics = [name for name in view.metrics if name in known]
    if len(metrics) < (3 if view.shape == "band" else 2) or len(shown) < 2:
        return None
    lines = []
    for cell in shown:
        figures = _by_registry(cell.result)
        values = tuple(
            _finite(figures[name].value) if name in figures else None for name in metrics
        )
        n = figures[metrics[0]].n if metrics[0] in figures else 0
        lines.append(Line(*_place(cell), "", n, values, cell is shown[0]))
    units = tuple(known[name].unit for name in metrics)
    return Drawn(view, lines=tuple(lines), heads=_short(metrics), units=units)


# ------------------------------------------------------------------ words


def _short(metrics: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.rpartition(".")[2] for name in metrics)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _ordered(keys: set[breakdown.Key]) -> list[breakdown.Key]:
    return sorted(keys, key=lambda key: (isinstance(key, str), key))


def _label(key: breakdown.Key) -> str:
    return key if isinstance(key, str) else f"{key:,.6g}"
