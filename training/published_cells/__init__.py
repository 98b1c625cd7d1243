"""The import of published figures: from a collector's JSON lines to ``results/published/cells``."""

from __future__ import annotations
