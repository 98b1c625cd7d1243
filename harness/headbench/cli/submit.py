"""``headbench submit``: is a result fit for the board?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headbench.cli.printing import say


def submit(
    results: Annotated[list[Path], typer.Argument(help="Result files of runs.")],
) -> None:
    """Check results for the board as its CI does, and say what to correct; exit status 1.

    Nothing is sent: a submission is a pull request with these files.
    """
    from headbench.leaderboard.submission import submit as check
    from headbench.results.markup import visible

    found = check(results)
    for one in found:
        say(f"{visible(str(one.path))}: {'ok' if not one.faults else 'not yet'}")
        if one.checked:
            result, entries = one.checked.result, one.checked.entries
            told = f"{result.task.name} / {result.arm.name}"
            say(f"  {visible(told)}: figures recomputed from {len(entries):,} records")
        for fault in one.faults:
            say(f"  - {visible(fault)}")
        for note in one.notes:
            say(f"  note: {visible(note)}")
    wrong = sum(bool(one.faults) for one in found)
    if wrong:
        say(f"{wrong} of {len(found)} need a correction")
        raise typer.Exit(1)
    say("add these files to results/board, build the board, and open a pull request")
