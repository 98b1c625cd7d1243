"""Build the board in memory, and check one that was built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from headbench.leaderboard.contents import all_parts
from headbench.leaderboard.reading import fewer_collections
from headbench.leaderboard.site import render
from headbench.leaderboard.site_links import link_faults
from headbench.leaderboard.sources import Sources, read_sources
from headbench.leaderboard.stale import stale


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
    with fewer_collections():
        return _files(read_sources(paths))


def board_faults(paths: Sequence[Path], out: Path) -> Iterator[str]:
    """Why a built board should not be published, one sentence per fault.

    It is built again in memory, which computes each figure again from its records.

    Args:
        paths: Folders of results.
        out: The built folder.

    Raises:
        StoreError: a path does not exist.
    """
    with fewer_collections():
        sources = read_sources(paths)
        files = _files(sources)
    for one in sources.not_shown:
        yield f"{one.path} cannot be shown: {one.reason}"
    yield from link_faults(files)
    yield from stale(files, out)


def _files(sources: Sources) -> dict[str, bytes]:
    return render(all_parts(sources), frame_facts(sources))


def frame_facts(sources: Sources) -> dict[str, object]:
    """What every page may show: ``summary``, how many files are ``not_shown``, the ``level``."""
    cells = sources.cells
    measured = sum(cell.result.kind == "measured" for cell in cells)
    rescored = sum(cell.result.kind == "rescored" for cell in cells)
    summary = f"{measured:,} measured and {rescored:,} rescored results."
    level = f"{100 * sources.shown.level:g} %"
    return {"summary": summary, "not_shown": len(sources.not_shown), "level": level}
