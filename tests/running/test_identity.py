"""What is part of which key: every part of a run is changed once, and the right keys change."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import headbench
import helpers_fake_model as fake
from headbench.errors import ConfigError, RefusedError
from headbench.heads.headmap import HeadMap
from headbench.jobs import Job
from headbench.models import adapter_catalogue
from headbench.results.files import read_result
from headbench.results.keys import ResponseKeys
from headbench.results.schema import Result
from headbench.running.replay import plan_from_result
from headbench.running.run_plan import RunPlan, make_plan
from headbench.running.spec import make_spec
from helpers_fake_task import SIMPLE, write_tasks
from helpers_own_code import EDITS, KINDS, edit, restart, write_package

MASK = "mask_heads(heads=[[0,1]])"
OWN_TASK = """
task: own_task
dataset_path: jsonl
dataset_kwargs: {data_files: colours.jsonl}
doc_to_text: question
scorer: own_scorer
metric_list:
  - {metric: own.hits, main: true}
metadata: {version: 1}
"""
HALVE = """
from headbench.interventions.method import HeadMethod
from headbench.interventions.head_choice import HeadChoice
from headbench.interventions.method_catalogue import Method
from headbench.edits import Edit, Scale
from factor import FACTOR


class Halve(HeadMethod):
    def edits(self, case, seen):
        return (Edit("z", Scale(FACTOR), self.table),)


