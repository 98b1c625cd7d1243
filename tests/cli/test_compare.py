"""``headbench compare``: paired, and honest about what cannot be paired."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headbench.cli import app
from headbench.nouns import Record
from headbench.results.files import Entry, write_result
from headbench.results.schema import (
    ArmFacts,
    Coverage,
    Estimate,
    ModelFacts,
    Result,
    RunFacts,
    TaskFacts,
)

TESTS = Path(__file__).parents[1]


def entry(index: int, right: bool, **changes: object) -> Entry:
    record = Record(
        f"d{index}",
        f"c{index}",
        ("red" if right else "blue",),
        "red",
        "verbatim@1",
        {"correct": int(right), "fraction": float(right)},
        target="red",
    )
    return Entry(replace(record, **changes))  # type: ignore[arg-type]


def save(out: Path, name: str, entries: list[Entry], **changes: object) -> Path:
    right = [bool(e.record.parts["correct"]) for e in entries]
    condition = ArmFacts() if name == "baseline" else ArmFacts(name=name, role="toggle")
    values: dict[str, object] = {
        "kind": "measured",
        "id": (name.encode().hex() + "0" * 64)[:64],
        "status": "ok",
        "task": TaskFacts(
            name="niah", version="1", main_metric="recall", scorer="niah@1", parser="verbatim@1"
        ),
        "model": ModelFacts(name="m", identity={"dtype": "float32"}),
        "arm": condition,
        "coverage": Coverage(answered=len(entries), expected=len(entries)),
        "metrics": {
            "recall": Estimate(
                metric="niah.recall", value=sum(right) / len(right), level=0.95, n=len(right)
            )
        },
        "run": RunFacts(spec={"tasks": ["niah"], "draws": 500}),
    }
    return write_result(out, Result.model_validate({**values, **changes}), entries)


def compare(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["compare", *words], env={"COLUMNS": "300"})
    return done.exit_code, done.output + (str(done.exception) if done.exception else "")


def test_two_cells_are_paired_by_document(tmp_path: Path) -> None:
    base = [entry(i, i < 10) for i in range(20)]
    other = [entry(i, i < 18) for i in reversed(range(20))]  # any order
    one = save(tmp_path, "baseline", base)
    two = save(tmp_path, "vhr(alpha=2)", other, model={"name": "m", "identity": {"dtype": "bf16"}})
    code, printed = compare(str(one), str(two), "--all")
    assert code == 0
    # 8 gains, no loss: exact McNemar p = 2 / 2^8
    assert "+.400" in printed and f"{2 / 2**8:.4f}"[1:] in printed
    assert "model.identity.dtype: float32 -> bf16" in printed
    assert "40.0 %" in printed  # outputs that changed
    code, printed = compare(str(one), str(two), "--json")
    found = json.loads(printed)
    assert found["metrics"]["recall"]["difference"] == pytest.approx(0.4)
    assert found["metrics"]["recall"]["p"] == pytest.approx(2 / 2**8)
    assert found["changed_share"] == pytest.approx(0.4)
    assert found["metrics"]["recall"]["method"] == "tango"
    assert "changes" not in found["metrics"]["recall"]


def grouped(count: int, size: int, right: int) -> list[Entry]:
    """``count`` clusters of ``size`` documents; in the first ``right`` clusters all are right."""
    return [
        entry(i, i // size < right, cluster=f"g{i // size}", document=f"d{i:03d}")
        for i in range(count * size)
    ]


def test_clusters_are_counted_and_what_p_and_detectable_mean_is_said(tmp_path: Path) -> None:
    one = save(tmp_path, "baseline", grouped(12, 4, 2))
    two = save(tmp_path, "vhr(alpha=2)", grouped(12, 4, 10))
    code, printed = compare(str(one), str(two), "--all")
    assert code == 0
    assert "n 48 in 12 clusters" in printed
    assert "each cluster's change is as likely up as down, not only zero on average" in printed
    assert "changes all one way, found in 80 % of runs at p <= 0.05" in printed
    assert "note: niah: recall: only 12 clusters: below 30 an interval is rough" in printed


def test_below_ten_clusters_there_is_no_interval_and_the_reason(tmp_path: Path) -> None:
    one = save(tmp_path, "baseline", grouped(9, 4, 2))
    two = save(tmp_path, "vhr(alpha=2)", grouped(9, 4, 9))
    code, printed = compare(str(one), str(two))
    assert code == 0
    row = next(line for line in printed.splitlines() if "vhr(alpha=2)" in line)
    # Value, difference and p: 7 of 9 clusters gained, and there is no interval between them.
    assert row.split()[-3:] == ["1.000", "+.778", f"{2 / 2**7:.4f}"[1:]]
    assert "note: niah: recall: no interval from 9 cluster(s): below 10" in printed


def test_a_result_against_itself_differs_in_nothing(tmp_path: Path) -> None:
    one = save(tmp_path, "baseline", [entry(i, i % 2 == 0) for i in range(10)])
    code, printed = compare(str(one), str(one))
    assert code == 0
    assert "the runs differ in nothing" in printed and "+.000" in printed


def test_an_inert_cell_has_no_difference_and_no_p(tmp_path: Path) -> None:
    entries = [entry(i, True) for i in range(5)]
    one = save(tmp_path, "baseline", entries)
    two = save(tmp_path, "vhr", entries, status="inert", reason="no image")
    code, printed = compare(str(one), str(two))
    assert code == 0 and "inert: no image" in printed and "+.000" not in printed
    assert json.loads(compare(str(one), str(two), "--json")[1])["metrics"]["recall"] is None


def other_documents(out: Path) -> Path:
    return save(out, "b", [entry(i + 100, True) for i in range(5)])


def fewer_documents(out: Path) -> Path:
    return save(out, "b", [entry(i, True) for i in range(3)])


def another_task(out: Path) -> Path:
    task = TaskFacts(name="pope", version="1", main_metric="recall", scorer="niah@1", parser="v@1")
    return save(out, "b", [entry(i, True) for i in range(5)], task=task)


def another_truth(out: Path) -> Path:
    return save(out, "b", [entry(i, True, target="green") for i in range(5)])


def no_records(out: Path) -> Path:
    path = save(out, "b", [entry(i, True) for i in range(5)])
    document = json.loads(path.read_text())
    document["records"] = None
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (other_documents, "documents are in only one"),
        (fewer_documents, "documents are in only one"),
        (another_task, "different tasks"),
        (another_truth, "ground truth"),
        (no_records, "no item records"),
    ],
)
def test_what_shares_no_documents_is_refused(tmp_path: Path, make: object, words: str) -> None:
    one = save(tmp_path / "a", "baseline", [entry(i, True) for i in range(5)])
    code, printed = compare(str(one), str(make(tmp_path / "b")))  # type: ignore[operator]
    assert code != 0 and words in printed


def test_it_loads_neither_torch_nor_transformers(tmp_path: Path) -> None:
    one = save(tmp_path, "baseline", [entry(i, i % 2 == 0) for i in range(10)])
    code = (
        "import sys; sys.argv = ['headbench', 'compare', *sys.argv[1:]]\n"
        "from headbench.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print([m for m in ('torch', 'transformers', 'datasets', 'sklearn') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(one), str(one)],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
