"""Which code of others a run goes through, and what results record of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from headbench.interventions import method_catalogue as interventions
from headbench.interventions.grammar import parse
from headbench.jobs import Condition, Model
from headbench.models import adapter_catalogue as models
from headbench.results.code_facts import facts, scored_by
from headbench.results.schema import CodeFacts
from headbench.running.spec import RunSpec

if TYPE_CHECKING:
    from headbench.tasks.task import Task


def with_code(condition: Condition) -> Condition:
    """The condition with its interventions' code digests, which belong in every response key.

    Raises:
        RefusedError: an intervention was typed at a prompt, so that its code has no file.
    """
    methods = [interventions.get(part.name) for part in parse(condition.name).parts]
    return replace(condition, code={one.name: one.code.digest for one in methods if one.code})


def identity_of(spec: RunSpec, model: Model) -> Mapping[str, str]:
    """The adapter's identity, with the digest of its code where that is not headbench's own."""
    code = models.code_of(spec.model or "", model)
    return {**model.identity, **({"code": code.digest} if code else {})}


def used(
    spec: RunSpec, model: Model, conditions: Iterable[Condition], tasks: Iterable[Task]
) -> list[CodeFacts]:
    """Everything of others that a run goes through, in a stable order."""
    name = spec.model or ""
    found = facts("model", {name: models.code_of(name, model)})
    methods = {part.name for condition in conditions for part in parse(condition.name).parts}
    found += facts("intervention", {one: interventions.get(one).code for one in methods})
    scored = [one for task in tasks for one in scored_by(task.scorer, task.parser, task.metrics)]
    return found + list({(one.kind, one.name): one for one in scored}.values())
