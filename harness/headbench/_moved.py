"""Old import paths that the docs once taught: they work for one release, and say where to look."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module

REMOVED_IN = "0.3"
"""The release in which the old paths go."""


def moved(old: str, new_places: Mapping[str, str]) -> Callable[[str], object]:
    """The ``__getattr__`` of a module whose names live elsewhere now.

    Args:
        old: The module's own name.
        new_places: Name -> its new module, or ``module:new name``.
    """

    def find(name: str) -> object:
        if name not in new_places:
            raise AttributeError(f"module {old!r} has no attribute {name!r}")
        module, _, renamed = new_places[name].partition(":")
        warnings.warn(
            f"{old}.{name} is {module}.{renamed or name} now; "
            f"the old path goes in release {REMOVED_IN}",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(import_module(module), renamed or name)

    return find
