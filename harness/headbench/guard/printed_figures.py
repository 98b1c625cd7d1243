"""Comparing printed figures with recomputed ones, and refusing printed figures that cannot be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headbench.errors import HeadbenchError
from headbench.guard.comparability import differences, unstated
from headbench.guard.published_cells import PublishedCell
from headbench.guard.recomputing import recompute
from headbench.results.recipe import Facts, Figures, Recomputed
from headbench.scoring import lookup

Status = Literal["holds", "drifts", "absent", "printed only", "impossible", "error"]
OF_RECIPES = frozenset({"agreement", "coverage"})
"""Fractions, 0..1, that are no metric: recipes and rescoring give them beside the metrics."""


@dataclass(frozen=True)
class Verdict:
    """What became of one cell.

    Attributes:
        cell: The printed figure.
        status: ``holds``; ``drifts``; ``absent``: its recorded outputs are not here;
            ``printed only``: it has no recipe; ``impossible``; ``error``: the recipe failed.
        value: The recomputed figure in printed units.
        drift: ``value`` minus the printed figure.
        reason: For what did not hold.
        unstated: What the recorded outputs know and the cell does not state, e.g. ``n``.
        expected: Whether there is a data folder in which the outputs should be.
    """

    cell: PublishedCell
    status: Status
    value: float | None = None
    drift: float | None = None
    reason: str = ""
    unstated: tuple[str, ...] = ()
    expected: bool = True

    @property
    def fails(self) -> bool:
        """Whether this verdict fails a build: outputs that are not there do not pass."""
        bad = self.status in ("drifts", "impossible", "error")
        return self.cell.fails and (bad or (self.status == "absent" and self.expected))


def check_cells(
    cells: Sequence[PublishedCell], data: Path | None, *, without_data: bool = False
) -> list[Verdict]:
    """Recompute what can be recomputed, and compare.

    Args:
        cells: Printed figures.
        data: Folder of third-party data; ``None``: only what needs no file is recomputed.
        without_data: Absent outputs fail nothing.

    Returns:
        One verdict per cell, in order.
    """
    known: dict[int, Recomputed | str | None] = {}
    verdicts = []
    for cell in cells:
        problem = impossible(cell)
        if problem:
            verdicts.append(Verdict(cell, "impossible", reason=problem))
            continue
        if cell.row.recipe is None:
            verdicts.append(Verdict(cell, "printed only"))
            continue
        row = id(cell.row)
        if row not in known:
            try:
                known[row] = recompute(cell.row.recipe, cell.table, data)
            except HeadbenchError as error:
                known[row] = str(error)
        found = known[row]
        if found is None:
            verdicts.append(_absent(cell, data, without_data))
        elif isinstance(found, str):
            verdicts.append(compare(cell, found))
        else:
            verdicts.append(compare(cell, found.figures, found.facts))
    return verdicts


def _absent(cell: PublishedCell, data: Path | None, without_data: bool) -> Verdict:
    reason = f"its recorded outputs are not in {data}" if data else "there is no data folder"
    return Verdict(cell, "absent", reason=reason, expected=not without_data)


def compare(
    cell: PublishedCell, figures: Figures | str | None, facts: Facts | None = None
) -> Verdict:
    """One cell against the recomputed figures of its row (or why there are none).

    Args:
        cell: The printed figure.
        figures: What was recomputed.
        facts: What it speaks of; where that is not what the cell speaks of, the cell drifts.
            ``None``: only the figures are compared.
    """
    if figures is None:
        return _absent(cell, None, without_data=True)
    if isinstance(figures, str):
        return Verdict(cell, "error", reason=figures)
    if cell.metric not in figures:
        return Verdict(cell, "error", reason=f"the recipe gives no {cell.metric!r}")
    value, unit = figures[cell.metric]
    if cell.table.percent and unit == "fraction":
        value *= 100
    drift = value - float(cell.printed)
    silent = unstated(cell, facts) if facts else ()
    other = "; ".join(differences(cell, facts)) if facts else ""
    if other:
        return Verdict(cell, "drifts", value, drift, other, silent)
    if cell.tolerance is None:
        # As papers print: Python rounds halves to even, and 36.25 is printed as 36.2.
        holds = f"{value:.{cell.digits}f}" == f"{float(cell.printed):.{cell.digits}f}"
        allowed = "the printed digits"
    else:
        holds = abs(drift) <= cell.tolerance + 1e-9
        allowed = f"a tolerance of {cell.tolerance:g}"
    if holds:
        return Verdict(cell, "holds", value, drift, unstated=silent)
    return Verdict(cell, "drifts", value, drift, f"outside {allowed}", silent)


def impossible(cell: PublishedCell) -> str:
    """Why a printed figure cannot be, or the empty string.

    Values lie in their metric's range (fractions in 0..1 or 0..100), counts are whole, ``n`` agrees
    with the row's, and F1 lies between precision and recall, where the row prints all three.
    """
    value, metric = float(cell.printed), cell.metric
    for unit, low, high in _ranges(metric):
        scale = 100.0 if cell.table.percent and unit == "fraction" else 1.0
        least = -math.inf if low is None else low * scale
        most = math.inf if high is None else high * scale
        if not least <= value <= most:
            return f"{metric} = {cell.printed} is outside {least:g}..{most:g}"
        if unit == "count" and not value.is_integer():
            return f"{metric} = {cell.printed} is no count"
    if metric == "n" and isinstance(cell.n, int) and value != cell.n:
        return f"n = {cell.printed}, but the table says {cell.n}"
    if metric == "f1":
        return _f1_identity(cell)
    return ""


def _ranges(name: str) -> Iterator[tuple[str, float | None, float | None]]:
    """Unit, least and greatest value of every metric that is called so for short."""
    if name in OF_RECIPES:
        yield "fraction", 0.0, 1.0
    for full in lookup.metric_names():
        if name in (full, full.partition(".")[2]):
            found = lookup.metric(full)
            yield found.unit, found.low, found.high


def _f1_identity(cell: PublishedCell) -> str:
    """F1 against precision and recall, both known to half a printed digit."""
    row = cell.row.cells
    if "precision" not in row or "recall" not in row:
        return ""
    half = 0.5 * 10.0**-cell.digits
    precision, recall, f1 = (float(row[name]) for name in ("precision", "recall", "f1"))
    low = _harmonic(precision - half, recall - half) - half
    high = _harmonic(precision + half, recall + half) + half
    slack = cell.tolerance or 1e-9
    if low - slack <= f1 <= high + slack:
        return ""
    exact = _harmonic(precision, recall)
    return f"f1 = {row['f1']}, but precision and recall make it {exact:.{cell.digits}f}"


def _harmonic(one: float, other: float) -> float:
    return 2 * one * other / (one + other) if one + other > 0 else 0.0
