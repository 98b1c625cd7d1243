"""``headbench compare`` of folders and of more than two results: pairs, one family, formats."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import headbench
from headbench.cli import app
from headbench.models import adapter_catalogue
from headbench.results.cell import read_cell
from headbench.results.compare_many import ManyComparisons, compare_many
from headbench.results.comparison import compare_cells
from headbench.results.frame import COLUMNS
from headbench.statistics import holm
from helpers_fake_task import write_tasks

SWEEP = "scale_heads(heads=[[0,1]],alpha=[0.5,2,3])"
HOSTILE = "[/foo] <b>|& \\input{x} =1+1"


@pytest.fixture(autouse=True, scope="module")
def _fake_model() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(adapter_catalogue.SHIPPED, "fake", ("helpers_fake_model:create", ""))  # type: ignore[misc]
        yield


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same run on two models."""
    home = tmp_path_factory.mktemp("many")
    tasks = str(write_tasks(home / "tasks"))
    for weights in ("w1", "w2"):
        headbench.run(
            ["colours", "twice"], SWEEP, model="fake", model_args={"weights": weights},
            include=(tasks,), controls="all", draws=200, out=home / weights,
        )  # fmt: skip
    return home / "w1", home / "w2"


def compare(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["compare", *map(str, words)], env={"COLUMNS": "400"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return 2, done.stdout, str(done.exception)
    return done.exit_code, done.stdout, done.stderr


def cell_files(folder: Path, task: str = "colours") -> list[Path]:
    """The baseline and the interventions of a task, in order."""
    found = [
        (document["arm"]["role"] != "baseline", document["arm"]["name"], path)
        for path in (folder / "measured/fake-1" / task).glob("*.json")
        for document in [json.loads(path.read_text())]
        if document["arm"]["role"] != "control"
    ]
    return [path for _, _, path in sorted(found)]


# ------------------------------------------------------------------ which pairs


def test_one_folder_is_compared_within_its_run_with_its_ranks(folders: tuple[Path, Path]) -> None:
    (run,) = headbench.load(folders[0]).runs
    found = compare_many([folders[0]])
    assert found.comparisons == list(run.comparisons) and found.left_out == ()
    assert all(one.main.rank for one in found.comparisons)
    code, out, _ = compare(folders[0])
    assert code == 0 and "p adj: Holm over 6 tests" in out and "of 4" in out
    assert "baseline: the baseline of each run and task" in out


def test_all_pairs_that_are_shown_are_one_family(folders: tuple[Path, Path]) -> None:
    found = compare_many(cell_files(folders[0]))
    raw = [c.main.paired.p for c in found.comparisons if c.main.paired is not None]
    assert len(raw) == 3 and {c.family for c in found.comparisons} == {3}
    assert tuple(c.main.holm for c in found.comparisons) == holm(raw)
    base = cell_files(folders[0])[0]
    code, out, _ = compare(*cell_files(folders[0]))
    assert code == 0 and "p adj: Holm over 3 tests" in out and f"baseline: A = {base}" in out
    assert [pair.label for pair in found.pairs] == ["B", "C", "D"]
    both = Path(base).parents[2].parent
    shutil.copytree(folders[1] / "measured/fake-1", both / "measured/fake-2", dirs_exist_ok=True)
    try:  # two runs in one folder, twelve tests in one table
        assert {c.family for c in compare_many([both]).comparisons} == {12}
        assert {c.family for c in headbench.load(both).comparisons} == {6}
    finally:
        shutil.rmtree(both / "measured/fake-2")


def test_folders_are_paired_by_task_and_condition(folders: tuple[Path, Path]) -> None:
    found = compare_many(folders)
    assert len(found.pairs) == 8 and found.left_out == ()
    for pair in found.pairs:
        assert pair.base.result.task.name == pair.other.result.task.name
        assert pair.base.result.arm.name == pair.other.result.arm.name
        assert pair.comparison.main.rank is None
    code, out, _ = compare(*folders)
    assert code == 0 and f"A = {folders[0]}" in out and f"B = {folders[1]}" in out
    assert "B colours baseline differs in: model.identity.weights" in out


def test_what_has_no_partner_is_left_out_by_name(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    shutil.copytree(folders[1], tmp_path / "out")
    for path in cell_files(tmp_path / "out", "twice"):
        path.with_name("x.json").write_text("{")  # a broken file is no reason to stop
    first = cell_files(folders[0])[:1]
    found = compare_many([*first, tmp_path / "out"])
    assert len(found.pairs) == 4  # every condition of colours with the one cell of A
    reasons = [one.reason for one in found.left_out]
    assert sum("no result of task 'twice'" in one for one in reasons) == 4
    assert sum("not a JSON file" in one for one in reasons) == 1
    code, out, _ = compare(first[0], tmp_path / "out")
    assert code == 0 and out.count("left out: ") == 5


def test_what_cannot_be_compared_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    base, other, *_ = cell_files(folders[0])
    code, _, told = compare(base)
    assert code == 2 and "one result file has nothing to be compared with" in told
    code, _, told = compare(base, other, tmp_path / "none.json")
    assert code == 2 and "no such file or folder" in told
    (tmp_path / "broken.json").write_text("{")
    code, _, told = compare(base, other, tmp_path / "broken.json")
    assert code == 2 and "not a JSON file" in told
    code, _, told = compare(base, *cell_files(folders[0], "twice"))
    assert code == 2 and "nothing here can be compared" in told and "no result of task" in told
    (tmp_path / "empty").mkdir()
    code, _, told = compare(tmp_path / "empty")
    assert code == 2 and "nothing here can be compared" in told


def test_two_files_keep_their_meaning(folders: tuple[Path, Path]) -> None:
    base, other, *_ = cell_files(folders[0])
    code, out, _ = compare(base, other)
    assert code == 0 and "one pair was compared: p is not adjusted" in out
    assert f"A = {base}" in out and "the runs differ in" in out
    plain = json.loads(compare(base, other, "--json")[1])
    assert plain == json.loads(compare(base, other, "--format", "json")[1])
    assert set(plain) >= {"task", "a", "b", "metrics", "differs"} and plain["family"] == 1


def test_what_cannot_be_computed_again_is_said(folders: tuple[Path, Path]) -> None:
    base, other = (read_cell(path) for path in cell_files(folders[0])[:2])
    told = "mine: no metric of that name is known here"
    found = compare_cells(replace(base, unchecked=(told,)), other, ())
    assert found.unchecked == (told,)


def test_a_note_that_several_conditions_share_is_printed_once(folders: tuple[Path, Path]) -> None:
    _, out, _ = compare(folders[0])
    notes = [line for line in out.splitlines() if line.startswith("note: ")]
    assert notes and len(notes) == len(set(notes))


def test_a_shared_baseline_stands_in_the_run_that_it_is_compared_in(tmp_path: Path) -> None:
    tasks = str(write_tasks(tmp_path / "tasks"))
    for factor in (0.5, 2):
        headbench.run(
            ["colours"], f"scale_heads(heads=[[0,1]],alpha={factor})", model="fake",
            include=(tasks,), controls=0, draws=200, out=tmp_path / "out",
        )  # fmt: skip
    first, *_ = rows = list(compare_many([tmp_path / "out"]).rows())
    compared = next(row for row in rows if row["condition"] != "baseline")
    assert first["condition"] == "baseline" and first["run"] == compared["run"]
    assert len({row["run"] for row in rows}) == 2


def test_letters_go_on_after_z() -> None:
    assert [ManyComparisons.letter(n) for n in (0, 25, 26, 53)] == ["A", "Z", "A1", "B2"]


# ------------------------------------------------------------------ formats


def test_csv_and_json_say_what_the_frame_says(folders: tuple[Path, Path]) -> None:
    code, out, told = compare(folders[0], "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0 and list(rows[0]) == list(COLUMNS)
    assert "baseline: the baseline of each run and task" in told  # beside the table, not in it
    code, out, _ = compare(folders[0], "--format", "json")
    document = json.loads(out)
    assert (document["family"], document["left_out"]) == (6, [])
    frame = headbench.load(folders[0]).rows()
    assert len(rows) == len(document["rows"]) == len(frame)
    for text, plain in zip(rows, document["rows"], strict=True):
        (same,) = [r for r in frame if (r["id"], r["metric"]) == (plain["id"], plain["metric"])]
        assert plain == same
        for column, value in plain.items():
            shown = "" if value is None else str(value)
            assert text[column].removeprefix("'") == shown


def test_markdown_and_latex_hold_the_rows_of_the_table(folders: tuple[Path, Path]) -> None:
    _, out, told = compare(folders[0], "--format", "markdown")
    lines = out.splitlines()
    assert len(lines) == 2 + 6 and lines[0].startswith("| model | task | condition | metric |")
    assert "baseline: " in told and "baseline: " not in out
    _, out, _ = compare(*folders, "--format", "latex")
    assert out.startswith("\\begin{tabular}{") and out.count("\\\\\n") == 1 + 8
    assert r"scale\_heads(alpha=0.5" in out


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "latex", "json"])
def test_a_hostile_name_is_data_in_every_format(
    folders: tuple[Path, Path], tmp_path: Path, form: str
) -> None:
    for folder in folders:
        shutil.copytree(folder, tmp_path / folder.name)
    for path in tmp_path.rglob("measured/**/*.json"):
        document = json.loads(path.read_text())
        if "schema_version" in document:
            document["model"]["name"] = f"{HOSTILE}\x1b[2J\u202e"
            document["task"]["name"] += "[/bar]\x1b[2J"
            path.write_text(json.dumps(document))
    code, out, told = compare(*(tmp_path / folder.name for folder in folders), "--format", form)
    assert code == 0, told
    assert "\x1b" not in told
    assert "\x1b" not in out and "\u202e" not in out
    if form == "latex":
        assert "\\input" not in out
    if form == "markdown":
        assert not re.search(r"(?<!\\)<b>", out)
    if form == "json":
        assert json.loads(out)["rows"][0]["model"].startswith(HOSTILE)
