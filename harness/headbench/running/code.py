"""Which code of others a run goes through, and what results record of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from headbench.interventions import method_catalogue as interventions
from headbench.interventions.grammar import parse
from headbench.jobs import Condition
from headbench.models import adapter_catalogue as models
from headbench.results.code_facts import facts, read_by, scored_by
from headbench.results.schema import CodeFacts
from headbench.running.respondents import Respondent

if TYPE_CHECKING:
    from headbench.tasks.task import Task


def with_code(condition: Condition) -> Condition:
    """The condition with its interventions' code digests, which belong in every response key.

    Raises:
        RefusedError: an intervention was typed at a prompt, so that its code has no file.
    """
    methods = [interventions.get(part.name) for part in parse(condition.name).parts]
    return replace(condition, code={one.name: one.code.digest for one in methods if one.code})


def used(
    respondents: Iterable[Respondent], conditions: Iterable[Condition], tasks: Iterable[Task]
) -> list[CodeFacts]:
    """Everything of others that a run goes through, in a stable order."""
    found = facts(
        "model", {one.adapter: models.code_of(one.adapter, one.model) for one in respondents}
    )
    methods = {part.name for condition in conditions for part in parse(condition.name).parts}
    found += facts("intervention", {one: interventions.get(one).code for one in methods})
    of_tasks = [one for task in tasks for one in of_task(task)]
    return found + list({(one.kind, one.name): one for one in of_tasks}.values())


def of_task(task: Task) -> list[CodeFacts]:
    """What reads the data of a task, and what scores it."""
    return [
        *read_by(task.config.dataset_path, task.config.dataset_kwargs.get("name")),
        *scored_by(task.scorer, task.parser, task.metrics),
    ]
