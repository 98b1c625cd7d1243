"""Planning the run that made a result again, with the very code that it went through."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from headbench.errors import RefusedError
from headbench.results.files import read_result
from headbench.results.schema import CodeFacts, Result
from headbench.running.run_plan import RunPlan, make_plan
from headbench.running.spec import spec_from_result


def plan_from_result(path: Path) -> RunPlan:
    """The plan that makes a result again, for ``run --from``.

    Raises:
        RefusedError: code that the run went through was changed since, or a parameter that the run
            left out has another default now.
        HeadbenchError: the file is no result of a run, or the run cannot be planned any more.
    """
    plan = make_plan(spec_from_result(path))
    result = read_result(path)
    check_parameters(result, plan, str(path))
    return replace(plan, notes=(*plan.notes, *check_code(result, plan, str(path))))


def check_parameters(result: Result, plan: RunPlan, where: str) -> None:
    """Hold the intervention of a plan against the one that made a result.

    Raises:
        RefusedError: its resolved parameters are others now, e.g. by another default strength.
    """
    for one in plan.interventions:
        now = tuple(part.canonical for part in one.condition.interventions)
        if one.condition.name == result.arm.name and now != result.arm.canonical:
            then = "+".join(result.arm.canonical)
            raise RefusedError(
                f"{result.arm.name} is not the intervention that made this result: it was {then}, "
                f"and is {'+'.join(now)} now",
                where=where,
                hint="run it with the parameter that changed written out, instead of --from",
            )


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
                hint=f"bring the old code back, or make a new result: {plan.spec.command()}",
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
