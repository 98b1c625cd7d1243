"""Names in what is printed are text, and a log of which nothing was joined ends in status 1."""

from __future__ import annotations

import json
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
