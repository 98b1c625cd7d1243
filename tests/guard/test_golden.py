"""Golden measurements: made again, and every way in which they can stop being true."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import helpers_fake_model as fake
from headbench.cli import app
from headbench.errors import ConfigError, DataError, StoreError
from headbench.guard import golden
from headbench.guard.golden import check_golden, check_run, make_golden, read_golden, read_runs
from headbench.guard.pins import read_pins
from headbench.guard.stored_results import check_stored
from headbench.models import adapter_catalogue
from headbench.results.cell import Cell
from headbench.results.files import read_result, write_result
from helpers_fake_task import write_tasks

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results"
MASK = "mask_heads(heads=[[0,1]])"


@pytest.fixture(autouse=True)
def _fake_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "create", fake.FakeModel)
    monkeypatch.setitem(adapter_catalogue.SHIPPED, "fake", ("helpers_fake_model:create", ""))  # type: ignore[misc]


def write_runs(results: Path, *runs: dict[str, object]) -> Path:
    folder = write_tasks(results / "mine")
    shared = {"model": "fake", "controls": 0, "draws": 20, "include": [str(folder)]}
    (results / "measured").mkdir(exist_ok=True)
    listed = [{**shared, **run} for run in runs]
    (results / "measured" / "runs.yaml").write_text(yaml.safe_dump({"runs": listed}))
    return results


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder in which one run is golden."""
    write_runs(tmp_path, {"tasks": ["colours"], "interventions": [MASK]})
    make_golden(tmp_path)
    return tmp_path


def golden_cell(results: Path, condition: str = "baseline") -> Cell:
    return next(cell for key, cell in read_golden(results).items() if key[2].startswith(condition))


def path_of(cell: Cell) -> Path:
    assert cell.path is not None
    return cell.path


def rewrite(results: Path, change: Callable[[Cell], Cell]) -> None:
    """Change the golden baseline, files and digests included."""
    cell = golden_cell(results)
    path, cell = path_of(cell), Cell(cell.result, cell.entries)  # the records leave their file
    for old in path.parent.glob("baseline-*"):
        old.unlink()
    cell = change(cell)
    path = write_result(results / "scratch", cell.result, cell.entries)
    target = results / "measured/golden/fake-1/colours"
    for new in path.parent.glob("baseline-*"):
        shutil.copy(new, target)


def with_records(cell: Cell, number: int, **fields: object) -> Cell:
    """The cell with the first records changed."""
    entries = tuple(
        replace(entry, record=replace(entry.record, **fields), _text="")  # type: ignore[arg-type]
        if place < number
        else entry
        for place, entry in enumerate(cell.entries)
    )
    return Cell(cell.result, entries)


def faults(results: Path) -> list[str]:
    return [fault.reason for fault in golden.remeasure(results)[1]]


def test_golden_cells_can_be_made_again(results: Path) -> None:
    assert golden.remeasure(results) == (2, [])
    assert check_stored(results) == (2, [])
    assert not list((results / "measured").rglob("timing.json"))


def test_making_them_again_replaces_and_leaves_nothing_stale(results: Path) -> None:
    before = {path: path.read_bytes() for path in (results / "measured").rglob("*.gz")}
    write_runs(results, {"tasks": ["colours"]})
    assert "none of the runs gives this cell any more" in faults(results)[0]
    assert len(make_golden(results)) == 1
    after = {path: path.read_bytes() for path in (results / "measured").rglob("*.gz")}
    assert len(after) == 1 and after.items() < before.items()
    assert faults(results) == []


def test_a_cell_that_is_not_golden_is_named(results: Path) -> None:
    write_runs(results, {"tasks": ["colours", "twice"], "interventions": [MASK]})
    assert (
        len([reason for reason in faults(results) if "is not among the golden ones" in reason]) == 2
    )


