"""The plan of the board's runs: it can be read, and what no run gives is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headbench.errors import DataError
from training.board import TABLE, leftovers, read_plan, table

RESULTS = Path(__file__).parents[2] / "results" / "board"


def test_every_run_of_the_plan_has_its_cells() -> None:
    plan = read_plan(RESULTS)
    lists = {path.name for path in (RESULTS / "measured").glob("*/run-*.json")}
    assert lists >= {f"run-{spec.digest[:12]}.json" for spec in plan.runs}
    models = {"ref-lm": "ref-lm-v1", "ref-lm-v2": "ref-lm-v2", "ref-vlm": "ref-vlm-v2"}
    ran = {spec.digest: models[str(spec.model)] for spec in plan.runs}
    assert leftovers(ran, RESULTS) == []
    headline = [spec for spec in plan.runs if spec.controls == 39]
    assert {task for spec in headline for task in spec.tasks} >= {"niah", "chair", "pope", "walls"}


def test_the_simulated_responses_are_those_of_the_code() -> None:
    assert (RESULTS / TABLE.name).read_text(encoding="utf-8") == table()


def test_results_of_no_run_are_leftovers(tmp_path: Path) -> None:
    folder = tmp_path / "measured" / "m" / "t"
    folder.mkdir(parents=True)
    kept, gone = "a-alpha-0.5-00000001", "a-alpha-1.5-00000002"
    for name in (kept, gone):
        (folder / f"{name}.json").write_text("{}")
        (folder / f"{name}.records.jsonl.gz").write_text("")
    cell = {"task": "t", "arm": "a(alpha=0.5)", "id": "00000001" + "0" * 56}
    run = {"digest": "d" * 64, "model": "m", "spec": {}, "cells": [cell]}
    (folder.parent / f"run-{'d' * 12}.json").write_text(json.dumps(run))
    (folder.parent / f"run-{'e' * 12}.json").write_text(json.dumps({**run, "digest": "e" * 64}))
    assert [path.name for path in leftovers({"d" * 64: "m"}, tmp_path)] == [
        f"run-{'e' * 12}.json",
        f"{gone}.json",
        f"{gone}.records.jsonl.gz",
    ]
    assert leftovers({"d" * 64: "another"}, tmp_path) == []


def test_a_plan_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read a list of the board's runs"):
        read_plan(tmp_path)