METHOD = Method("halve", HeadChoice, lambda p, info: Halve.of("halve", p, info), "own", "own")
"""


@pytest.fixture(autouse=True)
def _fake_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[fake.FakeModel]]:
    """Let ``model="fake"`` be known, and keep every model that was made."""
    made: list[fake.FakeModel] = []

    def create(args: dict[str, str]) -> fake.FakeModel:
        made.append(fake.FakeModel(args))
        return made[-1]

    monkeypatch.setattr(fake, "create", create)
    monkeypatch.setitem(adapter_catalogue.SHIPPED, "fake", ("helpers_fake_model:create", ""))  # type: ignore[misc]
    restart()
    yield made
    restart()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tasks(tmp_path / "mine", count=4)


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "site-packages"
    kit = write_package(home)
    monkeypatch.syspath_prepend(home)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    restart()
    return kit


def responses(plan: RunPlan) -> dict[str, list[str]]:
    """Role of a condition -> the response keys of its first step."""
    keys = ResponseKeys(plan.identity)
    (planned,) = plan.tasks
    asked = planned.all_first_requests
    return {
        cell.condition.role: [
            keys.key(plan.model.key(job), job)
            for job in (Job(one, cell.condition) for one in asked)
        ]
        for cell in plan.cells
        if cell.condition.role != "control"
    }


@dataclass
class Keys:
    """All identities of one small run."""

    base: list[str]
    toggle: list[str]
    base_id: str
    toggle_id: str
    results: tuple[Result, ...]
    files: tuple[Path, ...]

    def changed(self, other: Keys) -> tuple[bool, bool, bool, bool]:
        return (
            self.base != other.base,
            self.toggle != other.toggle,
            self.base_id != other.base_id,
            self.toggle_id != other.toggle_id,
        )


NOTHING, FIGURES, TOGGLE, ALL = (
    (False, False, False, False),
    (False, False, True, True),
    (False, True, False, True),
    (True, True, True, True),
)


def run(out: Path, folder: Path, task: str, toggle: str, model: str, **options: object) -> Keys:
    settings: dict[str, object] = {
        "model": model,
        "include": (str(folder),),
        "controls": 0,
        "draws": 10,
        **options,
    }
    spec = make_spec(tasks=(task,), interventions=(toggle,), **settings)
    keys = responses(make_plan(spec))
    done = headbench.run(task, toggle, out=out, **settings)  # type: ignore[arg-type]
    base, other = done.results
    return Keys(keys["baseline"], keys["toggle"], base.id, other.id, done.results, done.files)


# ------------------------------------------------------------------ code of others


def own_run(tmp_path: Path, folder: Path) -> Keys:
    (folder / "own.yaml").write_text(OWN_TASK)
    return run(tmp_path / "out", folder, "own_task", "own_halve(heads=[[0,1]])", "own_model")


EXPECTED = {
    "model": ALL,
    "intervention": TOGGLE,
    "scorer": FIGURES,
    "parser": FIGURES,
    "metric": FIGURES,
    "detector": NOTHING,  # its map's digest is what counts in a run
}


@pytest.mark.parametrize("what", EDITS)
@pytest.mark.parametrize("kind", KINDS)
def test_edited_code_of_every_kind_changes_the_right_keys(
    tmp_path: Path, folder: Path, kit: Path, kind: str, what: str
) -> None:
    before = own_run(tmp_path, folder)
    edit(kit, kind, what)
    restart()
    after = own_run(tmp_path, folder)
    assert after.changed(before) == EXPECTED[kind]


def test_what_nobody_imports_changes_no_key(tmp_path: Path, folder: Path, kit: Path) -> None:
    before = own_run(tmp_path, folder)
    (kit / "unrelated.py").write_text("VALUE = 2\n")
    (folder / "notes.md").write_text("notes")
    restart()
    assert own_run(tmp_path, folder).changed(before) == NOTHING


def test_another_version_of_the_package_changes_every_key(
    tmp_path: Path, folder: Path, kit: Path
) -> None:
    before = own_run(tmp_path, folder)
    meta = kit.parent / "own_kit-1.0.dist-info/METADATA"
    meta.write_text(meta.read_text().replace("1.0", "1.1"))
    restart()
    assert own_run(tmp_path, folder).changed(before) == ALL


def test_a_result_names_the_code_that_made_it(tmp_path: Path, folder: Path, kit: Path) -> None:
    found = own_run(tmp_path, folder)
    for path in found.files:
        said = read_result(path).run.code
        assert [(one.kind, one.name) for one in said] == [
            ("model", "own_model"),
            ("intervention", "own_halve"),
            ("scorer", "own_scorer"),
            ("parser", "own_parser"),
            ("metric", "own.hits"),
        ]
        assert all(one.packages["own-kit"] == "1.0" for one in said)
        assert set(said[3].files) == {
            f"own_kit/{name}.py" for name in ("__init__", "parser", "parser_near", "parser_far")
        }


# ------------------------------------------------------------------ a file given with --include


def halve(folder: Path, factor: float) -> None:
    (folder / "halve.py").write_text(HALVE)
    (folder / "factor.py").write_text(f"FACTOR = {factor}\n")


def test_an_edited_file_is_asked_again_and_an_earlier_state_is_served(
    tmp_path: Path, folder: Path, _fake_model: list[fake.FakeModel]
) -> None:
    def asked(factor: float) -> set[str]:
        halve(folder, factor)
        run(tmp_path / "out", folder, "colours", "halve(heads=[[0,1]])", "fake")
        return {condition for _, condition in _fake_model[-1].asked}

    assert "halve(heads=[[0,1]])" in asked(0.5)
    assert asked(0.5) == set()
    assert "halve(heads=[[0,1]])" in asked(-30.0)
    assert asked(0.5) == set()


def test_a_single_file_may_be_included(tmp_path: Path, folder: Path) -> None:
    halve(tmp_path, 0.5)
    done = headbench.run(
        "colours",
        "halve(heads=[[0,1]])",
        model="fake",
        include=(str(folder), str(tmp_path / "halve.py")),
        out=tmp_path / "out",
        controls=1,
    )
    roles = [result.arm.role for result in done.results]
    assert roles == ["baseline", "toggle", "control"]
    assert set(done.results[0].run.code[1].files) == {"halve.py", "factor.py"}


def test_controls_carry_the_code_of_their_method(folder: Path) -> None:
    halve(folder, 0.5)
    spec = make_spec(
        tasks=("colours",), interventions=("halve(heads=[[0,1]])",), model="fake",
        include=(str(folder),), controls=2,
    )  # fmt: skip
    (toggle,) = make_plan(spec).interventions
    assert [one.code for one in toggle.controls] == [toggle.condition.code] * 2
    assert set(toggle.condition.code) == {"halve"}


def test_a_name_that_is_defined_twice_or_taken_is_refused(folder: Path) -> None:
    halve(folder, 0.5)
    settings = {"tasks": ("colours",), "model": "fake", "include": (str(folder),)}
    (folder / "again.py").write_text(HALVE)
    with pytest.raises(ConfigError, match=r"two files define the intervention 'halve'"):
        make_plan(make_spec(interventions=("halve(heads=[[0,1]])",), **settings))
    (folder / "again.py").write_text(HALVE.replace('Method("halve"', 'Method("vhr"'))
    with pytest.raises(ConfigError, match="headbench has an intervention 'vhr' already"):
        make_plan(make_spec(interventions=("vhr",), **settings))


def test_what_was_typed_at_a_prompt_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headbench.interventions import method_catalogue as methods
    from headbench.interventions.head_choice import HeadChoice

    def build(params: object, info: object) -> object:
        raise AssertionError("not built")

    build.__module__ = "__main__"
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    one = methods.Method("halve", HeadChoice, build, "own", "own")  # type: ignore[arg-type]
    assert methods.register(one).code.unreadable == ("__main__",)


# ------------------------------------------------------------------ replays


def test_a_replay_with_other_code_is_refused_by_file(tmp_path: Path, folder: Path) -> None:
    halve(folder, 0.5)
    done = run(tmp_path / "out", folder, "colours", "halve(heads=[[0,1]])", "fake")
    for path in done.files:  # the baseline's file replays the same run
        assert plan_from_result(path).notes == make_plan(plan_from_result(path).spec).notes
    halve(folder, 0.6)
    for path in done.files:
        with pytest.raises(RefusedError, match=r"intervention 'halve'.*factor\.py changed"):
            plan_from_result(path)


def test_a_replay_of_a_result_that_names_no_code_says_so(tmp_path: Path, folder: Path) -> None:
    halve(folder, 0.5)
    done = run(tmp_path / "out", folder, "colours", "halve(heads=[[0,1]])", "fake")
    text = read_result(done.files[0])
    bare = text.model_copy(update={"run": text.run.model_copy(update={"code": ()})})
    path = tmp_path / "bare.json"
    path.write_text(bare.model_dump_json())
    notes = plan_from_result(path).notes
    assert any("halve: the result does not say which code made it" in note for note in notes)


def test_a_replay_under_another_default_strength_is_refused(tmp_path: Path, folder: Path) -> None:
    done = run(tmp_path / "out", folder, "colours", "scale_heads(heads=[[0,1]],alpha=2)", "fake")
    (path,) = [path for path in done.files if read_result(path).arm.role == "toggle"]
    result = read_result(path)
    then = tuple(text.replace("alpha=2", "alpha=3") for text in result.arm.canonical)
    arm = result.arm.model_copy(update={"canonical": then})
    other = tmp_path / "other.json"
    other.write_text(result.model_copy(update={"arm": arm}).model_dump_json())
    plan_from_result(path)
    with pytest.raises(RefusedError, match=r"it was scale_heads\(alpha=3,.*is .*alpha=2"):
        plan_from_result(other)


# ------------------------------------------------------------------ parts of a task


def replaced(old: str, new: str) -> dict[str, tuple[str, str]]:
    assert old in SIMPLE
    return {"text": (old, new)}


TASK = {
    "prompt": (replaced("{{ question", "Say: {{ question"), ALL),
    "system turn": (replaced("scorer:", "system: Be brief.\nscorer:"), ALL),
    "settings": (replaced("max_gen_toks: 4", "max_gen_toks: 5"), ALL),
    "stop text": (replaced("{max_gen_toks: 4}", "{max_gen_toks: 4, until: ['.']}"), ALL),
    "weights": ({"model_args": {"weights": "w2"}}, ALL),
    "condition": ({"toggle": "mask_heads(heads=[[0,2]])"}, TOGGLE),
    "phase of the condition": ({"toggle": "mask_heads(heads=[[0,1]],phase=decode)"}, TOGGLE),
    "parser": (replaced("scorer: niah", "scorer: niah\nparser: label_robust"), FIGURES),
    "scorer": (replaced("scorer: niah", "scorer: keyphrase3"), FIGURES),
    "metric": (replaced("main: true}", "main: true}\n  - {metric: niah.fraction}"), FIGURES),
    "main metric": (replaced("niah.recall, main", "niah.fraction, main"), FIGURES),
    "task version": (replaced("version: 1", "version: 2"), FIGURES),
    "breakdown": (replaced("scorer:", "breakdown: [correct]\nscorer:"), FIGURES),
    "target": (replaced("scorer:", "doc_to_target: cluster\nscorer:"), FIGURES),
    "cluster": (replaced("scorer:", "doc_to_cluster: id\nscorer:"), FIGURES),
    "resamples": ({"draws": 11}, FIGURES),
    "level": ({"level": 0.9}, FIGURES),
    "seed": ({"seed": 1}, FIGURES),
    "batch size": ({"batch_size": 2}, NOTHING),
    "tag": (replaced("scorer:", "tag: [x]\nscorer:"), NOTHING),
    "description of the task": (replaced("version: 1", "version: 1, notes: x"), NOTHING),
}


@pytest.mark.parametrize("part", TASK)
def test_each_part_of_a_run_changes_the_right_keys(tmp_path: Path, folder: Path, part: str) -> None:
    changes, expected = TASK[part]
    before = run(tmp_path / "out", folder, "colours", MASK, "fake")
    options = dict(changes)
    if "text" in options:
        (folder / "colours.yaml").write_text(SIMPLE.replace(*options.pop("text")))
    toggle = str(options.pop("toggle", MASK))
    after = run(tmp_path / "out", folder, "colours", toggle, "fake", **options)
    assert after.changed(before) == expected


def test_edited_head_maps_and_vectors_change_the_conditions_keys(
    tmp_path: Path, folder: Path
) -> None:
    import torch
    from safetensors.torch import save_file

    scores = [[0.1, 0.9, 0.2, 0.3], [0.0, 0.1, 0.2, 0.3]]
    place, vectors = tmp_path / "map.json", tmp_path / "v.safetensors"
    one = HeadMap(detector="x", model="fake-1", layers=2, heads=4, scores=scores)  # type: ignore[arg-type]
    for toggle, write in (
        # The same head stays the best; the map is another one all the same.
        (
            f"mask_heads(map='{place}',top=1)",
            [one.save, one.model_copy(update={"seed": 7}).save],
        ),
        (
            f"offset_heads(file='{vectors}',tensor=offset,strength=1)",
            [
                lambda path, value=value: save_file({"offset": torch.full((2, 4, 8), value)}, path)
                for value in (1.0, 2.0)
            ],
        ),
    ):
        path = place if toggle.startswith("mask") else vectors
        write[0](path)
        before = run(tmp_path / "out", folder, "colours", toggle, "fake")
        write[1](path)
        after = run(tmp_path / "out", folder, "colours", toggle, "fake")
        assert after.changed(before) == TOGGLE, toggle
        assert after.results[1].arm.artefacts != before.results[1].arm.artefacts


def test_reuse_in_an_edited_checkout_is_said(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headbench.running import execute

    said = []
    for commit in ("abc-dirty", "abc-dirty", "abc", None):
        monkeypatch.setattr(execute, "commit", lambda found=commit: found)
        done = headbench.run("colours", model="fake", include=(str(folder),), out=tmp_path)
        said.append(any("uncommitted changes" in note for note in done.notes))
    assert said == [False, True, False, False]  # nothing was there to be reused the first time


def test_equal_prompts_of_different_documents_share_an_answer(
    tmp_path: Path, folder: Path, _fake_model: list[fake.FakeModel]
) -> None:
    rows = (folder / "colours.jsonl").read_text().replace("thing 1", "thing 0")
    (folder / "colours.jsonl").write_text(rows)
    found = run(tmp_path / "out", folder, "colours", MASK, "fake")
    assert found.base[0] == found.base[1] != found.base[2]
    assert found.toggle[0] == found.toggle[1] != found.base[0]
    base = [
        name
        for name, condition in _fake_model[-1].asked
        if condition == "baseline" and name[0] == "d"
    ]
    assert sorted(base) == ["d0", "d2", "d3"]
    diagnostics = found.results[0].diagnostics
    assert diagnostics is not None and diagnostics.passes == 3
    again = run(tmp_path / "out", folder, "colours", MASK, "fake", seed=9)
    assert again.base == found.base and _fake_model[-1].asked == []


def test_recorded_outputs_are_not_shared_between_equal_prompts(
    tmp_path: Path, folder: Path
) -> None:
    rows = (folder / "colours.jsonl").read_text()
    for number in range(4):
        rows = rows.replace(f"thing {number}", "thing")
    (folder / "colours.jsonl").write_text(rows)
    said = [f'{{"id": "d{n}", "output": "{w}"}}' for n, w in enumerate(("red", "x", "y", "z"))]
    (tmp_path / "log.jsonl").write_text("\n".join(said))
    done = headbench.run(
        "colours",
        model="recorded",
        model_args={"path": tmp_path / "log.jsonl"},
        include=(str(folder),),
        out=tmp_path / "out",
    )
    assert done.results[0].metrics["recall"].value == 0.25
