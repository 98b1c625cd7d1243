"""``headbench submit``: a real result passes, and each of its faults is named with what to do."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headbench.cli import main
from headbench.leaderboard import submission
from headbench.leaderboard.submission import submit
from headbench.results.canonical import digest

BOARD = Path(__file__).parents[2] / "results" / "board" / "measured"
Said = dict[str, Any]
Change = Callable[[Said], object]
OTHER = "00" * 32


def copied(folder: Path, model: str, task: str, condition: str) -> Path:
    """A baseline, an intervention and its controls, as a run wrote them; the intervention's file.

    Their runs were made in a checkout with changed files, which is a fault of its own.
    """
    source, place = BOARD / model / task, folder / "measured" / model / task
    place.mkdir(parents=True)
    for path in sorted(source.glob("*.json")):
        said = json.loads(path.read_text(encoding="utf-8"))
        arm = said["arm"]
        if condition not in (arm["name"], arm["of"]) and arm["role"] != "baseline":
            continue
        said["run"]["commit"] = said["run"]["commit"].removesuffix("-dirty")
        (place / path.name).write_text(json.dumps(said), encoding="utf-8")
        for beside in ("records", "arrays"):
            if said[beside]:
                shutil.copy(source / said[beside]["name"], place)
    for path in (BOARD / model).glob("run-*.json"):
        shutil.copy(path, place.parent)
    return of_condition(place, condition)


def of_condition(place: Path, condition: str) -> Path:
    for path in sorted(place.glob("*.json")):
        if json.loads(path.read_text(encoding="utf-8"))["arm"]["name"] == condition:
            return path
    raise AssertionError(condition)


@pytest.fixture(scope="module")
def needle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("needle")
    return copied(folder, "ref-lm-v1", "niah", "mask_heads(map=retrieval,top=1)")


@pytest.fixture(scope="module")
def brain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline whose records have arrays."""
    return copied(tmp_path_factory.mktemp("brain"), "ref-lm-v2", "rsa", "baseline")


@pytest.fixture
def result(needle: Path, tmp_path: Path) -> Path:
    """The needle result, to be edited."""
    return fresh(needle, tmp_path)


def fresh(path: Path, folder: Path) -> Path:
    top = path.parents[3]
    shutil.copytree(top / "measured", folder / "measured")
    return folder / path.relative_to(top)


def edit(path: Path, change: Change) -> None:
    said = json.loads(path.read_text(encoding="utf-8"))
    change(said)
    path.write_text(json.dumps(said), encoding="utf-8")


def edit_records(path: Path, change: Change) -> None:
    """Edit every record; the result states the new digest, as a careful forger would."""
    said = json.loads(path.read_text(encoding="utf-8"))
    place = path.parent / said["records"]["name"]
    lines = [json.loads(line) for line in gzip.decompress(place.read_bytes()).splitlines()]
    for line in lines:
        change(line)
    packed = gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode())
    place.write_bytes(packed)
    said["records"]["sha256"] = hashlib.sha256(packed).hexdigest()
    path.write_text(json.dumps(said), encoding="utf-8")


def faults(path: Path) -> list[str]:
    return list(submit([path])[0].faults)


def spec(**values: object) -> Change:
    """Change what the run was asked for, with the digest that goes with it."""

    def change(said: Said) -> None:
        said["run"]["spec"] |= values
        said["run"]["digest"] = digest(said["run"]["spec"])

    return change


def test_a_real_result_with_all_of_its_controls_is_fit(needle: Path) -> None:
    found = submit(sorted(needle.parent.glob("*.json")))
    assert len(found) == 6
    assert {one.faults for one in found} == {()}
    assert {one.notes for one in found} == {()}