@pytest.mark.parametrize(("flipped", "holds"), [(1, True), (2, False)])
def test_one_document_may_answer_otherwise_and_no_more(
    results: Path, flipped: int, holds: bool
) -> None:
    total = len(golden_cell(results).entries)
    assert int(total * 0.05) <= 1
    rewrite(results, lambda cell: with_records(cell, flipped, outputs=("other",)))
    found = [] if holds else [f"{flipped} of {total} documents answer otherwise; 1 may"]
    assert faults(results) == found


def test_the_same_answer_must_be_scored_the_same(results: Path) -> None:
    rewrite(results, lambda cell: with_records(cell, 1, parts={"hit": 0.5}))
    assert "1 documents answer the same and are scored otherwise" in faults(results)[0]


def test_the_last_bit_of_a_score_does_not_count(results: Path) -> None:
    def nudge(cell: Cell) -> Cell:
        first = cell.entries[0].record.parts
        bent = {
            name: value * (1 + 1e-13) if isinstance(value, float) else value
            for name, value in first.items()
        }
        return with_records(cell, 1, parts=bent)

    rewrite(results, nudge)
    assert faults(results) == []


def test_other_weights_are_another_model(results: Path) -> None:
    runs = yaml.safe_load((results / "measured/runs.yaml").read_text())
    runs["runs"][0]["model_args"] = {"weights": "w2"}
    (results / "measured/runs.yaml").write_text(yaml.safe_dump(runs))
    assert "weights was w1, and is now w2" in faults(results)


def test_a_task_that_moved_on_is_noticed_without_a_run(results: Path) -> None:
    result = golden_cell(results).result
    pins = {"colours": {"version": result.task.version, "prompt": result.task.prompt_hash}}
    assert check_golden(results, pins) == []
    pins["colours"]["version"] = "7"
    assert [fault.reason for fault in check_golden(results, pins)] == [
        f"measured under version {result.task.version} of its task, now 7: "
        "headbench guard --golden makes it again"
    ] * 2


def test_a_reference_model_that_moved_on_is_noticed(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden, "LATEST", {"fake": "fake-2"})
    assert "measured for fake-1, but fake is now fake-2" in check_golden(results, {})[0].reason


def test_what_cannot_be_golden_is_refused_and_leaves_what_was(results: Path) -> None:
    before = sorted((results / "measured/golden").rglob("*"))
    write_runs(results, {"tasks": ["colours"]}, {"tasks": ["colours"], "limit": 2})
    with pytest.raises(ConfigError, match="two runs give one cell: fake-1 / colours / baseline"):
        make_golden(results)
    write_runs(results, {"tasks": ["colours"], "interventons": [MASK]})
    with pytest.raises(DataError, match="interventons"):
        make_golden(results)
    (results / "measured/runs.yaml").unlink()
    with pytest.raises(DataError, match="cannot read"):
        make_golden(results)
    assert sorted((results / "measured/golden").rglob("*")) == before
    shutil.rmtree(results / "measured/golden")
    with pytest.raises(StoreError, match="there are no golden measurements"):
        read_golden(results)


def test_the_command_keeps_measures_and_fails_on_drift(results: Path) -> None:
    shutil.copytree(RESULTS / "published", results / "published")
    (results / "pins").mkdir()
    words = ["guard", "--results", str(results), "--data", str(results), "--without-data"]
    first = CliRunner().invoke(app, [*words, "--pin", "--golden", "--measure", "--json"])
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)["stored"] == {"results": 2, "made_again": 2, "faults": []}
    rewrite(results, lambda cell: with_records(cell, 3, outputs=("other",)))
    assert CliRunner().invoke(app, words).exit_code == 0  # nothing is run unless asked
    second = CliRunner().invoke(app, [*words, "--measure"])
    assert second.exit_code == 1
    assert "documents answer otherwise" in second.stdout
    assert "2 of them made again: 1 faults" in second.stdout


# ------------------------------------------------------------------ what the repository keeps


