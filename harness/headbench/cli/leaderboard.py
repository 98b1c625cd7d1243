"""``headbench leaderboard``: build the static board, and check one that was built."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headbench.cli.printing import say

leaderboard = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Build the static board of results, and check it.",
)

Results = Annotated[
    list[Path] | None,
    typer.Option("--results", help="Folder of results; repeat it. Default: results."),
]
Out = Annotated[Path, typer.Option(help="Folder of the board.")]
Include = Annotated[
    list[Path] | None, typer.Option(help="File or folder of your own extensions; repeat it.")
]
DEFAULT_RESULTS = Path("results")
DEFAULT_OUT = Path("leaderboard")


@leaderboard.command("build")
def build_board(results: Results = None, out: Out = DEFAULT_OUT, include: Include = None) -> None:
    """Write the board: one folder of static files; open its index.html."""
    from headbench import _extensions
    from headbench.leaderboard.build import build
    from headbench.leaderboard.site import write

    _extensions.include(include or [])
    files = build(results or [DEFAULT_RESULTS])
    moved = write(files, out)
    pages = sum(path.endswith(".html") for path in files)
    say(f"{pages} pages in {len(files)} files, {moved} of them changed")
    say(f"open {out / 'index.html'}")


@leaderboard.command("check")
def check_board(results: Results = None, out: Out = DEFAULT_OUT, include: Include = None) -> None:
    """Build the board again in memory; name what differs, is broken or leads nowhere.

    Exit status 1 where anything is named.
    """
    from headbench import _extensions
    from headbench.leaderboard.build import board_faults

    _extensions.include(include or [])
    found = list(board_faults(results or [DEFAULT_RESULTS], out))
    for line in found:
        say(line)
    if found:
        say(f"{len(found)} faults; where pages differ: headbench leaderboard build")
        raise typer.Exit(1)
    say(f"{out} is what its results give")
