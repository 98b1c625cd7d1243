"""Which makers give the board its pages. A new kind of page is one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module

from headbench.leaderboard.page import Part
from headbench.leaderboard.sources import Sources

Maker = Callable[[Sources], Iterable[Part]]
"""Turns what was read into pages and shards."""

MAKERS = (
    "headbench.leaderboard.board:board_parts",
    "headbench.leaderboard.cell_pages:cell_parts",
    "headbench.leaderboard.tasks_pages:task_parts",
    "headbench.leaderboard.intervention_pages:intervention_parts",
    "headbench.leaderboard.head_maps:head_map_parts",
    "headbench.leaderboard.item_pages:item_parts",
    "headbench.leaderboard.published:published_parts",
    "headbench.leaderboard.about:about_parts",
    "headbench.leaderboard.about:not_shown_parts",
)
"""``module:function`` of each maker, imported when a board is built."""


def all_parts(sources: Sources) -> list[Part]:
    """Every page, shard and file of the board."""
    found: list[Part] = []
    for name in MAKERS:
        module, _, function = name.partition(":")
        maker: Maker = getattr(import_module(module), function)
        found.extend(maker(sources))
    return found
