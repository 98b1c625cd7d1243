"""headbench: which attention heads do what, and how interventions on them change behaviour.

Public names are loaded on first use, so ``import headbench`` costs neither torch nor transformers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from headbench._version import __version__

if TYPE_CHECKING:
    from headbench.detectors.head_detection import detect
    from headbench.models.hf.intervene import intervene
    from headbench.results.collection import load
    from headbench.results.paper_cells import load_paper_cells
    from headbench.results.paper_comparable import comparable
    from headbench.running.from_python import compare, load_model, run

__all__ = [
    "__version__",
    "comparable",
    "compare",
    "detect",
    "intervene",
    "load",
    "load_model",
    "load_paper_cells",
    "run",
]

_HOMES = {
    "run": "headbench.running.from_python",
    "compare": "headbench.running.from_python",
    "load": "headbench.results.collection",
    "load_paper_cells": "headbench.results.paper_cells",
    "comparable": "headbench.results.paper_comparable",
    "load_model": "headbench.running.from_python",
    "detect": "headbench.detectors.head_detection",
    "intervene": "headbench.models.hf.intervene",
}


def __getattr__(name: str) -> object:
    """Load a public name on first use."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