def test_the_repository_keeps_the_three_interventions_on_three_tasks() -> None:
    golden_cells = {
        (cell.result.task.name, cell.result.arm.name.partition("(")[0]): cell.result
        for cell in read_golden(RESULTS).values()
        if cell.result.model.adapter == "ref-vlm"
    }
    conditions = ("baseline", "mask_heads", "scale_heads", "vhr")
    assert set(golden_cells) == {
        (task, condition) for task in ("niah", "pope", "chair") for condition in conditions
    }
    inert = {key for key, result in golden_cells.items() if result.status == "inert"}
    assert inert == {("niah", "vhr")}
    assert "niah shows none" in golden_cells["niah", "vhr"].reason


def test_walls_and_labels_are_golden_far_from_floor_and_ceiling() -> None:
    golden_cells = {
        (cell.result.task.name, cell.result.arm.role): cell.result
        for cell in read_golden(RESULTS).values()
        if cell.result.model.adapter == "ref-lm-v2"
    }
    groups = golden_cells["walls", "baseline"].metrics["group_rate"].value
    rescue = golden_cells["stickiness", "baseline"].metrics["rescue"].value
    assert groups is not None and 0.05 < groups < 0.9
    assert rescue is not None and 0.1 < rescue < 0.9
    assert {status.status for status in golden_cells.values()} == {"ok"}


def test_what_the_repository_holds_is_whole_and_current(tmp_path: Path) -> None:
    for kind in ("measured/golden", "rescored"):
        shutil.copytree(RESULTS / kind, tmp_path / kind)
    stored, found = check_stored(tmp_path)
    assert stored >= 27 and found == []
    assert check_golden(RESULTS, read_pins(RESULTS / "pins" / "prompts.json")) == []


@pytest.mark.parametrize(("place", "limit"), [(1, 6), (2, 9), (3, 3)])
def test_the_reference_models_still_do_what_is_golden(place: int, limit: int) -> None:
    runs = read_runs(RESULTS)
    short = runs.runs[place].model_copy(update={"limit": limit, "draws": 20})
    made, found = check_run(short, read_golden(RESULTS), runs.flips)
    assert found == []
    assert len(made) == len(short.tasks) * (1 + len(short.interventions))


def test_a_newcomers_runs_do_not_show_in_the_working_tree() -> None:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")

    def ignored(path: str) -> bool:
        asked = ["git", "-C", str(ROOT), "check-ignore", "--no-index", "--quiet", path]
        return subprocess.run(asked, check=False).returncode == 0

    assert ignored("results/measured/ref-lm-v1/niah/baseline-00000000.json")
    assert ignored("results/.store/responses.jsonl")
    kept = next((RESULTS / "measured/golden").rglob("baseline-*.json"))
    assert read_result(kept).kind == "measured"
    assert not ignored(str(kept.relative_to(ROOT)))
    assert not ignored("results/measured/runs.yaml")


def test_a_cell_that_is_golden_twice_is_refused(results: Path) -> None:
    path = path_of(golden_cell(results))
    document = json.loads(path.read_text())
    twin = path.with_name(f"baseline-{'f' * 8}.json")
    twin.write_text(json.dumps(document))
    with pytest.raises(StoreError, match="the same result as"):
        read_golden(results)


def test_the_folder_of_before_is_read_and_replaced(results: Path) -> None:
    """It was called ``held``; whoever guards results of their own has one of that name."""
    old, new = results / "measured/held", results / "measured/golden"
    new.rename(old)
    assert faults(results) == [] and check_golden(results, {}) == []
    assert len(read_golden(results)) == 2
    make_golden(results)
    assert not list(old.rglob("*.json")) and len(read_golden(results)) == 2
    assert all(path_of(cell).is_relative_to(new) for cell in read_golden(results).values())


def test_the_flag_of_before_still_works_and_says_so(results: Path) -> None:
    (results / "pins").mkdir()
    words = ["guard", "--results", str(results), "--without-data", "--pin", "--hold"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "--hold is now called --golden" in done.stderr
