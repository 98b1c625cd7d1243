"""Stored results: do their files say what their records say?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headbench.results.collection import Collection


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
    kinds = [path for kind in ("measured", "rescored") if (path := folder / kind).is_dir()]
    found = Collection(kinds)
    faults = [Fault(one.path, one.reason) for one in found.not_shown]
    return len(found.cells) + len(faults), faults
