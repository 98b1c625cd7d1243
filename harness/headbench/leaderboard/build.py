"""Build the board in memory, and say what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headbench.leaderboard.contents import all_parts
from headbench.leaderboard.site import render
from headbench.leaderboard.sources import Sources, read_sources


def build(paths: Sequence[Path]) -> dict[str, bytes]:
    """The files of the board of some folders of results.

    Args:
        paths: Folders of results; see :func:`headbench.leaderboard.sources.read_sources`.

    Returns:
        Path below the board's folder -> content.

    Raises:
        StoreError: a path does not exist. A broken result raises nothing: it is listed on the
            page "not shown".
    """
    sources = read_sources(paths)
    return render(all_parts(sources), frame_facts(sources))


def frame_facts(sources: Sources) -> dict[str, object]:
    """What the frame of every page shows: ``summary`` and the number of files ``not_shown``."""
    cells = sources.cells
    measured = sum(cell.result.kind == "measured" for cell in cells)
    rescored = sum(cell.result.kind == "rescored" for cell in cells)
    summary = f"{measured:,} measured and {rescored:,} rescored results."
    return {"summary": summary, "not_shown": len(sources.not_shown)}
