"""The first paper of the rescoring page; ``test_typed.py`` types the page itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headbench.cli import app

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "rescoring.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the page's first commands name, made of its example lines."""
    caption, question, answer, wall, grouping, response = blocks("json")[0].splitlines()
    files = {
        "captions.jsonl": caption,
        "objects.json": '{"42": ["dog", "couch"]}',
        "coco_pope_random.json": question,
        "answers.jsonl": answer,
        "walls.json": wall,
        "groupings.json": grouping,
        "responses/1.json": response,
        "mine.json": caption.replace("image_id", "picture").replace("caption", "said"),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HEADBENCH_DATA", raising=False)
    return tmp_path


def test_the_example_paper_is_recomputed_from_own_logs(
    followed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CliRunner().invoke(app, ["guard", "--pin"]).exit_code == 0
    (followed / "results/published").mkdir()
    paper = followed / "results/published/mine.yaml"
    paper.write_text(blocks("yaml")[0], encoding="utf-8")
    absent = CliRunner().invoke(app, ["guard"])
    assert absent.exit_code == 1 and "2 published cells: 2 absent" in absent.stdout
    assert CliRunner().invoke(app, ["guard", "--without-data"]).exit_code == 0
    (followed / "my_logs").mkdir()
    (followed / "my_logs/greedy.jsonl").write_bytes((followed / "captions.jsonl").read_bytes())
    (followed / "my_logs/objects.json").write_bytes((followed / "objects.json").read_bytes())
    monkeypatch.setenv("HEADBENCH_DATA", str(followed))
    drifted = CliRunner().invoke(app, ["guard"])
    assert drifted.exit_code == 1 and "2 published cells: 2 drifts" in drifted.stdout
    told = json.loads(CliRunner().invoke(app, ["guard", "--json"]).stdout)["cells"]
    assert {cell["reason"] for cell in told} == {"n is 500 in the cell, 1 in the files"}
    paper.write_text(paper.read_text().replace('"45.0"', '"0.0"').replace('"12.8"', '"0.0"'))
    other = CliRunner().invoke(app, ["guard", "--at-least", "2"])
    assert other.exit_code == 1 and "2 published cells: 2 drifts" in other.stdout
    paper.write_text(paper.read_text().replace("n: 500", "n: 1"))
    corrected = CliRunner().invoke(app, ["guard", "--at-least", "2"])
    assert corrected.exit_code == 0 and "2 published cells: 2 holds" in corrected.stdout
