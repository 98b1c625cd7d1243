"""Small task files for tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

BASE = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: rows.json}}
doc_to_text: "Q: {{{{ question }}}} A:"
scorer: niah
metric_list: [{{metric: niah.recall, main: true}}]
metadata: {{version: 1}}
"""

ROWS = (
    {"id": "a", "question": "one?", "target": "1"},
    {"id": "b", "question": "two?", "target": "2"},
    {"id": "c", "question": "three?", "target": "3"},
)


def write_task(
    folder: Path,
    more: str = "",
    *,
    name: str = "toy",
    rows: Sequence[object] = ROWS,
    drop: Sequence[str] = (),
) -> Path:
    """Write ``toy.yaml`` and its rows; ``more`` is appended, ``drop`` removes keys of the base."""
    lines = BASE.format(name=name).splitlines()
    kept = [line for line in lines if not any(line.startswith(f"{key}:") for key in drop)]
    path = folder / f"{name}.yaml"
    path.write_text("\n".join(kept) + "\n" + more, encoding="utf-8")
    (folder / "rows.json").write_text(json.dumps(list(rows)), encoding="utf-8")
    return path
