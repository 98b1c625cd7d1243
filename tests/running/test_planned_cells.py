"""The cells of a run: planned once, and passed along instead of being joined by name or place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from headbench.models import adapter_catalogue
from headbench.running.execute import run_plan
from headbench.running.run_plan import RunPlan, make_plan
from headbench.running.spec import make_spec
from headbench.tasks.steps import Step
from headbench.tasks.task import Task
from helpers_fake_task import write_tasks

MASK = "mask_heads(heads=[[0,1]])"


@pytest.fixture(autouse=True)
def _fake_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(adapter_catalogue.SHIPPED, "fake", ("helpers_fake_model:create", ""))  # type: ignore[misc]
    yield


def plan_of(folder: Path, *tasks: str, controls: int = 2, **options: object) -> RunPlan:
    include = (str(write_tasks(folder / "mine")),)
    options = {"interventions": (MASK, "vhr"), "controls": controls, **options}
    return make_plan(make_spec(tasks=tasks, model="fake", include=include, limit=6, **options))


def test_controls_are_planned_only_where_the_task_suits_their_intervention(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "colours", "pope")
    planned = [
        (c.task.name, c.condition.name.partition("#")[0], c.condition.role) for c in plan.cells
    ]
    masked = [(MASK, "toggle"), (MASK, "control"), (MASK, "control")]
    seen = [("vhr", "toggle"), ("vhr", "control"), ("vhr", "control")]
    assert planned == [
        ("colours", name, role) for name, role in [("baseline", "baseline"), *masked, seen[0]]
    ] + [("pope", name, role) for name, role in [("baseline", "baseline"), *masked, *seen]]
    assert [cell.suits for cell in plan.cells] == [True] * 4 + [False] + [True] * 7
    for cell in plan.cells:
        owner = None if cell.intervention is None else cell.intervention.condition.name
        assert owner == (cell.condition.of or (None if owner is None else cell.condition.name))


def test_all_cells_of_a_task_share_its_documents_and_first_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[str] = []
    original = Task.requests

    def counted(self: Task, document: object, step: str | Step, *more: object) -> object:
        rendered.append(f"{self.name} {step if isinstance(step, str) else step.name}")
        return original(self, document, step, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Task, "requests", counted)
    plan = plan_of(tmp_path, "colours", "twice", interventions=(MASK,))
    run_plan(plan, tmp_path / "out", progress=False)
    assert {id(cell.planned_task) for cell in plan.cells} == {id(task) for task in plan.tasks}
    # The first step once per document; the second once per document and condition.
    assert len([one for one in rendered if one.startswith("colours")]) == 6
    assert rendered.count("twice guess") == 6 and rendered.count("twice again") == 4 * 6


def test_results_come_in_the_order_of_the_planned_cells(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "twice", "colours", interventions=(MASK,))
    outcome = run_plan(plan, tmp_path / "out", progress=False)
    assert [(r.task.name, r.arm.name) for r in outcome.results] == [
        (cell.task.name, cell.condition.name) for cell in plan.cells
    ]


def test_a_planned_cell_does_not_change(tmp_path: Path) -> None:
    cell = plan_of(tmp_path, "colours", interventions=(MASK,)).cells[0]
    with pytest.raises(FrozenInstanceError, match="condition"):
        cell.condition = None  # type: ignore[misc, assignment]
