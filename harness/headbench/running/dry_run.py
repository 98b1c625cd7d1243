"""What a run would do, in words: ``headbench run --dry-run``."""

from __future__ import annotations

from collections.abc import Iterator

from headbench.running.model_roles import SUBJECT
from headbench.running.run_plan import RunPlan
from headbench.tasks.steps import Step


def describe(plan: RunPlan) -> Iterator[str]:
    """Lines that say what the run asks, of whom, under which conditions; nothing is run.

    Yields:
        The command, the notes, then one line per task and one per intervention.
    """
    yield plan.spec.command()
    yield f"model: {plan.model_name} ({plan.spec.model})"
    for role, one in plan.respondents.items():
        if role != SUBJECT:
            yield f"{role}: {one.name} ({one.adapter})"
    yield from (f"note: {note}" for note in plan.notes)
    total = 0
    for planned in plan.tasks:
        task = planned.task
        conditions = sum(cell.planned_task is planned for cell in plan.cells)
        total += len(planned.all_first_requests) * conditions
        steps = " -> ".join(f"{step.name} ({_asked(step)})" for step in task.steps)
        yield (
            f"task {task.name} version {task.version}: {len(planned.documents):,} documents, "
            f"{conditions} conditions, steps {steps}, main metric {task.main_metric}"
        )
    for intervention in plan.interventions:
        for part in intervention.condition.interventions:
            yield f"intervention {intervention.condition.name} = {part.canonical}"
    yield f"first steps ask {total:,} requests; nothing was run"


def _asked(step: Step) -> str:
    """What a step asks, and of whom where it is not the subject."""
    return step.kind if step.role == SUBJECT else f"{step.kind}, {step.role}"
