"""The pages about the board itself: how numbers are made, and what is not shown."""

from __future__ import annotations

from collections.abc import Iterator

from headbench.leaderboard.cells import orphans, replaced
from headbench.leaderboard.page import Page, Part
from headbench.leaderboard.sources import Sources

MOST_LISTED = 2_000
"""Lines of one table of the page of what is not shown."""


def about_parts(sources: Sources) -> Iterator[Part]:
    """How numbers are made, and with which versions."""
    context = {
        "versions": [(name, ", ".join(found)) for name, found in sources.versions.items()],
        "adapters": sorted(
            {cell.result.model.adapter for cell in sources.cells if cell.result.model.adapter}
        ),
        "commits": sorted({c.result.run.commit for c in sources.cells if c.result.run.commit}),
    }
    yield Page("about", "About this board", "about.html", context, nav="About", nav_order=90)


def not_shown_parts(sources: Sources) -> Iterator[Part]:
    """Files and cells without a place, each with its reason."""
    files = sorted((sources.shown_path(one.path), one.reason) for one in sources.not_shown)
    cells = sorted(
        {
            (sources.shown_path(one.path), one.reason)
            for run in sources.runs
            for one in run.not_compared
        }
    )
    lost = sorted(
        {
            (name, f"its file is not shown; run {run.run.digest[:12]} lists it")
            for run in sources.runs
            for name in run.run.missing
        }
    )
    alone = sorted(
        {
            (one.file, f"{one.result.task.name} / {one.result.arm.name}: its baseline is not here")
            for one in orphans(sources)
        }
    )
    others = sorted(
        (one.file, f"another result of {held.result.arm.name} is shown: {held.file}")
        for one, held in replaced(sources)
    )
    groups = [
        ("Files", "File", files),
        ("Cells whose file is not shown", "Cell", lost),
        ("Cells without a comparison", "File", cells),
        ("Cells without a baseline", "File", alone),
    ]
    if others:
        groups.append(("Further results of one condition", "File", others))
    groups = [(title, said, _first(found)) for title, said, found in groups]
    yield Page("not-shown", "Not shown", "not_shown.html", {"groups": groups}, under="about")


def _first(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """As many as a page can hold, and how many more there are."""
    more = len(found) - MOST_LISTED
    if more <= 0:
        return found
    return [*found[:MOST_LISTED], ("further", f"{more:,} more are not listed")]
