"""A whole run on a model of hashes: files, statuses, refusals, errors."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

import headbench
import helpers_fake_model as fake
from headbench.errors import ConfigError, HeadbenchError, RefusedError, StoreError
from headbench.models import adapter_catalogue
from headbench.results.disk import TEMPORARY, hold
from headbench.results.files import read_entries, read_result
from headbench.results.store import FILE, ResponseStore
from headbench.running.run_plan import make_plan
from headbench.running.spec import make_spec
from helpers_fake_task import write_tasks

MASK = "mask_heads(heads=[[0,1]])"
ALL = "mask_heads(heads=[[0,0],[0,1],[0,2],[0,3],[1,0],[1,1],[1,2],[1,3]])"


@pytest.fixture(autouse=True)
def _fake_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[fake.FakeModel]]:
    """Let ``model="fake"`` be known, and keep every model that was made."""
    made: list[fake.FakeModel] = []

    def create(args: dict[str, str]) -> fake.FakeModel:
        made.append(fake.FakeModel(args))
        return made[-1]

    monkeypatch.setattr(fake, "create", create)
    monkeypatch.setitem(adapter_catalogue.SHIPPED, "fake", ("helpers_fake_model:create", ""))  # type: ignore[misc]
    yield made


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(write_tasks(tmp_path / "mine"))


def files(out: Path) -> dict[str, bytes]:
    """Every result and records file under a folder."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted((out / "measured").rglob("*"))
        if path.is_file() and path.name != "timing.json"
    }


def test_a_run_writes_a_cell_for_each_task_and_condition(tmp_path: Path, folder: str) -> None:
    outcome = headbench.run(
        ["colours", "twice"], [MASK], model="fake", include=(folder,), controls=2, out=tmp_path
    )
    assert [(r.task.name, r.arm.role) for r in outcome.results] == [
        (task, role)
        for task in ("colours", "twice")
        for role in ("baseline", "toggle", "control", "control")
    ]
    for path, result in zip(outcome.files, outcome.results, strict=True):
        assert read_result(path) == result
        entries = read_entries(path, result)
        assert len(entries) == result.coverage.answered == result.coverage.expected == 12
        right = sum(entry.record.parts["correct"] for entry in entries)  # type: ignore[misc]
        assert result.metrics["recall"].value == pytest.approx(right / 12)
    base, toggle = outcome.results[:2]
    assert toggle.arm.baseline == base.id
    assert toggle.arm.canonical == ("mask_heads(heads=[[0,1]],mode=zero,phase=both)",)
    assert toggle.diagnostics is not None and toggle.diagnostics.neutral_loss is not None
    assert toggle.diagnostics.neutral_text == "prose"


def test_a_second_run_asks_nothing_and_gives_the_same_bytes(
    tmp_path: Path, folder: str, _fake_model: list[fake.FakeModel]
) -> None:
    once = headbench.run("colours", MASK, model="fake", include=(folder,), out=tmp_path / "a")
    before = files(tmp_path / "a")
    headbench.run("colours", MASK, model="fake", include=(folder,), out=tmp_path / "a")
    assert _fake_model[-1].asked == []
    assert files(tmp_path / "a") == before
    headbench.run("colours", MASK, model="fake", include=(folder,), out=tmp_path / "b")
    assert files(tmp_path / "b") == before
    timing = json.loads((once.folder / "timing.json").read_text())
    assert timing[once.spec.digest]["answered"] == 0  # the second run's figures


def test_runs_that_share_answers_leave_each_other_their_bytes(tmp_path: Path, folder: str) -> None:
    """The second run puts the first one's documents into other batches, with other last bits."""

    def run(*toggles: str) -> dict[str, object]:
        outcome = headbench.run(
            ["colours", "twice"], toggles, model="fake", include=(folder,), controls=1, out=tmp_path
        )
        return {
            path.name: (
                result.records,
                result.diagnostics,
                result.run.batch_plan,
                [entry.record.outputs for entry in read_entries(path, result)],
            )
            for path, result in zip(outcome.files, outcome.results, strict=True)
        }

    first, second = run(), run(MASK)
    assert {name: second[name] for name in first} == first
    assert run() == first and run(MASK) == second


