"""`layers: all`: counted once the model is known, as if the file had named every layer."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from headbench.errors import ConfigError
from headbench.nouns import ModelInfo, Role
from headbench.site_names import site_of
from headbench.tasks.problems import checked
from headbench.tasks.schema import ALL, OUTSIDE_ATTENTION, TaskConfig
from headbench.tasks.task import Task

STAND_IN = ModelInfo("", "", layers=2, heads=1, kv_heads=1, head_dim=1)
"""Shapes under which a file is checked before any model is known."""
Models = Mapping[Role, ModelInfo | None]


def names_all(layers: object) -> bool:
    """Whether a value of ``layers`` is the word, alone or as the only item of a list."""
    return layers == ALL or (isinstance(layers, list | tuple) and list(layers) == [ALL])


def with_layers(task: Task, models: Models, *, final: bool = False) -> Task:
    """The task with every ``layers: all`` replaced by the model's own layers.

    Of sites inside attention these are the layers whose heads can be reached. What
    ``scorer_options.layers`` says follows the captures of the last step that says ``all``.

    Args:
        task: As loaded.
        models: Role -> shapes of its model, as far as they are known.
        final: Whether no more will become known.

    Returns:
        The task itself where nothing says ``all``, or where a model's shapes are still unknown.

    Raises:
        ConfigError: ``final``, and a model does not say how many layers it has.
    """
    data: dict[str, Any] = copy.deepcopy(dict(task.merged.data))
    counted: list[int] | None = None
    for captures, role in _captures(data):
        for capture in captures:
            if not names_all(capture.get("layers")):
                continue
            info = models.get(role)
            if info is None:
                if final:
                    raise ConfigError(
                        "this model does not say how many layers it has",
                        where=f"task {task.name}: layers: {ALL}",
                        hint="name them: --task-args layers=0,1,2",
                    )
                return task
            site, _ = site_of(str(capture.get("site", "residual")))
            numbers = range(info.layers) if site in OUTSIDE_ATTENTION else info.attending
            counted = list(numbers)
            capture["layers"] = list(counted)
    options = data.get("scorer_options")
    if isinstance(options, dict) and names_all(options.get("layers")):
        if counted is None:
            raise ConfigError(
                f"scorer_options.layers says {ALL}, and no capture does",
                where=f"task {task.name}, {task.merged.path}",
                hint="let one argument set both",
            )
        options["layers"] = list(counted)
    if counted is None:
        return task
    merged = replace(task.merged, data=data)
    made = Task.build(checked(TaskConfig, data, merged), merged)
    return replace(made, _cache=task._cache)  # documents do not depend on layers


def checkable(task: Task, models: Models = MappingProxyType({})) -> Task:
    """The task as its scorer can check it: layers counted, or two in their place."""
    known = with_layers(task, models)
    stand_ins: Models = {step.role: STAND_IN for step in task.steps}
    return with_layers(known, {**stand_ins, **{r: i for r, i in models.items() if i is not None}})


def _captures(data: Mapping[str, Any]) -> list[tuple[list[dict[str, Any]], Role]]:
    """Every list of captures with the role that answers it; the top level is the steps' default."""
    steps = [one for one in data.get("steps") or () if isinstance(one, dict)]
    found = [(one["captures"], _role(one)) for one in steps if "captures" in one]
    if "captures" in data:
        heirs = [one for one in steps if "captures" not in one]
        found.append((data["captures"], _role(heirs[-1] if heirs else {})))
    return found


def _role(step: Mapping[str, Any]) -> Role:
    role: Role = step.get("role", "subject")
    return role
