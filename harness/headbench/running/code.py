"""Which code of others a run goes through: what results record of it, and what a replay checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from headbench._code import Code
from headbench.errors import RefusedError
from headbench.interventions import registry as interventions
from headbench.interventions.grammar import parse
from headbench.models import registry as models
from headbench.results.files import read_result
from headbench.results.schema import CodeFacts, Result
from headbench.running.spec import RunSpec, spec_from_result
from headbench.scoring import registry as scoring
from headbench.types import Arm, Model

if TYPE_CHECKING:
    from headbench.running.plan import RunPlan
    from headbench.tasks.task import Task

Kind = Literal["model", "intervention", "scorer", "parser", "metric"]


def with_code(arm: Arm) -> Arm:
    """The arm with the digests of its interventions' code, which belong in every response key.

    Raises:
        RefusedError: an intervention was typed at a prompt, so that its code has no file.
    """
    methods = [interventions.get(part.name) for part in parse(arm.name).parts]
    return replace(arm, code={one.name: one.code.digest for one in methods if one.code})


def identity_of(spec: RunSpec, model: Model) -> Mapping[str, str]:
    """The adapter's identity, with the digest of its code where that is not headbench's own."""
    code = models.code_of(spec.model or "", model)
    return {**model.identity, **({"code": code.digest} if code else {})}


def used(
    spec: RunSpec, model: Model, arms: Iterable[Arm], tasks: Iterable[Task]
) -> list[CodeFacts]:
    """Everything of others that a run goes through, in a stable order."""
    name = spec.model or ""
    found = facts("model", {name: models.code_of(name, model)})
    methods = {part.name for arm in arms for part in parse(arm.name).parts}
    found += facts("intervention", {one: interventions.get(one).code for one in methods})
    scored = [one for task in tasks for one in scored_by(task.scorer, task.parser, task.metrics)]
    return found + list({(one.kind, one.name): one for one in scored}.values())


def scored_by(scorer: str, parser: str, metrics: Iterable[str]) -> list[CodeFacts]:
    """What turns outputs into figures and is not headbench's own."""
    return [
        *facts("scorer", {scorer: scoring.code_of("scorer", scorer)}),
        *facts("parser", {parser: scoring.code_of("parser", parser)}),
        *facts("metric", {name: scoring.code_of("metric", name) for name in metrics}),
    ]


def facts(kind: Kind, codes: Mapping[str, Code]) -> list[CodeFacts]:
    """Codes as a result records them, sorted by name; headbench's own is left out."""
    return [
        CodeFacts(
            kind=kind,
            name=name,
            digest=code.digest,
            files=dict(code.files),
            packages=dict(code.packages),
        )
        for name, code in sorted(codes.items())
        if code
    ]


def plan_from_result(path: Path) -> RunPlan:
    """The plan that makes a result again, for ``run --from``.

    Raises:
        RefusedError: code that the run went through was changed since.
        HeadbenchError: the file is no result of a run, or the run cannot be planned any more.
    """
    from headbench.running.plan import make_plan

    plan = make_plan(spec_from_result(path))
    return replace(plan, notes=(*plan.notes, *check_code(read_result(path), plan, str(path))))


def check_code(result: Result, plan: RunPlan, where: str) -> list[str]:
    """Hold the code of a plan against the code that made a result.

    Returns:
        A note for each code that the result does not mention.

    Raises:
        RefusedError: a code is another one now.
    """
    now = {(one.kind, one.name): one for one in plan.code}
    then = {(one.kind, one.name): one for one in result.run.code}
    for key, before in then.items():
        after = now.get(key)
        if after is None or after.digest != before.digest:
            raise RefusedError(
                f"the code of the {before.kind} {before.name!r} is not the one that made this "
                f"result: {_difference(before, after)}",
                where=where,
                mend=f"bring the old code back, or make a new result: {plan.spec.command()}",
            )
    return [
        f"{kind} {name}: the result does not say which code made it; the present one runs"
        for kind, name in now.keys() - then.keys()
    ]


def _difference(before: CodeFacts, after: CodeFacts | None) -> str:
    if after is None:
        return "it is not in use any more"
    old = {**before.files, **before.packages}
    new = {**after.files, **after.packages}
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    said = [
        f"{name} {'is new' if name not in old else 'is gone' if name not in new else 'changed'}"
        for name in names
    ]
    return ", ".join(said[:4]) + (f" and {len(said) - 4} more" if len(said) > 4 else "")
