"""``headbench guard``: check results against published and pinned numbers."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headbench._reading import user_path
from headbench.cli.printing import say, show_table

if TYPE_CHECKING:
    from headbench.guard.pins import Pin, Pins
    from headbench.guard.printed_figures import Verdict
    from headbench.guard.stored_results import Fault


def guard(
    results: Annotated[
        Path, typer.Option(help="Folder with published/, pins/, rescored/ and measured/.")
    ] = Path("results"),
    data: Annotated[
        Path | None, typer.Option(help="Folder of third-party data; default: HEADBENCH_DATA.")
    ] = None,
    without_data: Annotated[
        bool,
        typer.Option(
            "--without-data", help="Let cells pass when their recorded outputs are absent."
        ),
    ] = False,
    include: Annotated[
        list[Path] | None,
        typer.Option(help="File or folder of your own tasks and families; repeat it."),
    ] = None,
    at_least: Annotated[
        int, typer.Option(min=0, help="Fail if fewer published cells were recomputed.")
    ] = 0,
    pin: Annotated[
        bool, typer.Option("--pin", help="Store the version and prompt hash of every task.")
    ] = False,
    golden: Annotated[
        bool,
        typer.Option("--golden", help="Run measured/runs.yaml and store its results as golden."),
    ] = False,
    hold: Annotated[bool, typer.Option("--hold", hidden=True)] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure the golden results again and compare.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Also show what passes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Recompute published cells, check pinned prompts and stored results; exit 1 on drift."""
    from headbench import _extensions
    from headbench.guard.paper_cell_structure import check_papers
    from headbench.guard.pins import check_pins, current, read_pins, write_pins
    from headbench.guard.printed_figures import check_cells
    from headbench.guard.published_cells import load_cells, load_pinned
    from headbench.guard.stored_results import check_stored

    _extensions.include(include or [])
    named = os.environ.get("HEADBENCH_DATA", "")
    folder = data or (user_path(named) if named else None)
    pins_file = results / "pins" / "prompts.json"
    if pin:
        write_pins(pins_file, current(include or [])[0])
    pinned = read_pins(pins_file)
    if hold:
        say(
            "--hold is now called --golden; the old name will be removed in the next release",
            err=True,
        )
    again, moved = _measured(results, pinned, golden=golden or hold, measure=measure)
    stored, faults = check_stored(results)
    printed, broken = check_papers(results / "published" / "cells")
    found = Found(
        tuple(check_cells(load_cells(results / "published"), folder, without_data=without_data)),
        tuple(check_cells(load_pinned(results / "pins"), folder, without_data=without_data)),
        tuple(check_pins(pinned, include or [])),
        (*faults, *moved, *broken),
        stored,
        again,
        printed,
    )
    if as_json:
        import json

        say(json.dumps(document(found), indent=2, allow_nan=False))
    else:
        show(found, every=every)
        say(_summary(found))
        if found.recomputed < at_least:
            say(f"only {found.recomputed} cells were recomputed, at least {at_least} must be")
    raise typer.Exit(1 if found.fails or found.recomputed < at_least else 0)


@dataclass(frozen=True)
class Found:
    """Everything the guard found.

    Attributes:
        verdicts: One per published cell.
        figures: One per pinned figure: our own, printed nowhere.
        pins: One per task.
        faults: What is wrong with stored results and with files of printed cells.
        stored: How many stored results there are.
        again: How many golden measurements were made again; ``None``: that was not asked for.
        printed: How many cells of papers there are that nobody recomputes.
    """

    verdicts: tuple[Verdict, ...]
    figures: tuple[Verdict, ...]
    pins: tuple[Pin, ...]
    faults: tuple[Fault, ...]
    stored: int
    again: int | None
    printed: int

    @property
    def recomputed(self) -> int:
        """Published cells that were recomputed."""
        return sum(one.status in ("holds", "drifts") for one in self.verdicts)

    @property
    def fails(self) -> bool:
        """Whether anything fails a build."""
        drifts = any(one.fails for one in (*self.verdicts, *self.figures))
        return drifts or any(one.fails for one in self.pins) or bool(self.faults)


