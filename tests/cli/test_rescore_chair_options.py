"""``rescore --task chair``: the images that were asked, and last sentences that were cut off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from headbench.cli import app
from headbench.errors import ConfigError, DataError

TRUTH = {"1": ["dog"], "2": ["cat"], "3": ["dog"], "4": ["cat"]}
CAPTIONS = [
    {"image_id": 1, "caption": "A dog. It sits beside a cat and a"},
    {"image_id": 2, "caption": "A cat is here."},
    {"image_id": 3, "caption": "A dog and a cat"},
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "c.json").write_text(json.dumps(CAPTIONS))
    (tmp_path / "t.json").write_text(json.dumps(TRUTH))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rescore(*more: str) -> Result:
    options = ["--task", "chair", "--predictions", "c.json", "--ground-truth", "t.json"]
    return CliRunner().invoke(app, ["rescore", *options, *more])


def document(*more: str) -> dict[str, Any]:
    done = rescore(*more, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def value(found: dict[str, Any], name: str) -> object:
    return found["metrics"][name]["value"]


@pytest.mark.parametrize(
    "listed",
    [
        "1\n2\n3\n4\n",
        "000000000001.jpg\nCOCO_val2014_000000000002.jpg\n3\n4\n",
        "[1, 2, 3, 4]",
        '{"image_id": 1}\n{"image_id": 2}\n{"image_id": 3}\n{"image_id": 4}\n',
        '[{"image": "1"}, {"image": "2"}, {"image": "3"}, {"image": "4"}]',
    ],
)
def test_a_log_without_every_asked_image_is_partial(folder: Path, listed: str) -> None:
    (folder / "asked.txt").write_text(listed)
    assert value(document(), "coverage") == 1.0
    found = document("--images", "asked.txt")
    assert (value(found, "coverage"), value(found, "n")) == (0.75, 3)
    assert (found["status"], found["headline"]) == ("partial", None)
    assert found["source"]["images.file"] == "asked.txt"
    assert found["source"]["images asked"] == "4"
    printed = rescore("--images", "asked.txt").stdout
    assert "1 of 4 images that were asked have no caption, e.g. 4" in printed
    assert "3 of 4 answered" in printed


def test_a_whole_log_keeps_its_headline_under_a_list(folder: Path) -> None:
    (folder / "asked.txt").write_text("1\n2\n3\n")
    found = document("--images", "asked.txt")
    assert (value(found, "coverage"), found["headline"]) == (1.0, "chair_s")
    assert found["id"] != document()["id"]


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ("1\n2\n3\n77\n", "1 of 4 listed images have no ground truth: 77"),
        ("1\n2\n", "captions of 1 images that --images does not list: 3"),
        ("1\n2\n3\n000000000001.jpg\n", "two images would be one"),
        ("1\n1\n2\n3\n", "the image 1 is listed twice"),
        (" \n", "the list of images is empty"),
        ("[]", "the list of images is empty"),
        ("[[1]]", "an image is given by its name or id"),
        ('{"picture": 1}', "an image is given by its name or id"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(folder: Path, listed: str, told: str) -> None:
    (folder / "asked.txt").write_text(listed)
    done = rescore("--images", "asked.txt")
    assert isinstance(done.exception, DataError)
    assert told in str(done.exception)


def test_a_cut_last_sentence_is_dropped_only_when_told(folder: Path) -> None:
    plain, cut = document(), document("--drop-unfinished")
    # The first caption invents its cat behind its last full stop; the third has no sentence end.
    assert (value(plain, "hallucinated_captions"), value(cut, "hallucinated_captions")) == (2, 1)
    assert (value(plain, "mentions"), value(cut, "mentions")) == (5, 4)
    assert cut["id"] != plain["id"]
    assert cut["source"]["scorer_options.drop_unfinished"] == "true"
    assert "scorer_options.drop_unfinished" not in plain["source"]
    printed = rescore("--drop-unfinished").stdout
    told = "captions whose unfinished last sentence was dropped: 1"
    assert f"{told}; kept whole, without any sentence end: 1" in printed
    assert "unfinished" not in rescore().stdout


def test_dropping_is_another_reading_where_nothing_was_cut(folder: Path) -> None:
    (folder / "c.json").write_text(json.dumps(CAPTIONS[1:2]))
    plain, cut = document(), document("--drop-unfinished")
    assert value(plain, "len") == value(cut, "len")
    assert cut["id"] != plain["id"]


def test_the_flag_belongs_to_chair(folder: Path) -> None:
    options = ["rescore", "--task", "walls", "--predictions", "human", "--walls", "w.json"]
    done = CliRunner().invoke(app, [*options, "--drop-unfinished"])
    assert isinstance(done.exception, ConfigError)
    assert "--task walls does not read --drop-unfinished" in str(done.exception)
