"""The guard compares like with like: n, parser, profile, prompt, setting; absent is no pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from headbench.cli import app
from headbench.guard.comparability import differences, unstated
from headbench.guard.printed_figures import Verdict, check_cells, compare
from headbench.guard.published_cells import NOT_STATED, PublishedCell, load_cells
from headbench.results.recipe import Facts

PUBLISHED = Path(__file__).resolve().parents[2] / "results" / "published"
CAPTIONS = [{"image_id": at, "prompt": "Describe it.", "caption": "A dog."} for at in range(4)]
OBJECTS = {str(at): ["dog"] for at in range(4)}


def paper(row: dict[str, Any] | None = None, **table: object) -> dict[str, Any]:
    recipe = {"kind": "chair", "predictions": "c.json", "ground_truth": "t.json"}
    shown = {"model": "m", "cells": {"chair_s": "0.0"}, "recipe": recipe, **(row or {})}
    return {
        "paper": "A paper",
        "arxiv": None,
        "source": "a repository",
        "tables": [
            {
                "table": "Table 1",
                "task": "chair",
                "grade": "P",
                "n": 4,
                "prompt": "Describe it.",
                "profile": "chair-2018",
                "rows": [shown],
                **table,
            }
        ],
    }


def cell_of(folder: Path, said: dict[str, Any]) -> PublishedCell:
    (folder / "published").mkdir(exist_ok=True)
    (folder / "published/paper.yaml").write_text(yaml.safe_dump(said))
    return load_cells(folder / "published")[0]


def checked(folder: Path, said: dict[str, Any]) -> Verdict:
    (folder / "c.json").write_text(json.dumps(CAPTIONS))
    (folder / "t.json").write_text(json.dumps(OBJECTS))
    return check_cells([cell_of(folder, said)], folder)[0]


def test_what_speaks_of_the_same_holds(tmp_path: Path) -> None:
    found = checked(tmp_path, paper())
    assert (found.status, found.reason, found.unstated) == ("holds", "", ())


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"n": 500}, "n is 500 in the cell, 4 in the files"),
        ({"prompt": "Describe it briefly."}, "1 of 1 prompts in the files are not the cell's"),
        ({"parser": "pope_ref"}, "parser is pope_ref in the cell, verbatim@1 in the recomputation"),
    ],
)
def test_what_speaks_of_something_else_drifts_though_the_figure_is_the_same(
    tmp_path: Path, table: dict[str, object], reason: str
) -> None:
    found = checked(tmp_path, paper(**table))
    assert (found.status, found.fails, found.drift) == ("drifts", True, 0.0)
    assert reason in found.reason


def test_what_a_cell_does_not_state_is_named(tmp_path: Path) -> None:
    silent = paper(n=None, prompt=None, profile=None)
    assert checked(tmp_path, silent).unstated == ("n", "profile", "prompt")
    said = paper(n=NOT_STATED, prompt=NOT_STATED, profile=NOT_STATED)
    found = checked(tmp_path, said)
    assert (found.status, found.unstated) == ("holds", ("n", "profile", "prompt"))


def test_further_wordings_belong_to_the_cell(tmp_path: Path) -> None:
    asked = {"prompt": "Describe the picture."}
    assert checked(tmp_path, paper(**asked)).status == "drifts"
    assert checked(tmp_path, paper(**asked, also_asked=["Describe it."])).status == "holds"
    row = {"also_asked": ["Describe it."]}
    assert checked(tmp_path, paper(row, **asked)).status == "holds"


@pytest.mark.parametrize(
    ("prompt", "same"),
    [
        ("Is there a dog in the image?", True),
        ("<image>\nIs there an apple  in the image?", True),
        ("Is there a traffic light in the image?", True),
        ("Is there a dog in the imange?", False),
        ("is there a dog in the image?", False),
        ("Is there a dog in the image? Briefly.", False),
    ],
)
def test_prompts_with_a_place_for_the_object(tmp_path: Path, prompt: str, same: bool) -> None:
    cell = cell_of(tmp_path, paper(profile=None, prompt="Is there a {object} in the image?"))
    assert (not list(differences(cell, Facts(4, prompts=(prompt,))))) is same


@pytest.mark.parametrize(
    ("task", "table", "settings", "other"),
    [
        ("pope_coco_random", {}, ("random",), False),
        ("pope_coco_random", {}, ("adversarial",), True),
        ("pope_coco_random", {}, ("random", "popular"), True),
        ("pope_coco_random", {}, (), False),
        ("pope", {"setting": "popular"}, ("popular",), False),
        ("pope", {"setting": "popular"}, ("random",), True),
    ],
)
def test_the_setting_stands_in_the_cell_or_in_its_task(
    tmp_path: Path, task: str, table: dict[str, object], settings: tuple[str, ...], other: bool
) -> None:
    cell = cell_of(tmp_path, paper(task=task, profile=None, **table))
    assert bool(list(differences(cell, Facts(4, settings=settings)))) is other
    silent = cell_of(tmp_path, paper(task="pope", profile=None))
    assert unstated(silent, Facts(4, settings=("random",))) == ("setting",)


def test_pope_files_name_their_setting_and_joins_need_a_word(tmp_path: Path) -> None:
    asked = [
        {"question_id": at, "image": f"{at}.jpg", "text": "Is there a dog?", "label": label}
        for at, label in enumerate(("yes", "no"))
    ]
    said = [{"question_id": at, "answer": text} for at, text in enumerate(("Yes", "No"))]
    (tmp_path / "pope_random.json").write_text(json.dumps(asked))
    (tmp_path / "a.json").write_text(json.dumps(said))
    recipe = {"kind": "pope", "predictions": "a.json", "questions": "pope_random.json"}
    row = {"cells": {"f1": "1.0"}, "recipe": recipe}
    table = {"task": "pope_random", "n": 2, "parser": "pope_ref", "profile": None, "prompt": None}
    weak = check_cells([cell_of(tmp_path, paper(row, **table))], tmp_path)[0]
    assert weak.status == "error" and "joined by id only" in weak.reason
    row["recipe"] = {**recipe, "join": "id"}
    assert check_cells([cell_of(tmp_path, paper(row, **table))], tmp_path)[0].status == "holds"
    table["task"] = "pope_popular"
    other = check_cells([cell_of(tmp_path, paper(row, **table))], tmp_path)[0]
    assert (other.status, other.reason) == (
        "drifts", "setting is popular in the cell, random in the files",
    )  # fmt: skip


def test_a_profile_is_named_with_or_without_its_version(tmp_path: Path) -> None:
    for said, used, same in (
        ("chair-2018", "chair-2018@1", True),
        ("chair-2018@1", "chair-2018@1", True),
        ("chair-2018@1", "chair-2018@2", False),
        ("chair-2018", "chair-clean@1", False),
        ("chair-2018", None, False),
    ):
        cell = cell_of(tmp_path, paper(profile=said))
        assert (not list(differences(cell, Facts(4, profile=used)))) is same


def test_absent_outputs_are_no_pass(tmp_path: Path) -> None:
    cell = cell_of(tmp_path, paper())
    for data in (tmp_path, None):
        found = check_cells([cell], data)[0]
        assert (found.status, found.fails) == ("absent", True)
        assert not check_cells([cell], data, without_data=True)[0].fails
    second_hand = cell_of(tmp_path, paper(grade="S"))
    assert not check_cells([second_hand], tmp_path)[0].fails


def test_the_command_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADBENCH_DATA", raising=False)
    cell_of(tmp_path, paper())
    assert CliRunner().invoke(app, ["guard", "--results", str(tmp_path), "--pin"]).exit_code == 1
    done = CliRunner().invoke(app, ["guard", "--results", str(tmp_path)])
    assert done.exit_code == 1
    assert "1 figures fail because their recorded outputs are absent" in done.stdout
    passed = CliRunner().invoke(app, ["guard", "--results", str(tmp_path), "--without-data"])
    assert passed.exit_code == 0 and "are absent" not in passed.stdout


def test_figures_without_facts_are_compared_as_before(tmp_path: Path) -> None:
    cell = cell_of(tmp_path, paper())
    assert compare(cell, {"chair_s": (0.0, "fraction")}).status == "holds"


def test_the_shipped_cells_say_what_they_do_not_state() -> None:
    """One recomputed row names neither its size nor its parser, and says so."""
    rows = {id(cell.row): cell for cell in load_cells(PUBLISHED) if cell.row.recipe is not None}
    silent = [cell for cell in rows.values() if cell.n == NOT_STATED]
    assert [(cell.file, cell.table.table, cell.table.parser) for cell in silent] == [
        ("llava15", "Table 4", NOT_STATED)
    ]
    assert all(cell.n is not None for cell in rows.values())
