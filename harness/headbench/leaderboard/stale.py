"""Is a built board still what its results give?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from headbench.leaderboard.site import listed
from headbench.results.disk import read_bytes


def stale(files: Mapping[str, bytes], out: Path) -> Iterator[str]:
    """Every difference between a folder and the board that its results give, one sentence each.

    Args:
        files: What :func:`headbench.leaderboard.build.build` gave.
        out: The folder.
    """
    if listed(out) is None:
        yield f"{out} is no board: it has no list of its files"
        return
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    for path in sorted(there | files.keys()):
        if path not in there:
            yield f"{path} is missing"
        elif path not in files:
            yield f"{path} is no part of the board"
        elif read_bytes(out / path, "cannot read a file of the board") != files[path]:
            yield f"{path} is not what the results give"
