"""What a run prints when it is done: its blocks, then what a reader needs to know and do next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from headbench.results.comparison_table import (
    print_command,
    print_conditions,
    print_levels,
    print_notes,
)
from headbench.results.reasoning import reasoning_lines
from headbench.running.execute import DEFAULT_OUT, RunOutcome

if TYPE_CHECKING:
    from rich.console import Console


def print_outcome(outcome: RunOutcome, console: Console, *, full: bool = False) -> None:
    """The blocks of a run, and below them what was not run, where files are, what to do next.

    Args:
        outcome: The run.
        console: Where to print.
        full: Also further metrics, p before adjustment, and what the controls were.
    """
    if outcome.comparisons:
        print_conditions(outcome.comparisons, console, full=full)
    else:
        print_levels(outcome.results, console)
    *notes, page, last = footer(outcome, full=full)
    print_notes(notes, console)
    for line in (page, last):
        label, _, command = line.partition(": ")
        print_command(label, command, console)


def footer(outcome: RunOutcome, *, full: bool = False) -> list[str]:
    """What to know, what was not compared, which files, how to see and repeat the run."""
    lines = [f"{role}: {told.model}" for role, told in outcome.spec.roles.items()]
    notes = outcome.notes if full else [n for n in outcome.notes if n not in outcome.control_notes]
    lines += [f"note: {note}" for note in notes]
    for result in outcome.results:
        if result.arm.role != "control":
            lines += reasoning_lines(result)
    lines += [f"not compared: {one.path}: {one.reason}" for one in outcome.run.not_compared]
    controls = sum(result.arm.role == "control" for result in outcome.results)
    own = len(outcome.results) - controls
    of_controls = f" and {controls} of controls" if controls else ""
    lines.append(f"files: {own} results{of_controls} under {outcome.folder}")
    lines.append(f"page: headbench leaderboard build --results {shlex.quote(str(outcome.out))}")
    lines.append(f"again: {again(outcome)}")
    return lines


def again(outcome: RunOutcome) -> str:
    """The command that gives this run again, in the same folder."""
    command = outcome.spec.command()
    if outcome.out == DEFAULT_OUT:
        return command
    return f"{command} --out {shlex.quote(str(outcome.out))}"
