"""What a run changes in every task: examples, how they are shown, the system turn, generation.

The options and their meaning are those of lm-eval. A change takes the place of what the task file
says, and then all is checked as if the file had said so. The prompt's hash holds it, and so does
the id of every result.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headbench._json import strict_json
from headbench.errors import ConfigError, nearest
from headbench.tasks.merge import Merged, Origin
from headbench.tasks.schema import KINDS, Generation
from headbench.tasks.yamlfile import KeyPath

_SUBJECT = "subject"


@dataclass(frozen=True)
class Overrides:
    """What a run changes in its tasks; by default nothing.

    Attributes:
        num_fewshot: Solved examples before each prompt.
        fewshot_as_multiturn: Show them as turns of the conversation.
        system_instruction: Text of the system turn of the evaluated model.
        gen_kwargs: Keys of ``generation_kwargs`` -> value as it was written.
    """

    num_fewshot: int | None = None
    fewshot_as_multiturn: bool = False
    system_instruction: str | None = None
    gen_kwargs: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self != Overrides()


def parse_gen_kwargs(text: str) -> dict[str, str]:
    """Read ``temperature=0.7,max_gen_toks=64``; a comma separates only where ``name=`` follows.

    Raises:
        ConfigError: A part has no ``=``, or a name comes twice.
    """
    from headbench.tasks.arguments import parse_task_args

    return parse_task_args(text, "--gen_kwargs", "write for example temperature=0.7,do_sample=true")


def overridden(merged: Merged, changes: Overrides) -> Merged:
    """A task file with a run's changes in the place of its own values.

    Only steps that the evaluated model answers take a system turn and generation settings: a judge
    is asked as the task says.

    Raises:
        ConfigError: A generation setting is unknown.
    """
    if not changes:
        return merged
    data: dict[str, Any] = copy.deepcopy(dict(merged.data))
    origins = dict(merged.origins)

    def put(path: KeyPath, value: object, option: str) -> None:
        at: Any = data
        for key in path[:-1]:
            at = at.setdefault(key, {}) if isinstance(key, str) else at[key]
        at[path[-1]] = value
        origins[path] = Origin(Path(f"--{option}"), 0)

    if changes.num_fewshot is not None:
        put(("num_fewshot",), changes.num_fewshot, "num_fewshot")
    if changes.fewshot_as_multiturn:
        put(("fewshot_config", "placement"), "turns", "fewshot_as_multiturn")
    for at, step in _asked(data):
        if changes.system_instruction is not None:
            # A template: the text must stand for itself, whatever braces it holds.
            literal = f"{{{{ {json.dumps(changes.system_instruction)} }}}}"
            put((*at, "system"), literal, "system_instruction")
        if changes.gen_kwargs and _kind(step, data) == "generate":
            own = step.get("generation_kwargs", data.get("generation_kwargs", {}))
            put((*at, "generation_kwargs"), dict(own), "gen_kwargs")
            for name, text in changes.gen_kwargs.items():
                put((*at, "generation_kwargs", name), _setting(name, text), "gen_kwargs")
    return replace(merged, data=data, origins=origins)


def _asked(data: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """Where the steps of the evaluated model stand: the top level where there are none."""
    steps = data.get("steps")
    if not isinstance(steps, list) or not steps:
        yield (), data
        return
    for number, step in enumerate(steps):
        if isinstance(step, Mapping) and step.get("role", _SUBJECT) == _SUBJECT:
            yield ("steps", number), step


def _kind(step: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    asked = step.get("output_type", data.get("output_type", "generate_until"))
    return KINDS.get(str(asked), "")


def _setting(name: str, text: str) -> object:
    """A generation setting as YAML would hold it.

    Raises:
        ConfigError: There is none of this name.
    """
    if name not in Generation.model_fields:
        raise ConfigError(
            f"there is no generation setting {name!r}",
            where=f"--gen_kwargs {name}={text}",
            hint=nearest(name, tuple(Generation.model_fields)),
        )
    if name == "until":
        return [text]
    try:
        return strict_json({"True": "true", "False": "false"}.get(text, text))
    except ValueError:
        return text


def check_taken(changes: Overrides, tasks: Sequence[tuple[str, Merged]]) -> None:
    """Refuse a change that no task of a run shows.

    Args:
        changes: What was asked.
        tasks: Name and changed file of each task.

    Raises:
        ConfigError: Nobody takes one of them.
    """
    names = ", ".join(name for name, _ in tasks)
    if changes.gen_kwargs and not any(
        _kind(step, merged.data) == "generate"
        for _, merged in tasks
        for _, step in _asked(merged.data)
    ):
        raise ConfigError(
            f"no task of the run generates text: {names}",
            where="--gen_kwargs",
            hint="leave it out",
        )
    shown = any(merged.data.get("num_fewshot") for _, merged in tasks)
    if changes.fewshot_as_multiturn and not shown:
        raise ConfigError(
            f"no task of the run shows solved examples: {names}",
            where="--fewshot_as_multiturn",
            hint="give --num_fewshot N as well",
        )
