"""Comparing printed figures with recomputed ones, and refusing printed figures that cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headbench.errors import HeadbenchError
from headbench.guard.cells import Cell
from headbench.guard.recipes import Figures, recompute

Status = Literal["holds", "drifts", "absent", "printed only", "impossible", "error"]
FRACTIONS = frozenset(
    {"chair_s", "chair_i", "recall", "f1", "accuracy", "precision", "yes_ratio"}
    | {"agreement", "coverage"}
)
"""Metrics that are fractions, whatever the task; printed in 0..1 or in per cent."""


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
    """

    cell: Cell
    status: Status
    value: float | None = None
    drift: float | None = None
    reason: str = ""

    @property
    def fails(self) -> bool:
        """Whether this verdict fails a build."""
        return self.cell.fails and self.status in ("drifts", "impossible", "error")


def check_cells(cells: Sequence[Cell], data: Path | None) -> list[Verdict]:
    """Recompute what can be recomputed, and compare.

    Args:
        cells: Printed figures.
        data: Folder of third-party data; ``None``: only what needs no file is recomputed.

    Returns:
        One verdict a cell, in order.
    """
    known: dict[int, Figures | str | None] = {}
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
        verdicts.append(compare(cell, known[row]))
    return verdicts


def compare(cell: Cell, figures: Figures | str | None) -> Verdict:
    """One cell against the recomputed figures of its row (or why there are none)."""
    if figures is None:
        return Verdict(cell, "absent", reason="its recorded outputs are not in the data folder")
    if isinstance(figures, str):
        return Verdict(cell, "error", reason=figures)
    if cell.metric not in figures:
        return Verdict(cell, "error", reason=f"the recipe gives no {cell.metric!r}")
    value, unit = figures[cell.metric]
    if cell.table.percent and unit == "fraction":
        value *= 100
    drift = value - float(cell.printed)
    if cell.tolerance is None:
        # As papers print: Python rounds halves to even, and 36.25 is printed as 36.2.
        holds = f"{value:.{cell.digits}f}" == f"{float(cell.printed):.{cell.digits}f}"
        allowed = "the printed digits"
    else:
        holds = abs(drift) <= cell.tolerance + 1e-9
        allowed = f"a tolerance of {cell.tolerance:g}"
    if holds:
        return Verdict(cell, "holds", value, drift)
    return Verdict(cell, "drifts", value, drift, f"outside {allowed}")


def impossible(cell: Cell) -> str:
    """Why a printed figure cannot be, or the empty string.

    Fractions lie in 0..1 (or 0..100), counts are whole and not negative, ``n`` agrees with the
    row's, and F1 lies between precision and recall, where the row prints all three.
    """
    value, metric = float(cell.printed), cell.metric
    top = 100.0 if cell.table.percent else 1.0
    if metric in FRACTIONS and not 0 <= value <= top:
        return f"{metric} = {cell.printed} is outside 0..{top:g}"
    n = cell.row.n or cell.table.n
    if metric == "n" and n is not None and value != n:
        return f"n = {cell.printed}, but the table says {n}"
    if metric in ("tp", "fp", "tn", "fn") and (value < 0 or not value.is_integer()):
        return f"{metric} = {cell.printed} is no count"
    if metric == "f1":
        return _f1_identity(cell)
    return ""


def _f1_identity(cell: Cell) -> str:
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
