"""What a run would do, in words: ``headbench run --dry-run``."""

from __future__ import annotations

from collections.abc import Iterator

from headbench.running.collect import first_step
from headbench.running.run_plan import RunPlan


def describe(plan: RunPlan) -> Iterator[str]:
    """Lines that say what the run asks, of whom, under which conditions; nothing is run.

    Yields:
        The command, the notes, then one line a task and one a toggle.
    """
    yield plan.spec.command()
    yield f"model: {plan.model_name} ({plan.spec.model})"
    yield from (f"note: {note}" for note in plan.notes)
    total, first = 0, first_step(plan)
    for task in plan.tasks:
        documents = plan.documents[task.name]
        asked = sum(map(len, first[task.name])) * len(plan.conditions(task))
        total += asked
        steps = " -> ".join(f"{step.name} ({step.kind})" for step in task.steps)
        yield (
            f"task {task.name} version {task.version}: {len(documents):,} documents, "
            f"{len(plan.conditions(task))} conditions, steps {steps}, "
            f"main metric {task.main_metric}"
        )
    for toggle in plan.toggles:
        for part in toggle.condition.interventions:
            yield f"toggle {toggle.condition.name} = {part.canonical}"
    yield f"first steps ask {total:,} requests; nothing was run"
