"""One page per task and model: every condition with every figure, and where it came from."""

from __future__ import annotations

from collections.abc import Iterator

from headbench.leaderboard.cells import ShownCell, ShownRow, better, direction, rows, tone
from headbench.leaderboard.links import (
    intervention_page,
    items_page,
    items_state,
    method_names,
    task_page,
)
from headbench.leaderboard.page import Page, Part
from headbench.leaderboard.protocol import protocol
from headbench.leaderboard.sources import Sources


def cell_parts(sources: Sources) -> Iterator[Part]:
    """The pages; two baselines of one task and model stand on one page."""
    pages: dict[str, list[ShownRow]] = {}
    for row in rows(sources):
        pages.setdefault(row.baseline.page, []).append(row)
    for name, found in pages.items():
        first = found[0].result
        yield Page(
            name,
            f"{first.task.name} on {first.model.name}",
            "cells.html",
            {
                "first": first,
                "found": [(row, protocol(row.result, sources)) for row in found],
                "task_page": task_page,
                "intervention_page": intervention_page,
                "items_page": items_page,
                "items_state": items_state,
                "method_names": method_names,
                "direction": direction,
                "better": better,
                "tone": tone,
                "differs": differs,
            },
            under="index" if first.kind == "measured" else "rescored",
        )


_OF_THE_CONDITION = ("arm.", "status", "reason")


def differs(cell: ShownCell) -> list[tuple[str, str, str]]:
    """In what its run differs from its baseline's, besides the intervention itself."""
    if cell.comparison is None:
        return []
    return [one for one in cell.comparison.differs if not one[0].startswith(_OF_THE_CONDITION)]
