"""``headbench guard``: do results still say what published and pinned numbers say?"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from headbench.guard.pins import Pin, Pins
    from headbench.guard.published import Verdict
    from headbench.guard.stored_results import Fault


def guard(
    results: Annotated[
        Path, typer.Option(help="Folder with published/, pins/, rescored/ and measured/.")
    ] = Path("results"),
    data: Annotated[
        Path | None, typer.Option(help="Third-party data; else the folder HEADBENCH_DATA names.")
    ] = None,
    without_data: Annotated[
        bool,
        typer.Option("--without-data", help="Let cells pass whose recorded outputs are absent."),
    ] = False,
    include: Annotated[
        list[Path] | None,
        typer.Option(help="A further folder of tasks, or a file or folder with your own families."),
    ] = None,
    at_least: Annotated[
        int, typer.Option(min=0, help="Fail if fewer published cells were recomputed.")
    ] = 0,
    pin: Annotated[bool, typer.Option("--pin", help="Write down today's prompts.")] = False,
    golden: Annotated[
        bool,
        typer.Option("--golden", help="Run measured/runs.yaml; what it gives becomes golden."),
    ] = False,
    hold: Annotated[bool, typer.Option("--hold", hidden=True)] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Make the golden measurements again and compare.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Show what holds, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Recompute published cells, check pinned prompts and stored results; exit 1 on drift."""
    from headbench import _extensions
    from headbench.guard.pins import check_pins, current, read_pins, write_pins
    from headbench.guard.published import check_cells
    from headbench.guard.published_cells import load_cells
    from headbench.guard.stored_results import check_stored

    _extensions.include(include or [])
    named = os.environ.get("HEADBENCH_DATA", "")
    folder = data or (Path(named).expanduser() if named else None)
    pins_file = results / "pins" / "prompts.json"
    if pin:
        write_pins(pins_file, current(include or [])[0])
    pinned = read_pins(pins_file)
    if hold:
        typer.echo("--hold is now called --golden; it goes with the next release", err=True)
    again, moved = _measured(results, pinned, golden=golden or hold, measure=measure)
    stored, faults = check_stored(results)
    found = Found(
        tuple(check_cells(load_cells(results / "published"), folder, without_data=without_data)),
        tuple(check_pins(pinned, include or [])),
        (*faults, *moved),
        stored,
        again,
    )
    if as_json:
        import json

        typer.echo(json.dumps(document(found), indent=2, allow_nan=False))
    else:
        show(found, every=every)
        typer.echo(_summary(found))
        if found.recomputed < at_least:
            typer.echo(
                f"only {found.recomputed} cells were recomputed, at least {at_least} must be"
            )
    raise typer.Exit(1 if found.fails or found.recomputed < at_least else 0)


@dataclass(frozen=True)
class Found:
    """Everything the guard found.

    Attributes:
        verdicts: One per published cell.
        pins: One per task.
        faults: What is wrong with stored results.
        stored: How many stored results there are.
        again: How many golden measurements were made again; ``None``: that was not asked for.
    """

    verdicts: tuple[Verdict, ...]
    pins: tuple[Pin, ...]
    faults: tuple[Fault, ...]
    stored: int
    again: int | None

    @property
    def recomputed(self) -> int:
        """Published cells that were recomputed."""
        return sum(one.status in ("holds", "drifts") for one in self.verdicts)

    @property
    def fails(self) -> bool:
        """Whether anything fails a build."""
        drifts = any(one.fails for one in self.verdicts)
        return drifts or any(one.fails for one in self.pins) or bool(self.faults)


def _measured(
    results: Path, pinned: Pins, *, golden: bool, measure: bool
) -> tuple[int | None, list[Fault]]:
    """Make measurements golden, or make these again; else only see whether they are current."""
    from headbench.guard.golden import check_golden, make_golden, remeasure

    if golden:
        for path in make_golden(results):
            typer.echo(f"golden: {path}", err=True)
    again, faults = remeasure(results) if measure else (None, [])
    return again, [*faults, *check_golden(results, pinned)]


def document(found: Found) -> dict[str, object]:
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
                "not_stated": list(one.unstated),
            }
            for one in found.verdicts
        ],
        "pins": [
            {"task": pin.task, "status": pin.status, "reason": pin.reason} for pin in found.pins
        ],
        "stored": {
            "results": found.stored,
            "made_again": found.again,
            "faults": [{"file": str(one.path), "reason": one.reason} for one in found.faults],
        },
    }


def show(found: Found, *, every: bool) -> None:
    """Print the table of drift: what does not hold, or everything."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = [
        one for one in found.verdicts if every or one.status in ("drifts", "impossible", "error")
    ]
    if shown:
        table = Table(box=box.SIMPLE, pad_edge=False, title="published cells", title_justify="left")
        for column in ("paper", "cell", "printed", "recomputed", "drift", "status"):
            right = column in ("printed", "recomputed", "drift")
            table.add_column(column, justify="right" if right else "left")
        for one in shown:
            value = "" if one.value is None else f"{one.value:.{one.cell.digits + 2}f}"
            drift = "" if one.drift is None else f"{one.drift:+.{one.cell.digits + 2}f}"
            status = f"{one.status}: {one.reason}" if one.reason else one.status
            if one.unstated:
                status += f" (not stated: {', '.join(one.unstated)})"
            table.add_row(one.cell.file, one.cell.name, one.cell.printed, value, drift, status)
        Console().print(table)
    for pin in found.pins:
        if pin.status != "holds":
            typer.echo(f"task {pin.task}: {pin.status}: {pin.reason}")
    for fault in found.faults:
        typer.echo(f"result {fault.path}: {fault.reason}")


def _summary(found: Found) -> str:
    cells: Counter[str] = Counter(one.status for one in found.verdicts)
    tasks: Counter[str] = Counter(pin.status for pin in found.pins)
    again = "" if found.again is None else f", {found.again} of them made again"
    missing = sum(one.fails for one in found.verdicts if one.status == "absent")
    lacking = (
        f"{missing} cells have recorded outputs that are not here, which is no pass: name their "
        "folder with --data or HEADBENCH_DATA, or say --without-data"
    )
    return "\n".join(
        (
            f"{len(found.verdicts)} published cells: {_counts(cells)}",
            *([lacking] if missing else []),
            f"{len(found.pins)} tasks: {_counts(tasks)}",
            f"{found.stored} stored results{again}: {len(found.faults)} faults",
        )
    )


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items())) or "none"
