"""The old place of what :mod:`headbench.nouns`, ``edits`` and ``jobs`` hold; gone in a release."""

from __future__ import annotations

import warnings
from importlib import import_module

_RENAMED = {"Arm": "Condition"}


def __getattr__(name: str) -> object:
    """Find a name at its new place, and say where that is."""
    new = _RENAMED.get(name, name)
    for place in ("headbench.nouns", "headbench.edits", "headbench.jobs"):
        module = import_module(place)
        if not new.startswith("_") and new in vars(module):
            warnings.warn(
                f"headbench.types.{name} is {place}.{new} now; the old path goes in release 0.3",
                DeprecationWarning,
                stacklevel=2,
            )
            return getattr(module, new)
    raise AttributeError(f"module 'headbench.types' has no attribute {name!r}")