def _measured(
    results: Path, pinned: Pins, *, golden: bool, measure: bool
) -> tuple[int | None, list[Fault]]:
    """Store golden results, or measure them again; always check that they are current."""
    from headbench.guard.golden import check_golden, make_golden, remeasure

    if golden:
        for path in make_golden(results):
            say(f"golden: {path}", err=True)
    again, faults = remeasure(results) if measure else (None, [])
    return again, [*faults, *check_golden(results, pinned)]


def document(found: Found) -> dict[str, object]:
    """Everything the guard found, as JSON values."""
    return {
        "cells": [_as_json(one) for one in found.verdicts],
        "figures": [_as_json(one) | {"fitted": one.cell.row.fitted} for one in found.figures],
        "printed": found.printed,
        "pins": [
            {"task": pin.task, "status": pin.status, "reason": pin.reason} for pin in found.pins
        ],
        "stored": {
            "results": found.stored,
            "made_again": found.again,
            "faults": [{"file": str(one.path), "reason": one.reason} for one in found.faults],
        },
    }


def _as_json(one: Verdict) -> dict[str, object]:
    return {
        "paper": one.cell.file,
        "arxiv": one.cell.paper.arxiv,
        "cell": one.cell.name,
        "grade": one.cell.table.grade,
        "printed": one.cell.printed,
        "recomputed": one.value,
        "drift": one.drift,
        "status": one.status,
        "reason": one.reason,
        "not_stated": list(one.unstated),
    }


def show(found: Found, *, every: bool) -> None:
    """Print the tables of drift: failures only, or everything."""
    _show_verdicts("published cells", "printed", found.verdicts, every=every)
    _show_verdicts("pinned figures of our own", "pinned", found.figures, every=every)
    for pin in found.pins:
        if pin.status != "holds":
            say(f"task {pin.task}: {pin.status}: {pin.reason}")
    for fault in found.faults:
        say(f"{fault.path}: {fault.reason}")


def _show_verdicts(title: str, given: str, verdicts: tuple[Verdict, ...], *, every: bool) -> None:
    shown = [one for one in verdicts if every or one.status in ("drifts", "impossible", "error")]
    if not shown:
        return
    rows = []
    for one in shown:
        value = "" if one.value is None else f"{one.value:.{one.cell.digits + 2}f}"
        drift = "" if one.drift is None else f"{one.drift:+.{one.cell.digits + 2}f}"
        status = f"{one.status}: {one.reason}" if one.reason else one.status
        if one.unstated:
            status += f" (not stated: {', '.join(one.unstated)})"
        if one.cell.row.fitted:
            status += f" (fitted: {one.cell.row.fitted})"
        rows.append((one.cell.file, one.cell.name, one.cell.printed, value, drift, status))
    show_table(
        [
            *(("paper", "left"), ("cell", "left"), (given, "right")),
            *(("recomputed", "right"), ("drift", "right"), ("status", "left")),
        ],
        rows,
        title=title,
    )


def _summary(found: Found) -> str:
    cells: Counter[str] = Counter(one.status for one in found.verdicts)
    tasks: Counter[str] = Counter(pin.status for pin in found.pins)
    again = "" if found.again is None else f", {found.again} of them made again"
    ours: Counter[str] = Counter(one.status for one in found.figures)
    fitted = sum(one.cell.row.fitted is not None for one in found.figures)
    every = (*found.verdicts, *found.figures)
    missing = sum(one.fails for one in every if one.status == "absent")
    lacking = (
        f"{missing} figures fail because their recorded outputs are absent: give their folder with "
        "--data or HEADBENCH_DATA, or accept this with --without-data"
    )
    return "\n".join(
        (
            f"{len(found.verdicts)} published cells: {_counts(cells)}",
            f"{len(found.figures)} pinned figures of our own, {fitted} of them "
            f"by a fitted definition: {_counts(ours)}",
            *([lacking] if missing else []),
            f"{len(found.pins)} tasks: {_counts(tasks)}",
            f"{found.printed:,} cells of papers were read, which nobody recomputes",
            f"{found.stored} stored results{again}: {len(found.faults)} faults",
        )
    )


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items())) or "none"
