"""Captions, walls and labels under three interventions, on the shipped models.

The text families run on the model that learnt them, and on the one that sees and never did. What
becomes of their figures is not asked here, only that every step is answered under every condition,
and that a condition with nothing to act on says so.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import headbench
from headbench.errors import RefusedError
from headbench.results.files import read_entries, read_result
from headbench.running.execute import RunOutcome
from headbench.tasks.loader import load

VHR = "vhr"
MASK = "mask_heads(map=retrieval,top=2)"
SCALE = "scale_heads(alpha=1.5,fraction=0.5,map=vhd)"
SCALE_LM = "scale_heads(alpha=1.5,fraction=0.5,map=retrieval)"
TEXT = ("walls", "stickiness")
LIMIT = 2


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> RunOutcome:
    """All three families on the model that sees, under all three interventions."""
    tasks, toggles = ("chair", *TEXT), (VHR, MASK, SCALE)
    out = tmp_path_factory.mktemp("seen")
    return headbench.run(
        tasks, toggles, model="ref-vlm", limit=LIMIT, controls=0, draws=50, out=out
    )


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> RunOutcome:
    """The text families on the model that learnt them."""
    out = tmp_path_factory.mktemp("read")
    return headbench.run(
        TEXT, (MASK, SCALE_LM), model="ref-lm-v2", limit=LIMIT, controls=1, draws=50, out=out
    )


def outputs(outcome: RunOutcome, task: str, condition: str) -> list[tuple[str, ...]]:
    """Every document's outputs in one cell, as its records file holds them."""
    path = next(
        path
        for path, result in zip(outcome.files, outcome.results, strict=True)
        if (result.task.name, result.arm.name) == (task, condition)
    )
    return [entry.record.outputs for entry in read_entries(path, read_result(path))]


@pytest.mark.parametrize("condition", [MASK, SCALE])
@pytest.mark.parametrize("task", ["chair", *TEXT])
def test_each_family_is_answered_under_each_edit(
    seen: RunOutcome, task: str, condition: str
) -> None:
    found = {(r.task.name, r.arm.name): r for r in seen.results}
    result = found[task, condition]
    assert result.status == "ok" and result.coverage.answered == LIMIT
    assert result.diagnostics is not None and result.diagnostics.changed > 0
    assert list(result.metrics) == list(found[task, "baseline"].metrics)
    steps = len(load(task).steps)
    assert all(len(row) >= steps for row in outputs(seen, task, condition))


@pytest.mark.parametrize("task", TEXT)
def test_a_text_family_is_inert_under_vhr_and_says_why(seen: RunOutcome, task: str) -> None:
    line = next(c for c in seen.comparisons if (c.other.task.name, c.other.arm.name) == (task, VHR))
    assert line.other.status == "inert"
    assert line.other.reason == f"vhr acts on images, and {task} shows none"
    assert line.main.paired is None and line.main.holm is None and line.main.rank is None
    assert outputs(seen, task, VHR) == outputs(seen, task, "baseline")


def test_captions_change_under_vhr(seen: RunOutcome) -> None:
    line = next(
        c for c in seen.comparisons if (c.other.task.name, c.other.arm.name) == ("chair", VHR)
    )
    assert line.other.status == "ok" and line.main.paired is not None
    assert outputs(seen, "chair", VHR) != outputs(seen, "chair", "baseline")


@pytest.mark.parametrize("condition", [MASK, SCALE_LM])
@pytest.mark.parametrize("task", TEXT)
def test_text_families_are_answered_by_the_language_model(
    read: RunOutcome, task: str, condition: str
) -> None:
    line = next(
        c for c in read.comparisons if (c.other.task.name, c.other.arm.name) == (task, condition)
    )
    assert line.other.status == "ok" and line.other.coverage.answered == LIMIT
    assert line.other.diagnostics is not None and line.other.diagnostics.changed > 0
    control = next(r for r in read.results if (r.task.name, r.arm.of) == (task, condition))
    assert control.arm.canonical != line.other.arm.canonical
    assert control.coverage.answered == LIMIT


def test_vhr_on_text_families_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="acts on images, and none of the tasks shows any"):
        headbench.run(TEXT, VHR, model="ref-lm-v2", limit=1, out=tmp_path)
    assert not list(tmp_path.rglob("*.json"))
