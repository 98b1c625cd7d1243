"""What the page on brain alignment shows runs, in order, in an empty folder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from headbench.cli import app

if TYPE_CHECKING:
    import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "brain.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

COMMANDS = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    for block in BLOCK.findall(text)[:1]:
        exec(block, {})  # noqa: S102  writes the table that commands read
    lines = [line for block in COMMANDS.findall(text) for line in block.splitlines()]
    assert len(lines) >= 5
    for line in lines:
        name, *words = shlex.split(line)
        ran = CliRunner().invoke(app, words)
        assert (name, ran.exit_code) == ("headbench", 0), f"{line}: {ran.output}"


def test_the_blocks_run_and_agree_with_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 5
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)  # noqa: S102
    score, low, high = re.findall(r"-?\d\.\d+", capsys.readouterr().out)[:3]
    assert 0 < float(low) < float(score) < float(high)
    assert names["low"] < float(score) < names["high"]  # type: ignore[operator]
    assert names["p"] < 0.01  # type: ignore[operator]
