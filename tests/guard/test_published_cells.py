"""Published cells: the form of the files, comparison to the printed digit, impossible figures."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from headbench.errors import DataError
from headbench.guard.printed_figures import check_cells, compare, impossible
from headbench.guard.published_cells import PublishedCell, load_cells

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "results" / "published"

PAPER: dict[str, Any] = {
    "paper": "A paper",
    "arxiv": "0000.00000",
    "source": "a repository",
    "tables": [
        {
            "table": "Table 3",
            "task": "pope",
            "grade": "P",
            "n": 3000,
            "parser": "pope_ref",
            "percent": True,
            "rows": [
                {
                    "model": "LLaVA",
                    "cells": {
                        "accuracy": "54.43",
                        "precision": "52.32",
                        "recall": "99.80",
                        "f1": "68.65",
                        "yes_ratio": "95.37",
                    },
                    "recipe": {
                        "kind": "confusion",
                        "tp": 1497,
                        "fp": 1364,
                        "positives": 1500,
                        "negatives": 1500,
                    },
                }
            ],
        }
    ],
}


def cells_of(folder: Path, paper: object) -> tuple[PublishedCell, ...]:
    (folder / "paper.yaml").write_text(yaml.safe_dump(paper))
    return load_cells(folder)


def changed(**row: object) -> dict[str, Any]:
    paper = copy.deepcopy(PAPER)
    paper["tables"][0]["rows"][0].update(row)
    return paper


def test_a_row_holds_to_the_printed_digit(tmp_path: Path) -> None:
    verdicts = check_cells(cells_of(tmp_path, PAPER), None)
    assert [one.status for one in verdicts] == ["holds"] * 5
    assert not any(one.fails for one in verdicts)


def test_another_count_drifts_and_fails(tmp_path: Path) -> None:
    recipe = {**PAPER["tables"][0]["rows"][0]["recipe"], "tp": 1496}
    verdicts = check_cells(cells_of(tmp_path, changed(recipe=recipe)), None)
    assert {one.status for one in verdicts} == {"drifts"}
    assert all(one.fails for one in verdicts)
    paper = changed(recipe=recipe)
    paper["tables"][0]["grade"] = "S"
    second_hand = check_cells(cells_of(tmp_path, paper), None)
    assert {one.status for one in second_hand} == {"drifts"}
    assert not any(one.fails for one in second_hand)


@pytest.mark.parametrize(
    ("printed", "value", "tolerance", "status"),
    [
        ("36.2", 0.3625, None, "holds"),  # halves round to even, as papers print
        ("36.3", 0.3625, None, "drifts"),
        ("15.0", 0.15, None, "holds"),
        ("15", 0.1549, None, "holds"),
        ("45.0", 0.4519, 0.2, "holds"),
        ("45.0", 0.4521, 0.2, "drifts"),
    ],
)
def test_digits_and_tolerances(
    tmp_path: Path, printed: str, value: float, tolerance: float | None, status: str
) -> None:
    paper = changed(cells={"recall": printed}, tolerance=tolerance)
    cell = cells_of(tmp_path, paper)[0]
    assert compare(cell, {"recall": (value, "fraction")}).status == status
    assert compare(cell, {"other": (value, "fraction")}).status == "error"
    assert compare(cell, None).status == "absent"
    assert not compare(cell, None).fails


@pytest.mark.parametrize(
    "cells",
    [
        {"accuracy": "101.2"},
        {"chair_s": "-3.0"},
        {"n": "2999"},
        {"tp": "3.5"},
        {"precision": "52.32", "recall": "99.80", "f1": "70.00"},
    ],
)
def test_impossible_figures_fail(tmp_path: Path, cells: dict[str, str]) -> None:
    found = cells_of(tmp_path, changed(cells=cells, recipe=None))
    assert [bool(impossible(cell)) for cell in found].count(True) == 1
    assert any(one.fails for one in check_cells(found, None))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"cells": {"f1": 68.65}}, "string"),
        ({"cells": {"f1": "about 68"}}, "quoted numbers"),
        ({"cells": {}}, "quoted numbers"),
        ({"recipe": {"kind": "guess"}}, "recipe"),
        ({"valu": "3"}, "valu"),
    ],
)
def test_broken_files_name_their_fault(
    tmp_path: Path, change: dict[str, object], problem: str
) -> None:
    with pytest.raises(DataError, match=problem):
        cells_of(tmp_path, changed(**change))


def test_a_row_may_stand_once(tmp_path: Path) -> None:
    paper = copy.deepcopy(PAPER)
    paper["tables"][0]["rows"] *= 2
    with pytest.raises(DataError, match="twice"):
        cells_of(tmp_path, paper)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no published cells"):
        load_cells(tmp_path / "empty")
    assert load_cells(tmp_path / "absent") == ()


def test_recipes_stay_inside_the_data_folder(tmp_path: Path) -> None:
    recipe = {"kind": "humans", "walls": "../../etc/hosts"}
    verdicts = check_cells(
        cells_of(tmp_path, changed(cells={"n": "3000"}, recipe=recipe)), tmp_path
    )
    assert verdicts[0].status == "error"
    assert "outside the data folder" in verdicts[0].reason


def test_the_shipped_cells_are_many_graded_and_possible() -> None:
    cells = load_cells(PUBLISHED)
    assert len(cells) >= 120
    assert {cell.table.grade for cell in cells} <= {"P", "C"}
    assert not [cell.name for cell in cells if impossible(cell)]
    # Table 3 of the POPE paper needs no file: 15 pairs of counts give 75 figures.
    pope = [cell for cell in cells if getattr(cell.row.recipe, "kind", "") == "confusion"]
    verdicts = check_cells(pope, None)
    assert len(verdicts) == 75
    assert {one.status for one in verdicts} == {"holds"}
