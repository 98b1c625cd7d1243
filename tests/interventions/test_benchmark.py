"""The intervention benchmark runs, covers every method, and judges what it measured."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headbench.interventions import method_catalogue

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("interventions_page")


def entry(kind: str, length: int, ratio: float, mib: float) -> dict[str, Any]:
    spread = [ratio - 0.01, ratio, ratio, ratio, ratio + 0.01]
    return {
        "arm": "a(x)", "label": "a(x)", "kind": kind, "length": length, "prefill": spread,
        "call": None, "decode": None, "mib": mib,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (entry("z", 2048, 1.02, 900), "1.03 met"),
        (entry("z", 2048, 1.04, 0), "1.03 MISSED"),
        (entry("all rows", 2048, 1.4, 0), "1.50 met"),
        (entry("q", 2048, 3.0, 0), ""),
        (entry("z", 512, 3.0, 0), ""),
        (entry("z", 4096, 3.0, 199), "200 MiB met"),
        (entry("z", 4096, 3.0, 201), "200 MiB MISSED"),
    ],
)
def test_goals_are_judged_where_they_are_set(page: Any, row: dict[str, Any], told: str) -> None:
    assert page.verdict(row) == told


def test_the_page_holds_every_figure(page: Any, tmp_path: Path) -> None:
    peer = {
        "library": "other 1.0", "edit": "e", "ratios": [2.0, 2.0, 2.1, 2.2, 2.2], "gap": 1e-5,
        "length": 2048, "ours": "a(x)",
    }  # fmt: skip
    about = page.machine() | {"load": [0.5, 1.5]}
    run = {"machine": about, "rows": [entry("z", 2048, 1.02, 3)], "peers": [peer]}
    page.write(tmp_path / "page.md", [run])
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "| a(x) | z | 1.020 [1.010, 1.030] | 3 | 1.03 met |" in text
    assert text.index("| 2048 | e | headbench | 1.020") < text.index("| 2048 | e | other 1.0 | 2.1")


@pytest.mark.slow
def test_the_benchmark_runs_and_covers_every_method(tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "interventions.py"), "--quick"]
    subprocess.run([*command, "--json", str(tmp_path / "f.json")], check=True, capture_output=True)
    rows = json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))["rows"]
    assert {row["arm"].partition("(")[0] for row in rows} >= set(method_catalogue.built_in())
    assert all(len(row["prefill"]) == 1 and min(row["prefill"]) > 0 for row in rows)


@pytest.mark.slow
def test_documented_names_of_other_libraries_exist() -> None:
    python = os.environ.get("HEADBENCH_PEERS")
    if not python:
        pytest.skip("HEADBENCH_PEERS names no interpreter with nnsight and TransformerLens")
    command = [python, str(FOLDER / "interventions_peers.py"), "--names"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    text = (ROOT / "docs" / "interventions.md").read_text(encoding="utf-8")
    for name, shape in found.items():
        assert name.removeprefix("blocks.i.") in text, name
        assert shape[0] == 1 and 16 in shape


def test_alternations_of_several_runs_add_up(page: Any) -> None:
    first, second = entry("z", 2048, 1.02, 3), entry("z", 2048, 1.10, 3)
    both = page.merged([{"rows": [first]}, {"rows": [second]}], "rows")
    assert len(both) == 1
    assert both[0]["prefill"] == [*first["prefill"], *second["prefill"]]
    assert len(first["prefill"]) == 5


def test_rounds_are_made_until_the_time_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    ratios = importlib.import_module("interventions_model").ratios

    def work() -> int:
        return sum(range(20_000))

    conditions = {"a": work, "b": work, "c": work}
    assert {len(found) for found in ratios(conditions, work, 5).values()} == {5}
    assert {len(found) for found in ratios(conditions, work, 5, seconds=60).values()} == {5}
    assert {len(found) for found in ratios(conditions, work, 5, seconds=0).values()} == {1}
