"""The table at the end of a run, and the lines below it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from headbench.results.comparison_notes import result_notes
from headbench.results.comparison_table import (
    level_heading,
    print_comparisons,
    print_line,
    print_table,
    result_rows,
)
from headbench.results.reasoning import reasoning_lines
from headbench.running.execute import RunOutcome

if TYPE_CHECKING:
    from rich.console import Console


def print_outcome(outcome: RunOutcome, console: Console, *, raw: bool = False) -> None:
    """The table of a run, its notes, the models' neutral loss, and the files.

    Args:
        outcome: The run.
        console: Where to print.
        raw: Also each p before its adjustment.
    """
    if outcome.comparisons:
        for condition in dict.fromkeys(c.other.arm.name for c in outcome.comparisons):
            of_condition = [c for c in outcome.comparisons if c.other.arm.name == condition]
            print_comparisons(of_condition, console, condition, raw=raw)
    else:
        heads = ("task", "metric", "baseline", level_heading(outcome.results[0]), "n (clusters)")
        print_table(console, heads, result_rows(outcome.results))
        for note in result_notes(outcome.results):
            print_line(console, note)
    for one in outcome.run.not_compared:
        print_line(console, f"not compared: {one.path}: {one.reason}")
    for line in footer(outcome):
        print_line(console, line)


def footer(outcome: RunOutcome) -> list[str]:
    """Which model, what to know, how to get the run again, which files."""
    others = [f"{role}: {told.model}" for role, told in outcome.spec.roles.items()]
    lines = [f"model: {outcome.model}", *others, *(f"note: {note}" for note in outcome.notes)]
    for result in outcome.results:
        if result.arm.role != "control":
            lines += reasoning_lines(result)
    lines.append(f"again: {outcome.spec.command()}")
    shown = [
        path
        for path, result in zip(outcome.files, outcome.results, strict=True)
        if result.arm.role != "control"
    ]
    lines += [f"wrote {path}" for path in shown]
    hidden = len(outcome.files) - len(shown)
    if hidden:
        lines.append(f"wrote {hidden} control cells beside them, under {outcome.folder}")
    results = shlex.quote(str(outcome.folder.parents[1]))  # the folder that --out named
    lines.append(f"as a page: headbench leaderboard build --results {results}")
    return lines
