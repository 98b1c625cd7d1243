"""Formats in which others log groupings of walls."""

from __future__ import annotations

from headbench.results.fields import LogFormat

HUMANS = "human"
"""In place of a predictions file: the people recorded in the walls file."""

ONLY_CONNECT = LogFormat(
    "Only Connect predictions",
    frozenset({"wall_id", "predicted_groups"}),
    {"groups": ("predicted_groups",), "connections": ("predicted_connections",)},
)
