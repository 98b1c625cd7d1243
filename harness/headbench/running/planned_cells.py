"""The cells of a run, planned once: which conditions are asked of which task over which documents.

A cell is planned here, asked in :mod:`~headbench.running.collect`, turned into a result in
:mod:`~headbench.running.build_results` and never looked up by name or by position in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headbench.edits import Controls
from headbench.jobs import Condition
from headbench.nouns import Document, Request
from headbench.tasks.task import Task

BASELINE = Condition("baseline")


@dataclass(frozen=True)
class PlannedIntervention:
    """An intervention of a run with its control draws.

    Attributes:
        condition: The resolved intervention.
        controls: Its control conditions, possibly fewer than asked for.
        facts: What was drawn; ``None`` where the method declares no control.
    """

    condition: Condition
    controls: tuple[Condition, ...]
    facts: Controls | None

    def suits(self, task: Task) -> bool:
        """Whether a task's documents contain what the intervention acts on."""
        sees = any("image" in part.needs for part in self.condition.interventions)
        return task.needs_images or not sees


@dataclass(frozen=True, eq=False)
class PlannedTask:
    """A task with what all of its cells share.

    Attributes:
        task: The task.
        documents: What is asked about, in order.
        first_requests: The requests of the first step, one tuple per document. They do not depend
            on the condition, so they are rendered once.
    """

    task: Task
    documents: tuple[Document, ...]
    first_requests: tuple[tuple[Request, ...], ...]

    @property
    def all_first_requests(self) -> list[Request]:
        """The first step's requests of all documents, in order."""
        return [request for requests in self.first_requests for request in requests]


@dataclass(frozen=True, eq=False)
class PlannedCell:
    """One (task, condition) cell of a run.

    Attributes:
        planned_task: The task with its documents and first requests.
        condition: Under which intervention.
        intervention: The intervention that the condition is, or is a control of; ``None`` for the
            baseline.
    """

    planned_task: PlannedTask
    condition: Condition
    intervention: PlannedIntervention | None

    @property
    def task(self) -> Task:
        """The task."""
        return self.planned_task.task

    @property
    def documents(self) -> tuple[Document, ...]:
        """What is asked about, in order."""
        return self.planned_task.documents

    @property
    def suits(self) -> bool:
        """Whether the task's documents contain what the condition acts on."""
        return self.intervention is None or self.intervention.suits(self.task)


def plan_task(task: Task, documents: tuple[Document, ...], seed: int) -> PlannedTask:
    """A task with its documents, and with the requests of its first step rendered.

    Args:
        task: The task.
        documents: What is asked about.
        seed: The run's seed.

    Raises:
        HeadbenchError: a template fails on a document.
    """
    step = task.steps[0].name
    requests = (tuple(task.requests(document, step, {}, seed)) for document in documents)
    return PlannedTask(task, documents, tuple(requests))


def plan_cells(
    tasks: Sequence[PlannedTask], interventions: Sequence[PlannedIntervention]
) -> Iterator[PlannedCell]:
    """The cells of a run, task by task: the baseline, then each intervention with its controls.

    An intervention that a task gives nothing to act on still runs, so that ``inert`` is seen and
    not assumed; its controls would say nothing and do not.
    """
    for task in tasks:
        yield PlannedCell(task, BASELINE, None)
        for one in interventions:
            yield PlannedCell(task, one.condition, one)
            for control in one.controls if one.suits(task.task) else ():
                yield PlannedCell(task, control, one)
