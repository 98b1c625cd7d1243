"""Formats in which others log groupings of walls."""

from __future__ import annotations

from headbench.results.fields import LogFormat

ONLY_CONNECT = LogFormat(
    "Only Connect predictions",
    frozenset({"wall_id", "predicted_groups"}),
    {"groups": ("predicted_groups",), "connections": ("predicted_connections",)},
)
