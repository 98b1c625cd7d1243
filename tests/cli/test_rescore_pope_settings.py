"""``rescore --task pope`` with several files of questions: each setting, and their mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from headbench.cli import app
from headbench.errors import DataError
from headbench.guard.stored_results import check_stored

# The settings share their positive question, as POPE's do.
ASKED = {
    "random": [("dog", "yes"), ("car", "no")],
    "popular": [("dog", "yes"), ("chair", "no"), ("cup", "no")],
}


def row(image: int, thing: str, **more: object) -> dict[str, object]:
    return {"image": f"{image}.jpg", "text": f"Is there a {thing} in the image?", **more}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for setting, asked in ASKED.items():
        rows = [row(n, thing, label=label) for n in (1, 2) for thing, label in asked]
        (tmp_path / f"coco_{setting}.json").write_text(json.dumps(rows))
    # random: 2 of 4 right, no false yes; popular: 4 of 6 right, 1 false yes.
    said = {(1, "dog"): "Yes", (2, "dog"): "No", (1, "car"): "No", (2, "car"): "No"}
    said |= {(n, thing): "No" for n in (1, 2) for thing in ("chair", "cup")} | {(1, "cup"): "Yes"}
    log(tmp_path, [row(n, thing, answer=answer) for (n, thing), answer in said.items()])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def log(folder: Path, rows: list[dict[str, object]]) -> None:
    asked = [
        {**{k: v for k, v in one.items() if k != "text"}, "question": one["text"]} for one in rows
    ]
    (folder / "a.json").write_text(json.dumps(asked))


def rescore(*more: str, files: tuple[str, ...] = ("random", "popular")) -> Result:
    named = [word for one in files for word in ("--questions", f"coco_{one}.json")]
    command = ["rescore", "--task", "pope", "--predictions", "a.json", *named, *more]
    return CliRunner().invoke(app, command)


def document(*more: str, files: tuple[str, ...] = ("random", "popular")) -> dict[str, Any]:
    done = rescore(*more, "--json", files=files)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_mean_is_that_of_the_settings_and_not_pooled(folder: Path) -> None:
    found = document()
    by = found["breakdowns"]["setting"]
    singles = {name: document(files=(name,))["metrics"] for name in ASKED}
    for name in ("f1", "accuracy", "precision", "recall", "yes_ratio", "unparsed_rate"):
        own = [singles[setting][name]["value"] for setting in ASKED]
        assert [by[setting][f"mean_{name}"]["value"] for setting in ASKED] == own
        assert found["metrics"][f"mean_{name}"]["value"] == pytest.approx(sum(own) / 2)
    # f1 2/3 and 1/2; pooled 2 * 2 / (2 * 2 + 1 + 2) = 4/7. Accuracy 3/4 and 4/6; pooled 7/10.
    assert found["metrics"]["mean_f1"]["value"] == pytest.approx(7 / 12)
    assert found["metrics"]["mean_accuracy"]["value"] == pytest.approx(17 / 24)
    assert found["headline"] == "mean_f1"
    assert found["metrics"]["n"]["value"] == 10
    assert found["source"]["averaged"] == "mean of the settings random, popular, not pooled"


def test_each_setting_and_the_mean_are_printed(folder: Path) -> None:
    printed = rescore().stdout
    table = printed[printed.index("by setting") :]
    assert ["setting", "popular", "random"] in [line.split() for line in table.splitlines()]
    assert ["mean_f1", "0.5000", "0.6667"] in [line.split() for line in table.splitlines()]
    assert "mean: of the settings random, popular, not pooled" in printed


def test_rows_that_name_a_setting_answer_that_setting_only(folder: Path) -> None:
    rows = [
        row(n, thing, answer="Yes" if setting == "random" else "No", setting=setting)
        for setting, asked in ASKED.items()
        for n in (1, 2)
        for thing, _ in asked
    ]
    log(folder, rows)
    by = document()["breakdowns"]["setting"]
    assert [by[setting]["mean_yes_ratio"]["value"] for setting in ASKED] == [1.0, 0.0]
    log(folder, [{key: one[key] for key in one if key != "setting"} for one in rows])
    assert "two different answers" in str(rescore().exception)
    log(folder, [*rows[:-1], {key: v for key, v in rows[-1].items() if key != "setting"}])
    assert "1 of 10 rows name no setting, and the others do" in str(rescore().exception)
    log(folder, rows[:4])
    part = document()
    assert (part["headline"], part["metrics"]["coverage"]["value"]) == (None, 0.4)
    assert "no answer to the questions of popular" in part["reason"]


def test_files_without_one_setting_each_are_refused(folder: Path) -> None:
    text = (folder / "coco_random.json").read_text()
    (folder / "coco_random2.json").write_text(text)
    (folder / "coco_mine.json").write_text(text)
    twice = rescore(files=("random", "random2")).exception
    assert isinstance(twice, DataError)
    assert "two files hold the questions of the setting 'random'" in str(twice)
    none = rescore(files=("random", "mine")).exception
    assert isinstance(none, DataError)
    assert "a file of questions names no setting" in str(none)


def test_a_stored_mean_is_recomputed_from_its_records(folder: Path) -> None:
    assert rescore("--out", "results").exit_code == 0
    assert check_stored(folder / "results") == (1, [])
    (path,) = (folder / "results/rescored").rglob("*.json")
    stored = json.loads(path.read_text())
    stored["metrics"]["mean_f1"]["value"] = 4 / 7  # the pooled figure
    path.write_text(json.dumps(stored))
    assert any("mean_f1" in one.reason for one in check_stored(folder / "results")[1])
