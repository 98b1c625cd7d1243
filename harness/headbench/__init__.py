"""headbench: which attention heads do what, and what happens when you turn them.

Public names are loaded on first use, so ``import headbench`` costs neither torch nor transformers.
"""

from __future__ import annotations

__version__ = "0.1.0"
