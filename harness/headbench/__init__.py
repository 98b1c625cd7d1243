"""headbench: which attention heads do what, and what happens when you turn them.

Public names are loaded on first use, so ``import headbench`` costs neither torch nor transformers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from headbench._version import __version__

if TYPE_CHECKING:
    from headbench.models.hf.intervene import intervene
    from headbench.running.api import compare, run

__all__ = ["__version__", "compare", "intervene", "run"]

_HOMES = {
    "run": "headbench.running.api",
    "compare": "headbench.running.api",
    "intervene": "headbench.models.hf.intervene",
}


def __getattr__(name: str) -> object:
    """Load a public name on first use."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