EDITS: dict[str, tuple[Change, str]] = {
    "figure": (
        lambda said: said["metrics"]["recall"].update(value=0.123),
        "recall is stored as 0.123, its records give",
    ),
    "interval": (
        lambda said: said["metrics"]["recall"].update(low=0.0),
        "recall: low is stored as 0, its records give",
    ),
    "breakdown": (
        lambda said: next(iter(said["breakdowns"]["depth"].values()))["recall"].update(n=1),
        "breakdown depth",
    ),
    "schema": (lambda said: said.update(mine=1), "mine: Extra inputs are not permitted"),
    "version of the schema": (lambda said: said.update(schema_version=99), "schema version 99"),
    "records": (lambda said: said["records"].update(sha256=OTHER), "their digest differs"),
    "id": (lambda said: said.update(id="me"), "its id is no SHA-256 digest: run it again"),
    "name": (
        lambda said: said["model"].update(name="a\u202eb"),
        "its model's name holds control, direction or other invisible characters",
    ),
    "place": (
        lambda said: said.update(id=OTHER),
        "it lies in another place than a run writes it to: measured/ref-lm-v1/niah/",
    ),
    "kind": (lambda said: said.update(kind="rescored"), "it is rescored: rescored outputs come"),
    "coverage": (
        lambda said: (
            said["coverage"].update(expected=10_000),
            said.update(status="partial", reason="stopped", headline=None),
        ),
        "documents are answered: run it to its end",
    ),
    "documents left out": (
        spec(limit=7),
        "niah has 7 documents under the run's limit, and",
    ),
    "headline": (lambda said: said.update(headline=None), "it has no headline, though every"),
    "spec": (
        lambda said: said["run"].update(spec={}, digest=""),
        "there is no spec to run again",
    ),
    "digest of the spec": (
        lambda said: said["run"].update(digest=OTHER),
        "its run's spec is not the one whose digest it states",
    ),
    "seed": (spec(seed=7), "its seed is 0, its spec's 7: run it again"),
    "versions": (
        lambda said: said["run"]["versions"].pop("numpy"),
        "which version of numpy made it: run it again",
    ),
    "changed files": (
        lambda said: said["run"].update(commit=f"{'a' * 40}-dirty"),
        "it was made with changed files of headbench: commit them",
    ),
    "commit": (
        lambda said: said["run"].update(commit="main"),
        "its commit 'main' is none: run it again",
    ),
    "weights": (
        lambda said: said["model"]["identity"].pop("weights"),
        "which weights answered: run it again",
    ),
    "parameters": (
        lambda said: said["arm"].update(canonical=[]),
        "with which parameters its intervention ran: run it again",
    ),
    "code": (
        lambda said: said["run"].update(code=[{"kind": "scorer", "name": "s", "digest": ""}]),
        "which code scorer s is: run it again",
    ),
    "no data hash": (
        lambda said: said["task"].update(data_hash=""),
        "which documents were asked: run it again",
    ),
    "data hash": (
        lambda said: said["task"].update(data_hash=OTHER),
        "the hash of its data is not that of niah's documents: run it on these",
    ),
    "prompt hash": (
        lambda said: said["task"].update(prompt_hash=OTHER),
        "it was not asked what niah asks: the hash of the prompt differs; run the packaged task",
    ),
    "version of the task": (
        lambda said: said["task"].update(version="0"),
        "it is of version 0 of niah, which is at",
    ),
    "task": (
        lambda said: said["task"].update(name="mine"),
        "no packaged task is called 'mine': submit its YAML file first",
    ),
    "task arguments": (
        spec(task_args={"niah.people": "all"}),
        "niah does not take its task arguments:",
    ),
    "baseline": (
        lambda said: said["arm"].update(baseline=OTHER),
        "its baseline 00000000 does not lie beside it: submit it, too",
    ),
    "no baseline": (
        lambda said: said["arm"].update(baseline=None),
        "it names no baseline: run it again, with its baseline",
    ),
    "dropped controls": (
        lambda said: said["arm"].update(controls=None),
        "its run asked for 4 controls, and it has none: submit it as the run wrote it",
    ),
    "fewer controls": (
        lambda said: said["arm"]["controls"].update(drawn=2),
        "its run asked for 4 controls, and 2 were drawn: run all of them",
    ),
    "draws": (spec(draws=10**12), "its tests rest on 1000000000000 draws"),
    "withheld": (
        lambda said: said.update(withheld=True),
        "its texts are said to be withheld, and",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_one_edit_is_one_fault_that_says_what_to_do(result: Path, name: str) -> None:
    change, told = EDITS[name]
    edit(result, change)
    found = faults(result)
    assert any(told in fault for fault in found), found


def test_a_document_of_another_task_is_found(result: Path) -> None:
    def rename(line: Said) -> None:
        line["document"] = f"mine-{line['document']}"

    edit_records(result, rename)
    (found,) = faults(result)
    assert "records are of documents that niah does not have, such as 'mine-" in found


def test_a_record_without_its_figure_is_found(result: Path) -> None:
    edit_records(result, lambda line: line["parts"].update(correct=1))
    assert "not what its records say" in faults(result)[0]


def test_a_control_that_is_not_there_or_broken_is_missed(result: Path) -> None:
    first, second = sorted(result.parent.glob("*-control-[01]-*.json"))
    first.unlink()
    edit(second, lambda said: said["metrics"]["recall"].update(value=0.123))
    assert faults(result) == [
        "4 controls were drawn, and 2 of them lie beside it: submit all of them"
    ]


def test_a_condition_whose_method_has_no_controls_shows_it_by_the_run_s_list(result: Path) -> None:
    edit(result, lambda said: said["arm"].update(controls=None))
    said = json.loads(result.read_text(encoding="utf-8"))
    place = result.parents[1] / f"run-{said['run']['digest'][:12]}.json"
    listed = json.loads(place.read_text(encoding="utf-8"))
    for cell in listed["cells"]:
        cell["controls"] = None
    place.write_text(json.dumps(listed), encoding="utf-8")
    assert faults(result) == []


def test_arrays_are_those_of_the_records(brain: Path, tmp_path: Path) -> None:
    path = fresh(brain, tmp_path)
    edit(path, lambda said: said["arrays"].update(bytes=1))
    (found,) = faults(path)
    assert found.startswith("its arrays are said to have 1 bytes, and have 61,")
    arrays = path.parent / json.loads(path.read_text(encoding="utf-8"))["arrays"]["name"]
    arrays.write_bytes(arrays.read_bytes()[:-1] + b"\x01")
    assert "the arrays are not those the result was made of" in faults(path)[0]
    arrays.unlink()
    assert "the arrays" in faults(path)[0]


def test_outputs_of_data_without_an_open_licence_are_not_taken(
    result: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "may_show_texts", lambda task: False)
    (found,) = faults(result)
    assert "records hold outputs, which may repeat texts of data whose licence is" in found

    def withhold(line: Said) -> None:
        line["outputs"] = [f"sha256:{OTHER}" for _ in line["outputs"]]

    edit_records(result, withhold)
    edit(result, lambda said: said.update(withheld=True))
    assert faults(result) == []


def test_a_file_given_twice_or_too_large_is_told(
    result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin = fresh(result, tmp_path / "twin")
    assert f"the same result as {result}: give each once" in submit([result, twin])[1].faults
    monkeypatch.setattr(submission, "MOST_BYTES", 1_000)
    assert any("has more than" in fault for fault in faults(result))


def test_the_verb_ends_in_one_where_a_fault_is_found(
    result: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["headbench", "submit", str(result)])
    with pytest.raises(SystemExit, match=r"^0$"):
        main()
    assert "add these files to results/board" in capsys.readouterr().out
    edit(result, lambda said: said["metrics"]["recall"].update(value=0.123))
    with pytest.raises(SystemExit, match=r"^1$"):
        main()
    assert "1 of 1 need a correction" in capsys.readouterr().out
