"""The example of the page on adding a family runs as the page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adding-a-family.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LONGEST = 30
"""Lines of the complete example."""


def test_the_example_is_a_family(tmp_path: Path) -> None:
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    (code, yaml, commands) = (text for _, text in blocks[:3])
    assert [kind for kind, _ in blocks[:3]] == ["python", "yaml", "bash"]
    assert len(code.splitlines()) <= LONGEST
    (tmp_path / "rhymes.py").write_text(code)
    (tmp_path / "rhymes.yaml").write_text(yaml)
    rows = ({"id": "cat", "ending": "at"}, {"id": "day", "ending": "ay"})
    (tmp_path / "words.jsonl").write_text("\n".join(map(json.dumps, rows)))
    answers = ({"id": "cat", "response": "A hat."}, {"id": "day", "response": "day"})
    (tmp_path / "said.jsonl").write_text("\n".join(map(json.dumps, answers)))
    run, listed = commands.splitlines()
    said = typed(f"{run} --model recorded --model-args path=said.jsonl,join=id", tmp_path)
    assert "rate" in said
    (path,) = (tmp_path / "results" / "measured").rglob("rhymes/*.json")
    assert json.loads(path.read_text())["metrics"]["rate"]["value"] == 0.5
    assert "words and what rhymes with them" in typed(listed, tmp_path)


def typed(command: str, folder: Path) -> str:
    """What a command of the page prints."""
    words = command.split()
    assert words[0] == "headbench"
    done = subprocess.run(
        [sys.executable, "-c", "from headbench.cli import main; main()", *words[1:]],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
