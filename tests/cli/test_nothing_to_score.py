"""Nothing joined, answered or read, all cut off: the exit status and one plain line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from headbench.cli import app
from headbench.errors import DataError
from headbench.nouns import Record
from headbench.results.cell import Cell
from headbench.results.files import Entry
from headbench.results.unusable import cut_off, unusable, without_reading
from headbench.scoring import family

GROUPS = [[f"{letter}{number}" for number in range(4)] for letter in "abcd"]


@dataclass(frozen=True)
class Family:
    """Inputs of a family's rescoring.

    Attributes:
        option: Of the file that predictions are joined with; empty: nothing is joined.
        truth: What it holds.
        other: Predictions that match nothing of it.
        unread: Predictions from which nothing can be read.
        more: Further options.
        unmatched: How the first line about ``other`` begins.
    """

    option: str
    truth: Any
    other: Any
    unread: Any
    unmatched: str
    more: tuple[str, ...] = ()


FAMILIES = {
    "chair": Family(
        "--ground-truth",
        {"1": ["dog"], "2": ["cat"]},
        [{"image_id": 77, "caption": "A dog."}],
        [{"image_id": 1, "caption": ""}, {"image_id": 2, "caption": " "}],
        "0 of 1 captions matched an image; images of the log look like '77'",
    ),
    "pope": Family(
        "--questions",
        [{"image": "a.jpg", "text": f"Is there a {one}?", "label": "no"} for one in ("cat", "dog")],
        [{"image": "z.jpg", "question": "Is there a cat?", "answer": "no"}],
        [
            {"image": "a.jpg", "question": f"Is there a {one}?", "answer": "a kitchen"}
            for one in ("cat", "dog")
        ],
        "0 of 2 questions were answered: no row of the log names an image and question",
        ("--parser", "pope_strict"),
    ),
    "walls": Family(
        "--walls",
        [{"id": "w1", "groups": GROUPS}, {"id": "w2", "groups": GROUPS}],
        [{"id": "x9", "groups": "a0, a1, a2, a3"}],
        [{"id": "w1", "groups": "I do not know"}, {"id": "w2", "groups": "no"}],
        "error: 0 of 1 rows name a wall of the walls file; ids of the log look like 'x9', those "
        "of the walls like 'w1'",
        ("--parser", "walls_robust"),
    ),
    "stickiness": Family(
        "",
        None,
        None,
        [
            {"id": item, "condition": one, "label": "toxic", "answer": ""}
            for item in (1, 2)
            for one in ("zero_shot", "aligned")
        ],
        "",
        ("--label", "toxic"),
    ),
    "niah": Family(
        "",
        None,
        None,
        [
            {"context_length": 1000, "depth_percent": depth, "model_response": ""}
            for depth in (0, 50)
        ],
        "",
    ),
}


def rescore(name: str, predictions: Any, folder: Path) -> tuple[int, str]:
    """Exit status and the first line of standard error."""
    one = FAMILIES[name]
    (folder / "log.json").write_text(json.dumps(predictions))
    words = ["rescore", "--task", name, "--predictions", str(folder / "log.json"), *one.more]
    if one.option:
        (folder / "truth.json").write_text(json.dumps(one.truth))
        words += [one.option, str(folder / "truth.json")]
    done = CliRunner().invoke(app, words)
    if isinstance(done.exception, DataError):  # main() prints it and ends with 2
        return 2, f"error: {done.exception}".splitlines()[0]
    return done.exit_code, done.stderr.splitlines()[0]


def test_every_family_that_rescores_is_here() -> None:
    assert set(FAMILIES) == set(family.names("rescorers"))


@pytest.mark.parametrize("name", [name for name, one in FAMILIES.items() if one.option])
def test_a_log_that_matches_nothing_says_what_both_sides_look_like(
    name: str, tmp_path: Path
) -> None:
    code, line = rescore(name, FAMILIES[name].other, tmp_path)
    assert code in (1, 2)
    assert line.startswith(FAMILIES[name].unmatched)
    assert "look like" in line


@pytest.mark.parametrize("name", FAMILIES)
def test_a_log_of_which_nothing_can_be_read_says_so(name: str, tmp_path: Path) -> None:
    code, line = rescore(name, FAMILIES[name].unread, tmp_path)
    assert (code, line) == (1, "none of 2 answers could be parsed")


def entries(parsed: object, *, truncated: bool) -> tuple[Entry, ...]:
    record = Record("d", "d", ("some words",), parsed, "pope_robust@2", {}, "yes")
    return (Entry(record, {"truncated": 1} if truncated else {}),) * 3


class FakeResult:
    class task:
        name = "pope"

    class arm:
        name, role = "baseline", "baseline"

    class coverage:
        answered = expected = 3


def cells(parsed: object, *, truncated: bool) -> list[Cell]:
    return [Cell(FakeResult, entries(parsed, truncated=truncated))]  # type: ignore[arg-type]


def test_answers_that_were_cut_off_count_where_they_were_read() -> None:
    """Cut off and unread ends with status 1; cut off and read is said, and ends with 0."""
    assert without_reading(entries(None, truncated=True)) == (
        "none of 3 answers could be parsed; 3 were cut off at max_gen_toks"
    )
    assert unusable(cells(None, truncated=True)) != []
    assert cut_off(cells(None, truncated=True)) == []
    assert unusable(cells("yes", truncated=True)) == []
    assert cut_off(cells("yes", truncated=True)) == [
        "pope, baseline: all 3 answers were cut off at max_gen_toks; a longer limit may change the "
        "figures"
    ]
    assert cut_off(cells("yes", truncated=False)) == []
