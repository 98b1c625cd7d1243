"""What other packages registered under headbench's entry-point groups, scanned once per process."""

from __future__ import annotations

from functools import cache
from importlib import metadata

from headbench._include import FAULTS
from headbench.errors import ConfigError

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


def described(point: metadata.EntryPoint) -> str:
    """An entry point for errors: what it says, and which package says it."""
    package = f" of {point.dist.name} {point.dist.version}" if point.dist is not None else ""
    return f"entry point {point.name} = {point.value}{package}"


def load(point: metadata.EntryPoint, kind: str) -> object:
    """Import what an entry point names.

    Args:
        point: The entry point.
        kind: What it offers, for errors.

    Raises:
        ConfigError: It cannot be imported; the user must correct or uninstall the package.
    """
    try:
        return point.load()
    except FAULTS as error:
        raise ConfigError(
            f"the installed {kind} {point.name!r} does not load: {type(error).__name__}: {error}",
            where=described(point),
            hint="correct the package or uninstall it",
        ) from error
