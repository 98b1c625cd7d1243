"""The structure of printed cells that nobody can recompute: ids, links, identifiers, values."""

from __future__ import annotations

from pathlib import Path

from headbench.guard.stored_results import Fault
from headbench.results.paper_cells import CONTRADICTIONS, load_paper_cells


def check_papers(folder: Path) -> tuple[int, list[Fault]]:
    """Read every file of printed cells.

    Args:
        folder: ``published/cells``; one that is absent holds no cells.

    Returns:
        How many cells there are, and what is wrong.
    """
    found = load_paper_cells(folder)
    faults = [Fault(path, reason) for path, reason in found.faults]
    known = found.by_id()
    for one in found.contradictions:
        lost = [name for name in one.cells if name not in known]
        if lost and not found.faults:  # a broken file has lost its cells already
            reason = f"a contradiction names {lost[0]}, which is not there"
            faults.append(Fault(folder / CONTRADICTIONS, reason))
    return len(found.cells), faults
