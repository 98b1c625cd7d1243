"""``headbench guard``: do results still say what published and pinned numbers say?"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from headbench.guard.pins import Pin
    from headbench.guard.published import Verdict
    from headbench.guard.stored import Fault


def guard(
    results: Annotated[
        Path, typer.Option(help="Folder with published/, pins/, rescored/ and measured/.")
    ] = Path("results"),
    data: Annotated[
        Path | None, typer.Option(help="Third-party data; else the folder HEADBENCH_DATA names.")
    ] = None,
    include: Annotated[Path | None, typer.Option(help="A further folder of tasks.")] = None,
    at_least: Annotated[
        int, typer.Option(min=0, help="Fail if fewer published cells were recomputed.")
    ] = 0,
    pin: Annotated[bool, typer.Option("--pin", help="Write down today's prompts.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Show what holds, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Recompute published cells, check pinned prompts and stored results; exit 1 on drift."""
    from headbench.guard.cells import load_cells
    from headbench.guard.pins import check_pins, current, read_pins, write_pins
    from headbench.guard.published import check_cells
    from headbench.guard.stored import check_stored

    named = os.environ.get("HEADBENCH_DATA", "")
    folder = data or (Path(named).expanduser() if named else None)
    pins_file = results / "pins" / "prompts.json"
    if pin:
        write_pins(pins_file, current(include)[0])
    verdicts = check_cells(load_cells(results / "published"), folder)
    pins = check_pins(read_pins(pins_file), include)
    stored, faults = check_stored(results)
    recomputed = sum(one.status in ("holds", "drifts") for one in verdicts)
    failed = (
        any(one.fails for one in verdicts)
        or any(one.fails for one in pins)
        or bool(faults)
        or recomputed < at_least
    )
    if as_json:
        import json

        typer.echo(json.dumps(document(verdicts, pins, faults, stored), indent=2, allow_nan=False))
    else:
        show(verdicts, pins, faults, every=every)
        typer.echo(_summary(verdicts, pins, faults, stored))
        if recomputed < at_least:
            typer.echo(f"only {recomputed} cells were recomputed, at least {at_least} must be")
    raise typer.Exit(1 if failed else 0)


def document(
    verdicts: Sequence[Verdict], pins: Sequence[Pin], faults: Sequence[Fault], stored: int
) -> dict[str, object]:
    """Everything the guard found, as JSON values."""
    return {
        "cells": [
            {
                "paper": one.cell.file,
                "arxiv": one.cell.paper.arxiv,
                "cell": one.cell.name,
                "grade": one.cell.table.grade,
                "printed": one.cell.printed,
                "recomputed": one.value,
                "drift": one.drift,
                "status": one.status,
                "reason": one.reason,
            }
            for one in verdicts
        ],
        "pins": [{"task": pin.task, "status": pin.status, "reason": pin.reason} for pin in pins],
        "stored": {
            "results": stored,
            "faults": [{"file": str(fault.path), "reason": fault.reason} for fault in faults],
        },
    }


def show(
    verdicts: Sequence[Verdict], pins: Sequence[Pin], faults: Sequence[Fault], *, every: bool
) -> None:
    """Print the table of drift: what does not hold, or everything."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = [one for one in verdicts if every or one.status in ("drifts", "impossible", "error")]
    if shown:
        table = Table(box=box.SIMPLE, pad_edge=False, title="published cells", title_justify="left")
        for column in ("paper", "cell", "printed", "recomputed", "drift", "status"):
            right = column in ("printed", "recomputed", "drift")
            table.add_column(column, justify="right" if right else "left")
        for one in shown:
            value = "" if one.value is None else f"{one.value:.{one.cell.digits + 2}f}"
            drift = "" if one.drift is None else f"{one.drift:+.{one.cell.digits + 2}f}"
            status = f"{one.status}: {one.reason}" if one.reason else one.status
            table.add_row(one.cell.file, one.cell.name, one.cell.printed, value, drift, status)
        Console().print(table)
    for pin in pins:
        if pin.status != "holds":
            typer.echo(f"task {pin.task}: {pin.status}: {pin.reason}")
    for fault in faults:
        typer.echo(f"result {fault.path}: {fault.reason}")


def _summary(
    verdicts: Sequence[Verdict], pins: Sequence[Pin], faults: Sequence[Fault], stored: int
) -> str:
    cells: Counter[str] = Counter(one.status for one in verdicts)
    tasks: Counter[str] = Counter(pin.status for pin in pins)
    parts = [
        f"{len(verdicts)} published cells: " + _counts(cells),
        f"{len(pins)} tasks: " + _counts(tasks),
        f"{stored} stored results: {len(faults)} faults",
    ]
    return "\n".join(parts)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items())) or "none"
