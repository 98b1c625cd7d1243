"""Pinned prompts, stored results, and the command around them."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from headbench.cli.guard import guard
from headbench.errors import DataError
from headbench.families.chair.rescore_chair import rescore_chair
from headbench.guard.pins import check_pins, current, read_pins, write_pins
from headbench.guard.stored_results import check_stored
from headbench.results.figures import Sampling

TASK = """
task: mine
dataset_path: json
dataset_kwargs: {{data_files: rows.jsonl}}
doc_to_text: "{prompt}"
doc_to_target: answer
scorer: niah
metric_list: [{{metric: niah.recall, main: true}}]
metadata: {{version: {version}, description: a task, source: ours}}
"""
ROOT = Path(__file__).resolve().parents[2]


def write_task(folder: Path, prompt: str = "Say it", version: str = "1") -> None:
    folder.mkdir(exist_ok=True)
    (folder / "rows.jsonl").write_text(json.dumps({"id": 1, "answer": "it"}))
    (folder / "mine.yaml").write_text(TASK.format(prompt=prompt, version=version))


def status(pinned: dict[str, dict[str, str]], folder: Path) -> str:
    return next(pin.status for pin in check_pins(pinned, [folder]) if pin.task == "mine")


def test_an_edited_prompt_needs_a_new_version(tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    write_task(folder)
    pinned, broken = current([folder])
    assert not broken
    assert status(pinned, folder) == "holds"
    write_task(folder, prompt="Say it now")
    edited = [pin for pin in check_pins(pinned, [folder]) if pin.task == "mine"]
    assert (edited[0].status, edited[0].fails) == ("edited", True)
    assert "raise metadata.version" in edited[0].reason
    write_task(folder, prompt="Say it now", version="2")
    assert status(pinned, folder) == "new version"
    assert (
        status({name: pin for name, pin in pinned.items() if name != "mine"}, folder) == "unpinned"
    )
    shutil.rmtree(folder)
    assert status(pinned, tmp_path) == "gone"


def test_pins_are_written_sorted_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "pins" / "prompts.json"
    pins = {"b": {"version": "1", "prompt": "x"}, "a": {"version": "2", "prompt": "y"}}
    path.parent.mkdir()
    write_pins(path, pins)
    assert read_pins(path) == pins
    assert path.read_text().index('"a"') < path.read_text().index('"b"')
    for content, said in (
        ("[]", "must map tasks to version and prompt"),
        ("{", "not JSON"),
        ('{"a": {"version": "1"}}', "must map tasks to version and prompt"),
    ):
        path.write_text(content)
        with pytest.raises(DataError, match=said):
            read_pins(path)
    with pytest.raises(DataError, match="cannot read the pins"):
        read_pins(tmp_path / "absent.json")


def store(folder: Path) -> Path:
    (folder / "c.json").write_text(json.dumps([{"image_id": 1, "caption": "A dog and a cat."}]))
    (folder / "t.json").write_text(json.dumps({"1": ["dog"]}))
    found = rescore_chair(folder / "c.json", [folder / "t.json"], sampling=Sampling(draws=2))
    return found.write(folder / "results")


def test_stored_figures_are_recomputed_from_their_records(tmp_path: Path) -> None:
    path = store(tmp_path)
    assert check_stored(tmp_path / "results") == (1, [])
    document = json.loads(path.read_text())
    document["metrics"]["chair_i"]["value"] = 0.25
    path.write_text(json.dumps(document))
    faults = check_stored(tmp_path / "results")[1]
    assert len(faults) == 1
    assert "chair_i is stored as 0.25, its records give 0.5" in faults[0].reason
    document["metrics"]["chair_i"]["value"] = 1.5
    path.write_text(json.dumps(document))
    assert any("outside" in fault.reason for fault in check_stored(tmp_path / "results")[1])


def test_changed_records_are_noticed(tmp_path: Path) -> None:
    path = store(tmp_path)
    records = next(path.parent.glob("*.records.jsonl.gz"))
    records.write_bytes(gzip.compress(b"{}\n", mtime=0))
    assert len(check_stored(tmp_path / "results")[1]) == 1


def test_the_command_exits_one_on_drift_and_prints_it(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(guard)
    results = tmp_path / "results"
    shutil.copytree(ROOT / "results" / "published", results / "published")
    options = ["--results", str(results), "--data", str(tmp_path), "--without-data"]
    (results / "pins").mkdir()
    first = CliRunner().invoke(app, [*options, "--pin"])
    assert first.exit_code == 0, first.output
    assert "75 holds" in first.stdout
    assert CliRunner().invoke(app, [*options, "--at-least", "76"]).exit_code == 1
    pope = results / "published" / "pope.yaml"
    pope.write_text(pope.read_text().replace('accuracy: "54.43"', 'accuracy: "54.53"'))
    second = CliRunner().invoke(app, options)
    assert second.exit_code == 1
    assert "drifts" in second.stdout
    third = CliRunner().invoke(app, [*options, "--json"])
    drifted = [one for one in json.loads(third.stdout)["cells"] if one["status"] == "drifts"]
    assert [one["printed"] for one in drifted] == ["54.53"]
