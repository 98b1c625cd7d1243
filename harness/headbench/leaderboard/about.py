"""The page that says how the numbers are made."""

from __future__ import annotations

from collections.abc import Iterator

from headbench.leaderboard.page import Page, Part
from headbench.leaderboard.sources import Sources


def about_parts(sources: Sources) -> Iterator[Part]:
    """The page."""
    yield Page("about", "About this board", "about.html", nav="About", nav_order=90)
