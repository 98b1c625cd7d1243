"""Small task files over JSON lines, written where a test wants them."""

from __future__ import annotations

import json
from pathlib import Path

SIMPLE = """
task: colours
dataset_path: jsonl
dataset_kwargs: {data_files: colours.jsonl}
doc_to_text: "{{ question | span('question') }}"
generation_kwargs: {max_gen_toks: 4}
scorer: niah
metric_list:
  - {metric: niah.recall, main: true}
metadata: {version: 1}
"""

STEPS = """
task: twice
dataset_path: jsonl
dataset_kwargs: {data_files: colours.jsonl}
steps:
  - name: guess
    doc_to_text: "{{ question }}"
  - name: again
    doc_to_text: "You said {{ earlier.guess[0] }}. {{ question }}"
scorer: niah
metric_list:
  - {metric: niah.recall, main: true}
metadata: {version: 1}
"""

PICTURES = """
task: pictures
dataset_path: jsonl
dataset_kwargs: {data_files: pictures.jsonl}
doc_to_text: "<image>\\n{{ question }}"
doc_to_image: picture
needs_images: true
scorer: pope
metric_list:
  - {metric: pope.accuracy, main: true}
  - {metric: pope.f1}
metadata: {version: 1}
"""


def write_tasks(folder: Path, count: int = 12) -> Path:
    """Write the two text tasks and their data; the folder is given to ``include``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "colours.yaml").write_text(SIMPLE)
    (folder / "twice.yaml").write_text(STEPS)
    rows = [
        {
            "id": f"d{index}",
            "cluster": f"c{index // 2}",
            "question": f"What colour is thing {index}?",
            "target": ["red", "blue", "green"][index % 3],
        }
        for index in range(count)
    ]
    (folder / "colours.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
