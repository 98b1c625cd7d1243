"""Stored results: do their files say what their records say?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headbench.errors import HeadbenchError
from headbench.results.check import faults
from headbench.results.files import read_entries, read_result


@dataclass(frozen=True)
class Fault:
    """One stored figure that cannot stand.

    Attributes:
        path: The result file.
        reason: In words.
    """

    path: Path
    reason: str


def check_stored(folder: Path) -> tuple[int, list[Fault]]:
    """Recompute every stored figure from the item records beside it.

    Args:
        folder: Holds ``measured`` and ``rescored``.

    Returns:
        How many results were read, and what is wrong with them.
    """
    found: list[Fault] = []
    paths = [
        path
        for kind in ("measured", "rescored")
        for path in sorted((folder / kind).rglob("*.json"))
        if path.name != "timing.json"
    ]
    for path in paths:
        try:
            result = read_result(path)
            entries = read_entries(path, result) if result.records else ()
            found += [Fault(path, reason) for reason in faults(result, entries)]
        except HeadbenchError as error:
            found.append(Fault(path, str(error)))
    return len(paths), found
