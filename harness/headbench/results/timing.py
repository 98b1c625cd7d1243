"""Wall-clock figures, in a file of their own so that results keep the same bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from headbench._json import strict_json
from headbench.results.disk import write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "timing.json"


def add_timing(folder: Path, run: str, figures: Mapping[str, float | int | str]) -> Path:
    """Add one run's figures to ``timing.json`` of a model's folder.

    Args:
        folder: ``<out>/measured/<model>``.
        run: Digest of the run's spec; an entry of the same run is replaced.
        figures: Seconds, requests answered and reused.

    Returns:
        The file.
    """
    path = folder / FILE
    known: dict[str, object] = {}
    if path.is_file():
        try:
            read = strict_json(path.read_bytes().decode())
        except ValueError:
            read = {}  # a damaged sidecar costs old timings, never a result
        known = read if isinstance(read, dict) else {}
    known[run] = dict(figures)
    write_atomic(path, f"{json.dumps(known, indent=1, sort_keys=True)}\n".encode())
    return path
