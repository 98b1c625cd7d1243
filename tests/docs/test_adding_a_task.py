"""The example of the page on adding a task is a task."""

from __future__ import annotations

import re
from pathlib import Path

from headbench.tasks.check import check_file
from headbench.tasks.loader import load

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adding-a-task.md"
BLOCK = re.compile(r"^```(yaml|json)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_example_validates_and_asks_what_it_says(tmp_path: Path) -> None:
    blocks = [(kind, text) for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8"))]
    (yaml, rows) = blocks[0][1], blocks[1][1]
    assert (blocks[0][0], blocks[1][0]) == ("yaml", "json")
    path = tmp_path / "colors.yaml"
    path.write_text(yaml)
    (tmp_path / "colors.jsonl").write_text(rows)
    report = check_file(path)
    assert report.problems == ()
    assert report.documents == 2
    task = load(str(path))
    document = task.documents()[0]
    (request,) = task.requests(document, "answer", {}, 0)
    assert request.messages[0]["content"] == "Which color is the sky? Answer:"
    assert task.record(document, ("It is blue.",)).parts["correct"] == 1
