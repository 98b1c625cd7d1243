"""Names in what is printed are text, and a log of which nothing was joined ends in status 1."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headbench.cli import app
from headbench.cli.printing import say, show_table
from headbench.errors import DataError
from headbench.families.chair.chair_lexicon import coco_lexicon
from headbench.families.chair.rescore_chair import read_truth


def rescore(folder: Path, truth: object, *more: str) -> tuple[int, str, str]:
    (folder / "log.json").write_text(json.dumps([{"image_id": 1, "caption": "A dog."}]))
    (folder / "truth.json").write_text(json.dumps(truth))
    files = [
        "--predictions",
        str(folder / "log.json"),
        "--ground-truth",
        str(folder / "truth.json"),
    ]
    done = CliRunner().invoke(app, ["rescore", "--task", "chair", *files, *more])
    return done.exit_code, done.stdout, done.stderr


def test_markup_and_escapes_of_a_name_are_shown(tmp_path: Path) -> None:
    code, out, _ = rescore(tmp_path, {"1": ["dog"]}, "--name", "[/foo]\x1b[31m")
    assert code == 0
    assert "[/foo]\\x1b[31m" in out
    assert "\x1b" not in out


def test_a_log_that_matches_nothing_says_so_first(tmp_path: Path) -> None:
    code, _, err = rescore(tmp_path, {"\u00b2": ["dog"]})
    assert code == 1
    assert err.splitlines()[0] == (
        "0 of 1 captions matched an image; images of the log look like '1', those of the ground "
        "truth like '\u00b2'"
    )


def test_ids_of_categories_that_are_lists_are_refused(tmp_path: Path) -> None:
    truth = {"annotations": [], "categories": [{"id": [1], "name": "dog"}]}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    with pytest.raises(DataError, match="the id of a category is a list"):
        read_truth([tmp_path / "truth.json"], coco_lexicon("chair-2018"))


def test_what_is_printed_keeps_line_breaks_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say("a\nb\x1b[2J\x9b")
    show_table([("name", "left")], [["[red]\x07[/nope]"]], title="[/t]")
    out = capsys.readouterr().out
    assert out.startswith("a\nb\\x1b[2J\\x9b\n")
    assert "[red]\\x07[/nope]" in out
    assert "[/t]" in out


USAGE = """
import sys
from headbench.cli import main

for words in (
    ["r\\x1b[31mun"], ["--li\\x1b[2Jmit"], ["run", "ex\\x1b[31mtra"], ["run", "--x\\x9b31m"],
    ["run", "--seed", "\\x1b]0;title\\x07"], ["compare", "--format", "\\x1b[31mx", "a"],
    ["run", "--tasks", "\\x1b[31m[/foo]"], ["run", "--tasks", "niah", "--intervention", "\\x1b[2J"],
    ["show", "task", "\\x1b[31m"], ["rescore", "--task", "\\x1b[1m", "--predictions", "x"],
    ["validate", "\\x1b[1m.yaml"], ["compare", "\\x1b[1m", "[bold]"], ["ls", "\\x1b[1m"],
):
    sys.argv = ["headbench", *words]
    try:
        main()
    except SystemExit as end:
        print("ENDED", end.code)
"""


def test_no_usage_error_sends_commands_to_a_terminal() -> None:
    """In a real terminal, where nothing is stripped on the way."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", USAGE], stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL
    )
    os.close(theirs)
    pieces = []
    with contextlib.suppress(OSError):  # the end of a terminal on Linux
        while piece := os.read(ours, 65536):
            pieces.append(piece)
    process.wait(timeout=60)
    shown = b"".join(pieces).decode()
    assert shown.count("ENDED") == 13
    assert not re.search(r"ENDED 0", shown)
    assert "Traceback" not in shown
    assert not set(shown) & {"\x1b", "\x9b", "\x07"}
    assert "\\x1b[31m" in shown
