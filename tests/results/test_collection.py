"""A folder of results: every figure of a run's table from files alone, and nothing that breaks."""

from __future__ import annotations

import gc
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import headbench
from headbench.errors import StoreError
from headbench.models import adapter_catalogue
from headbench.results.collection import Collection
from headbench.results.frame import COLUMNS
from headbench.running.execute import RunOutcome
from headbench.running.outcome_table import print_outcome
from helpers_fake_task import write_tasks

GOLDEN = Path(__file__).resolve().parents[2] / "results" / "measured" / "golden"
SWEEP = "scale_heads(heads=[[0,1]],alpha=[0.5,2])"
HOSTILE = "<script>alert(1)</script>\u202e=HYPERLINK()"


@pytest.fixture(autouse=True, scope="module")
def _fake_model() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(adapter_catalogue.SHIPPED, "fake", ("helpers_fake_model:create", ""))  # type: ignore[misc]
        yield


def run(out: Path, interventions: str | list[str], *tasks: str, controls: int = 3) -> RunOutcome:
    folder = write_tasks(out.parent / "tasks")
    return headbench.run(
        list(tasks or ("colours", "twice")), interventions, model="fake", include=(str(folder),),
        controls=controls, draws=200, out=out,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run of two strengths on two tasks wrote its files; the outcome itself is gone."""
    out = tmp_path_factory.mktemp("made") / "out"
    run(out, SWEEP)
    gc.collect()
    return out


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    shutil.copytree(made, tmp_path / "out")
    return tmp_path / "out"


def printed(outcome: RunOutcome) -> str:
    text = io.StringIO()
    print_outcome(outcome, Console(file=text, width=400), full=True)
    return text.getvalue()


def cell_file(folder: Path, task: str, name: str) -> Path:
    """The result file of a condition: ``baseline``, ``0.5`` or ``2#1``, its second control."""
    strength, _, draw = name.partition("#")
    full = name if name == "baseline" else f"scale_heads(alpha={strength},heads=[[0,1]])"
    full += f"#control-{draw}" if draw else ""
    paths = (folder / "measured/fake-1" / task).glob("*.json")
    return next(path for path in paths if json.loads(path.read_text())["arm"]["name"] == full)


# ------------------------------------------------------------------ from files alone


def test_every_cell_of_the_printed_table_comes_from_the_files(tmp_path: Path) -> None:
    outcome = run(tmp_path / "out", SWEEP)
    shown, comparisons = printed(outcome), outcome.comparisons
    assert "adjusted" in shown or "of 4" in shown  # there is a rank to recover
    bare = replace(outcome, run=replace(outcome.run, cells=()))
    del outcome
    loaded = headbench.load(tmp_path / "out")
    (again,) = loaded.runs
    assert printed(replace(bare, run=again)) == shown
    assert again.comparisons == comparisons
    assert loaded.not_shown == () and loaded.not_compared == () and again.missing == ()


def test_a_run_keeps_its_table_when_a_later_one_writes_its_cells_again(tmp_path: Path) -> None:
    """Both share the baseline and one strength; the files carry the spec of the later run."""
    first = run(tmp_path / "out", SWEEP)
    second = run(tmp_path / "out", "scale_heads(heads=[[0,1]],alpha=[2,3,4])", "colours")
    runs = {one.digest: one for one in headbench.load(tmp_path / "out").runs}
    assert set(runs) == {first.spec.digest, second.spec.digest}
    for outcome in (first, second):
        found = runs[outcome.spec.digest]
        assert found.comparisons[0].family == outcome.comparisons[0].family
        for now, then in zip(found.comparisons, outcome.comparisons, strict=True):
            assert now.lines == then.lines
            assert now.main.holm == then.main.holm and now.main.rank == then.main.rank


def test_a_run_keeps_its_ranks_when_a_later_one_draws_other_controls(tmp_path: Path) -> None:
    edit = "scale_heads(heads=[[0,1]],alpha=2)"
    outcomes = [run(tmp_path / "out", edit, "colours", controls=count) for count in (3, 2, 0)]
    runs = {one.digest: one for one in headbench.load(tmp_path / "out").runs}
    for outcome, of in zip(outcomes, (4, 3, None), strict=True):
        (now,), (then,) = runs[outcome.spec.digest].comparisons, outcome.comparisons
        assert now.note == "" and now.lines == then.lines
        assert now.other.arm.controls == then.other.arm.controls
        assert (now.main.rank.of if now.main.rank else None) == of


def test_what_a_run_cannot_compare_is_printed(tmp_path: Path) -> None:
    outcome = run(tmp_path / "out", SWEEP, "colours")
    alone = tuple(cell for cell in outcome.run.cells if cell.result.arm.role != "baseline")
    shown = printed(replace(outcome, run=replace(outcome.run, cells=alone)))
    assert shown.count("not compared: ") == 2 and "is not among the files" in shown


def test_without_its_list_a_run_is_what_carries_its_digest(folder: Path) -> None:
    listed = headbench.load(folder).runs[0]
    (path,) = (folder / "measured/fake-1").glob("run-*.json")
    path.unlink()
    (found,) = headbench.load(folder).runs
    assert found.listed is False and listed.listed is True
    assert [c.result.id for c in found.cells] == [c.result.id for c in listed.cells]
    assert found.comparisons == listed.comparisons


def test_without_lists_a_shared_baseline_is_found_in_the_file_of_another_run(
    tmp_path: Path,
) -> None:
    first = run(tmp_path / "out", "scale_heads(heads=[[0,1]],alpha=0.5)", "colours")
    second = run(tmp_path / "out", "scale_heads(heads=[[0,1]],alpha=3)", "colours")
    for path in (tmp_path / "out/measured/fake-1").glob("run-*.json"):
        path.unlink()
    runs = {one.digest: one for one in headbench.load(tmp_path / "out").runs}
    for outcome in (first, second):
        found = runs[outcome.spec.digest]
        assert [one.lines for one in found.comparisons] == [
            one.lines for one in outcome.comparisons
        ]


def test_two_states_of_one_task_keep_their_own_baselines_and_controls(tmp_path: Path) -> None:
    """The task was edited between two runs of one spec: every id differs, the names do not."""
    outcomes = [run(tmp_path / "out", SWEEP, "colours")]
    task = tmp_path / "tasks" / "colours.yaml"
    edited = task.read_text().replace("version: 1", "version: 2").replace("question |", "id |")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("helpers_fake_task.SIMPLE", edited)
        outcomes.append(run(tmp_path / "out", SWEEP, "colours"))
    (path,) = (tmp_path / "out/measured/fake-1").glob("run-*.json")
    path.unlink()
    (found,) = headbench.load(tmp_path / "out").runs
    assert len({c.base.id for c in found.comparisons}) == 2 and found.not_compared == ()
    again = {one.other.id: one for one in found.comparisons}
    for outcome in outcomes:
        for then in outcome.comparisons:
            now = again[then.other.id]
            assert now.base.id == then.base.id
            assert now.main.rank == then.main.rank and now.main.against == then.main.against
    assert {one.family for one in found.comparisons} == {4}  # what is shown together


def test_the_golden_cells_of_the_repository_are_runs(tmp_path: Path) -> None:
    runs = headbench.load(GOLDEN, check=False).runs
    assert sum(len(one.comparisons) for one in runs) >= 11
    assert all(one.not_compared == () for one in runs)


# ------------------------------------------------------------------ what is missing


def test_a_rank_is_not_made_of_some_of_the_controls(folder: Path) -> None:
    cell_file(folder, "colours", "2#1").unlink()
    (found,) = headbench.load(folder).runs
    (lost,) = found.missing
    assert lost.startswith("colours / scale_heads") and lost.endswith("#control-1")
    told = {(c.other.task.name, c.other.arm.name[12:19]): c for c in found.comparisons}
    short = told["colours", "alpha=2"]
    assert short.main.rank is None and short.main.against is None
    assert "3 controls were drawn, and 2 are here" in short.note
    assert all(one.main.rank for key, one in told.items() if key != ("colours", "alpha=2"))


def test_an_intervention_without_its_baseline_is_named(folder: Path) -> None:
    cell_file(folder, "twice", "baseline").unlink()
    (found,) = headbench.load(folder).runs
    assert [c.other.task.name for c in found.comparisons] == ["colours", "colours"]
    assert {one.path.parent.name for one in found.not_compared} == {"twice"}
    assert "is not among the files" in found.not_compared[0].reason
    assert found.comparisons[0].family == 2  # over what is there, and `missing` says what is not


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such file or folder"):
        headbench.load(tmp_path / "none")


# ------------------------------------------------------------------ what cannot be shown


@pytest.mark.parametrize("check", [True, False])
def test_a_broken_file_hides_no_whole_one_of_its_id(folder: Path, check: bool) -> None:
    whole = next((folder / "measured").rglob("baseline-*.json"))
    forged = whole.with_name("a.json")  # read first
    said = json.loads(whole.read_text(encoding="utf-8"))
    next(iter(said["metrics"].values()))["value"] = 0.123
    forged.write_text(json.dumps(said), encoding="utf-8")
    found = Collection([folder], check=check)
    assert whole in {cell.path for cell in found.cells}
    assert [one.path for one in found.not_shown] == [forged]


def test_broken_files_are_listed_and_break_nothing(folder: Path) -> None:
    whole = len(headbench.load(folder).cells)
    colours = folder / "measured/fake-1/colours"
    cut, other, figure, records = (
        cell_file(folder, task, name)
        for task, name in (
            ("twice", "0.5#0"),
            ("twice", "0.5#1"),
            ("twice", "0.5#2"),
            ("twice", "2#0"),
        )
    )
    cut.write_bytes(cut.read_bytes()[:200])
    document = json.loads(other.read_text())
    other.write_text(json.dumps({**document, "schema_version": 99}))
    document = json.loads(figure.read_text())
    document["metrics"]["recall"]["value"] = 0.999
    figure.write_text(json.dumps(document))
    beside = records.with_suffix(".records.jsonl.gz")
    beside.write_bytes(beside.read_bytes()[:-9])
    (folder / "heads.json").write_text('{"layers": 2}')
    (folder / "deep.json").write_text("[" * 500 + "]" * 500)
    (folder / "bytes.json").write_bytes(b"\xff\xfe\x00")
    (folder / "run-0123456789ab.json").write_text('{"format": "headbench-run"}')
    shutil.copy(cell_file(folder, "colours", "baseline"), colours / "copy-of-it.json")
    found = headbench.load(folder)
    told = {one.path.name: one.reason for one in found.not_shown}
    assert len(told) == len(found.not_shown) == 9
    assert len(found.cells) == whole - 4
    for path, reason in (
        (cut, "not a JSON file"),
        (other, "schema version 99; this headbench reads 2"),
        (figure, "recall is stored as 0.999"),
        (records, "the records are not those the result was made of"),
        (folder / "heads.json", "no integer 'schema_version'"),
        (folder / "deep.json", "nested"),
        (folder / "bytes.json", "not a JSON file"),
        (folder / "run-0123456789ab.json", "not the list of a run"),
        (colours / "copy-of-it.json", "the same result as"),
    ):
        assert reason in told[path.name], path.name
    assert len(found.comparisons) == 4  # colours as before; twice without ranks
    assert "<li>" in found._repr_html_() and "copy-of-it.json" in found._repr_html_()


def test_without_the_check_a_wrong_figure_is_believed_and_a_damaged_file_is_not(
    folder: Path,
) -> None:
    figure = cell_file(folder, "colours", "baseline")
    document = json.loads(figure.read_text())
    document["metrics"]["recall"]["value"] = 0.999
    figure.write_text(json.dumps(document))
    beside = cell_file(folder, "twice", "baseline").with_suffix(".records.jsonl.gz")
    beside.write_bytes(b"")
    (lost,) = headbench.load(folder, check=False).not_shown
    assert "records" in lost.reason and "twice" in str(lost.path)
    assert len(headbench.load(folder).not_shown) == 2


# ------------------------------------------------------------------ frames and notebooks


def test_a_frame_has_one_row_per_task_condition_and_metric(made: Path) -> None:
    found = headbench.load(made)
    frame = found.to_frame()
    assert list(frame.columns) == list(COLUMNS)
    assert not frame.duplicated(["run", "model", "task", "condition", "metric"]).any()
    assert set(frame["role"]) == {"baseline", "toggle"}
    assert set(found.to_frame(controls=True)["role"]) == {"baseline", "toggle", "control"}
    for comparison in found.comparisons:
        for line in comparison.lines:
            (row,) = frame[
                (frame["id"] == comparison.other.id) & (frame["metric"] == line.name)
            ].to_dict("records")
            paired, rank, against = line.paired, line.rank, line.against
            assert paired is not None and rank is not None and against is not None
            assert row["value"] == paired.value_b and row["difference"] == paired.difference
            assert row["p"] == paired.p and row["n"] == paired.n
            assert row["clusters"] == paired.clusters == 6
            assert (row["control_mean"], row["control_rank"], row["control_of"]) == (
                against.mean, rank.rank, rank.of,
            )  # fmt: skip
            if line.main:
                assert row["p_adjusted"] == line.holm and row["family"] == 4
    base = frame[frame["role"] == "baseline"]
    assert base["difference"].isna().all() and base["family"].isna().all()


def test_a_frame_holds_p_before_and_after_its_adjustment() -> None:
    found = headbench.load(GOLDEN / "ref-vlm-v2", check=False)
    rows = {(row["id"], row["metric"]): row for row in found.rows()}
    mains = [(c.other.id, c.main) for c in found.comparisons if c.main.paired is not None]
    assert any(main.paired and main.holm != main.paired.p for _, main in mains)
    for result_id, main in mains:
        row = rows[result_id, main.name]
        assert main.paired is not None
        assert (row["p"], row["p_adjusted"]) == (main.paired.p, main.holm)


def test_the_frame_of_an_outcome_is_that_of_its_files(tmp_path: Path) -> None:
    outcome = run(tmp_path / "out", SWEEP, "colours")
    assert outcome.to_frame().equals(headbench.load(tmp_path / "out").to_frame())


def test_nothing_is_read_before_it_is_asked_for(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *, check: bool, beside: bool) -> None:
        raise AssertionError(path)

    monkeypatch.setattr("headbench.results.collection.read_cell", refuse)
    found = headbench.load(made)
    assert repr(found) == f"<Collection of {made}: not read yet>"
    with pytest.raises(AssertionError, match=r"baseline-\w+\.json"):
        found.cells  # noqa: B018


def test_what_python_shows_is_short(made: Path, tmp_path: Path) -> None:
    found = headbench.load(made)
    assert found.runs
    assert repr(found).endswith("18 cells in 1 runs, 0 files not shown>")
    assert "on fake-1: 6 cells, 12 of controls>" in repr(found.runs[0])
    outcome = run(tmp_path / "out", SWEEP, "colours", controls=0)
    assert repr(outcome).startswith("<RunOutcome in ") and len(repr(outcome)) < 300
    assert outcome._repr_html_().count("<tr>") == 3


def test_html_shows_a_hostile_name_as_text(folder: Path) -> None:
    for path in (folder / "measured/fake-1").rglob("*.json"):
        document = json.loads(path.read_text())
        if "task" in document:
            document["model"]["name"] = document["task"]["name"] = HOSTILE
            path.write_text(json.dumps(document))
    shown = Collection([folder], check=False)._repr_html_()
    assert "<script>" not in shown and "\u202e" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e=HYPERLINK()" in shown


def test_loading_and_framing_import_no_model_library() -> None:
    code = (
        "import sys, headbench\n"
        f"found = headbench.load({str(GOLDEN / 'ref-vlm-v2')!r}, check=False)\n"
        "assert len(found.comparisons) == 9, found.comparisons\n"
        "assert len(found.rows()) > 30\n"
        "print([name for name in ('torch', 'transformers', 'pandas') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
