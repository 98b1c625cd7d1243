"""Figures of our own: held against change like published ones, and never taken for them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from headbench.cli.guard import guard
from headbench.errors import DataError
from headbench.guard.printed_figures import check_cells
from headbench.guard.published_cells import load_cells, load_pinned

ROOT = Path(__file__).resolve().parents[2]
PINS = ROOT / "results" / "pins"
READING = "Natural Stories, mean reading times"


def pinned(folder: Path, change: dict[str, Any]) -> Path:
    """The pins with the first row of the second table changed."""
    paper = yaml.safe_load((PINS / "brain.yaml").read_text(encoding="utf-8"))
    paper["tables"][1]["rows"][0].update(change)
    folder.mkdir(exist_ok=True)
    (folder / "brain.yaml").write_text(yaml.safe_dump(paper), encoding="utf-8")
    return folder


def run(*options: str) -> Any:
    app = typer.Typer()
    app.command()(guard)
    return CliRunner().invoke(app, list(options))


def test_the_packaged_human_data_give_every_pinned_figure_without_a_data_folder() -> None:
    verdicts = check_cells(load_pinned(PINS), None, without_data=True)
    here = [one for one in verdicts if one.cell.table.table != READING]
    assert len(here) == 18
    assert [one.status for one in here] == ["holds"] * 18
    elsewhere = [one for one in verdicts if one.cell.table.table == READING]
    assert [one.status for one in elsewhere] == ["absent"] * 7  # not recomputed, and counted so
    assert not any(one.fails for one in verdicts)


@pytest.mark.real
def test_reading_times_give_the_pinned_figures(real_data: Path) -> None:
    verdicts = [
        one for one in check_cells(load_pinned(PINS), real_data) if one.cell.table.table == READING
    ]
    assert [one.status for one in verdicts] == ["holds"] * 7


def test_a_pinned_figure_that_moves_fails(tmp_path: Path) -> None:
    folder = pinned(tmp_path / "pins", {"cells": {"r": "0.814"}})
    verdicts = check_cells(load_pinned(folder), None, without_data=True)
    moved = [one for one in verdicts if one.status == "drifts"]
    assert [(one.cell.metric, one.fails) for one in moved] == [("r", True)]


@pytest.mark.parametrize(
    "recipe", [{"kind": "alternate_uses", "scorer": "gpt9"}, {"kind": "rdm92", "model": "V9"}]
)
def test_a_recipe_names_what_the_packaged_data_hold(recipe: dict, tmp_path: Path) -> None:
    folder = pinned(tmp_path / "pins", {"recipe": recipe})
    wrong = [one for one in check_cells(load_pinned(folder), None) if one.status == "error"]
    assert {one.fails for one in wrong} == {True}
    assert all("in the packaged data" in one.reason for one in wrong)


def test_published_and_pinned_figures_cannot_change_places(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="stands among the published cells"):
        load_cells(PINS)
    published = ROOT / "results" / "published" / "aut.yaml"
    shutil.copy(published, tmp_path)
    with pytest.raises(DataError, match="a pinned figure is graded 'own'"):
        load_pinned(tmp_path)
    folder = pinned(tmp_path / "pins", {"recipe": None})
    with pytest.raises(DataError, match="has a recipe"):
        load_pinned(folder)


def test_the_command_says_which_figures_are_our_own_and_which_are_fitted(tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(PINS, results / "pins")
    found = run("--results", str(results), "--without-data", "--json")
    assert found.exit_code == 0, found.output
    figures = json.loads(found.output)["figures"]
    assert {one["grade"] for one in figures} == {"own"} and len(figures) == 25
    assert {one["cell"].split(" / ")[-1] for one in figures if one["fitted"]} == {
        "length",
        "n",
        "surprisal",
        "earlier",
        "later",
    }
    said = run("--results", str(results), "--without-data").output
    assert "0 published cells: none" in said
    assert "25 pinned figures of our own, 5 of them by a fitted definition: " in said.replace(
        "\n", " "
    )
    assert run("--results", str(results), "--without-data", "--all").output.count("(fitted:") == 5
    pinned(results / "pins", {"cells": {"r": "0.900"}})
    assert run("--results", str(results), "--without-data").exit_code == 1