@pytest.mark.parametrize("seed", range(25))
def test_a_damaged_store_costs_answers_and_never_a_figure(
    tmp_path: Path, folder: str, seed: int
) -> None:
    def run() -> tuple[str, ...]:
        return headbench.run(
            "colours", MASK, model="fake", include=(folder,), controls=1, out=tmp_path, draws=50
        ).notes

    assert not [note for note in run() if "damaged" in note]
    expected = files(tmp_path)
    store = tmp_path / ".store" / FILE
    content = bytearray(store.read_bytes())
    at = content.index(b"\n") + 1 + random.Random(seed).randrange(len(content) // 2)
    content[at] ^= 2
    store.write_bytes(content)
    said = [note for note in run() if "damaged" in note or "lost an answer" in note]
    assert said and str(store) in said[0]
    assert files(tmp_path) == expected


def test_left_over_temporary_files_go_and_others_stay(tmp_path: Path, folder: str) -> None:
    cells = tmp_path / "measured" / "fake-1" / "colours"
    cells.mkdir(parents=True)
    left = [cells / f".baseline-1.json-x1{TEMPORARY}", cells.parent / f".timing.json-x2{TEMPORARY}"]
    kept = [cells / ".hidden", cells / "notes.txt", tmp_path / f".mine{TEMPORARY}"]
    for path in left + kept:
        path.write_text("half")
    written = cells / f".other.json-x3{TEMPORARY}"
    with written.open("wb") as stream:  # another process is writing it
        assert hold(stream.fileno())
        headbench.run("colours", model="fake", include=(folder,), out=tmp_path)
        assert written.exists()
    assert [path.exists() for path in left + kept] == [False] * 2 + [True] * 3
    with ResponseStore(tmp_path / ".store"), pytest.raises(StoreError, match="another run"):
        headbench.run("colours", model="fake", include=(folder,), out=tmp_path)
    assert written.exists(), "a run that is refused cleans nothing up"
    headbench.run("colours", model="fake", include=(folder,), out=tmp_path)
    assert not written.exists()


def test_zeroing_every_head_is_never_served_the_plain_models_answers(
    tmp_path: Path, folder: str, _fake_model: list[fake.FakeModel]
) -> None:
    """The bug of the field: a cache keyed by the prompt alone."""
    headbench.run("colours", model="fake", include=(folder,), out=tmp_path)
    outcome = headbench.run(
        "colours", ALL, model="fake", include=(folder,), controls=0, out=tmp_path
    )
    asked = {condition for _, condition in _fake_model[-1].asked}
    assert ALL in asked
    edited = outcome.results[1]
    assert edited.arm.role == "toggle"
    assert edited.diagnostics is not None and edited.diagnostics.changed > 0
    assert outcome.comparisons[0].changed_share > 0


def test_other_weights_are_not_served_either(
    tmp_path: Path, folder: str, _fake_model: list[fake.FakeModel]
) -> None:
    headbench.run("colours", model="fake", include=(folder,), out=tmp_path)
    headbench.run(
        "colours", model="fake", model_args={"weights": "w2"}, include=(folder,), out=tmp_path
    )
    assert len(_fake_model[-1].asked) == 12 + 60  # documents and neutral rows


def test_later_steps_read_the_earlier_answers_of_their_own_condition(
    tmp_path: Path, folder: str
) -> None:
    outcome = headbench.run("twice", ALL, model="fake", include=(folder,), controls=0, out=tmp_path)
    for path, result in zip(outcome.files, outcome.results, strict=True):
        assert all(len(e.record.outputs) == 2 for e in read_entries(path, result))
    spec = make_spec(tasks=("twice",), model="fake", include=(folder,))
    task = make_plan(spec).tasks[0].task
    document = task.documents()[0]
    prompt = task.requests(document, "again", {"guess": ("amber",)}, 0)[0].messages[0]["content"]
    assert prompt.startswith("You said amber.")


def test_an_intervention_without_anything_to_act_on_is_inert_with_its_reason(
    tmp_path: Path, folder: str
) -> None:
    outcome = headbench.run(
        ["colours", "pope"],
        "vhr",
        model="fake",
        include=(folder,),
        controls=2,
        limit=20,
        out=tmp_path,
    )
    text, seen = outcome.comparisons
    assert text.other.status == "inert" and "image" in text.other.reason
    assert text.main.paired is None and text.main.holm is None and text.main.rank is None
    assert seen.other.status == "ok" and seen.main.holm == seen.main.paired.p  # type: ignore[union-attr]
    roles = [r.arm.role for r in outcome.results if r.task.name == "colours"]
    assert roles == ["baseline", "toggle"]  # no controls where the toggle cannot act


def test_nan_stops_the_run_and_what_was_answered_stays(
    tmp_path: Path, folder: str, _fake_model: list[fake.FakeModel]
) -> None:
    args = {"broken_at": "d7", "batch_size": "2"}
    options = {"model": "fake", "include": (folder,), "out": tmp_path, "controls": 0}
    with pytest.raises(StoreError, match="nan"):
        headbench.run("colours", model_args=args, **options)  # type: ignore[arg-type]
    answered = len(_fake_model[-1].asked)
    assert 0 < answered < 72
    headbench.run("colours", model_args={"batch_size": "2"}, **options)  # type: ignore[arg-type]
    assert len(_fake_model[-1].asked) <= 72 - answered + 2  # the broken batch is asked again
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_dry_run_refuses_as_a_run_does_and_writes_nothing(tmp_path: Path, folder: str) -> None:
    from headbench.running.dry_run import describe

    spec = make_spec(tasks=("colours",), interventions=(MASK,), model="fake", include=(folder,))
    told = "\n".join(describe(make_plan(spec)))
    assert "12 documents" in told and "nothing was run" in told and "mode=zero" in told
    assert not list(tmp_path.rglob(FILE))


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        ({"tasks": ("colors",)}, ConfigError, "colours"),
        *(
            ({"tasks": ("colours",), "interventions": (name,)}, RefusedError, "none of the tasks")
            for name in ("vhr", "var", "pai", "gift")
        ),
        ({"tasks": ("colours",), "interventions": (MASK, MASK)}, ConfigError, "given twice"),
        ({"tasks": ("colours",), "interventions": ("baseline",)}, ConfigError, "given twice"),
        (
            {"tasks": ("colours",), "interventions": ("mask_head(top=1)",)},
            ConfigError,
            "mask_heads",
        ),
        (
            {"tasks": ("colours",), "interventions": ("mask_heads(heads=[[0,9]])",)},
            HeadbenchError,
            "no head 9 in layer 0",
        ),
        ({"tasks": ("colours",), "model": "fakes"}, ConfigError, "fake"),
        ({"tasks": ("pope",), "model": "blind"}, RefusedError, "shows images"),
        ({"tasks": ("colours",), "model": "mute"}, RefusedError, "does not answer"),
        (
            {"tasks": ("colours",), "model": "closed", "interventions": (MASK,)},
            RefusedError,
            "cannot be reached",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_runs(
    folder: str,
    values: dict[str, object],
    kind: type[HeadbenchError],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, changes in {
        "blind": {"images": False},
        "mute": {"kinds": frozenset({"score"})},
        "closed": {"sites": frozenset(), "info": None},
    }.items():
        other = type(name, (fake.FakeModel,), changes)
        monkeypatch.setattr(fake, f"create_{name}", other, raising=False)
        monkeypatch.setitem(
            adapter_catalogue.SHIPPED, name, (f"helpers_fake_model:create_{name}", "")
        )  # type: ignore[misc]
    spec = make_spec(**{"model": "fake", "include": (folder,), **values})
    with pytest.raises(kind, match=words):
        make_plan(spec)


def test_a_model_that_does_not_know_the_words_is_refused(
    tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake.FakeModel, "unknown_share", lambda self, request: 0.02)
    with pytest.raises(RefusedError, match=r"2\.0%"):
        headbench.run("colours", model="fake", include=(folder,), out=tmp_path)
    assert not list(tmp_path.rglob(FILE))


def test_without_a_model_the_tasks_choose_and_the_user_is_told(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ref-lm", "ref-vlm"):
        monkeypatch.setitem(adapter_catalogue.SHIPPED, name, ("helpers_fake_model:create", ""))  # type: ignore[misc]
    text = make_plan(make_spec(tasks=("colours",), include=(folder,)))
    assert text.spec.model == "ref-lm" and "no task needs images" in text.notes[0]
    seen = make_plan(make_spec(tasks=("colours", "pope"), include=(folder,), limit=2))
    assert seen.spec.model == "ref-vlm" and "pope" in seen.notes[0]


def test_a_full_disk_while_answering_is_told_and_corrected_by_running_again(
    tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"model": "fake", "include": (folder,), "controls": 0}
    headbench.run("colours", out=tmp_path / "whole", **options)  # type: ignore[arg-type]
    from headbench.results import store

    real, calls = store.os.fsync, []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        headbench.run("colours", out=tmp_path / "full", **options)  # type: ignore[arg-type]
    headbench.run("colours", out=tmp_path / "full", **options)  # type: ignore[arg-type]
    assert files(tmp_path / "full") == files(tmp_path / "whole")


def test_an_unwritable_out_is_told(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make the folder"):
        headbench.run("colours", model="fake", include=(folder,), out=tmp_path / "file" / "x")
