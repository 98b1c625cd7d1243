"""What other packages registered under headbench's entry-point groups, scanned once a process."""

from __future__ import annotations

from functools import cache
from importlib import metadata

PREFIX = "headbench."


@cache
def _every() -> tuple[metadata.EntryPoint, ...]:
    """Reading the metadata of all installed packages takes a tenth of a light command's time."""
    found = metadata.entry_points()
    groups = sorted(group for group in found.groups if group.startswith(PREFIX))
    return tuple(point for group in groups for point in found.select(group=group))


def entry_points(group: str) -> tuple[metadata.EntryPoint, ...]:
    """The entry points of one of headbench's groups, e.g. ``headbench.tasks``, as installed."""
    return tuple(point for point in _every() if point.group == group)
