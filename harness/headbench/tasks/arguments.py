"""Arguments of tasks: values that a run gives for keys that a task file lets it set.

A task file names them under ``arguments``, e.g. ``table: dataset_kwargs.table``; a run gives
``--task-args table=betas.npz``. The value takes the place of the one in the file, and then all is
checked as if the file had said so. ``TASK.name=value`` reaches one task of several.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from headbench._json import strict_json
from headbench._reading import resolved
from headbench.errors import ConfigError, nearest
from headbench.tasks.merge import Merged, Origin
from headbench.tasks.schema import ALL
from headbench.tasks.yamlfile import KeyPath, dotted

OPTION = "--task-args"
NAME = r"(?:[a-z][a-z0-9_]*\.)?[a-z][a-z0-9_]*"
FIXED = ("task", "include", "arguments")
"""Keys that no argument may set."""
Arguments = Mapping[str, str]
"""``name`` or ``TASK.name`` -> value as it was written."""


def parse_task_args(
    text: str,
    option: str = OPTION,
    example: str = "write for example table=betas.npz,kind=correlation",
) -> dict[str, str]:
    """Read ``table=betas.npz,layers=0,1,2``; a comma separates only where ``name=`` follows it.

    Args:
        text: What was written.
        option: Which option it was given to.
        example: Hint of its errors.

    Raises:
        ConfigError: A part has no ``=``, or a name comes twice.
    """
    found: dict[str, str] = {}
    for part in re.split(rf",(?=\s*{NAME}=)", text) if text.strip() else ():
        name, sign, value = part.strip().partition("=")
        if not sign or not re.fullmatch(NAME, name):
            raise ConfigError(
                f"{part.strip()!r} is not name=value",
                where=f"{option} {text}",
                hint=example,
            )
        if name in found:
            raise ConfigError(f"{name!r} is given twice", where=f"{option} {text}")
        found[name] = value.strip()
    return found


def check_known(given: Arguments, tasks: Sequence[tuple[str, Merged]]) -> None:
    """Refuse arguments that no task of a run takes.

    Args:
        given: All arguments of the run.
        tasks: Name and file of each task.

    Raises:
        ConfigError: Nobody takes one of them.
    """
    taken = {name: tuple(available(merged)) for name, merged in tasks}
    for argument in given:
        task, dot, name = argument.rpartition(".")
        if dot and task not in taken:
            raise ConfigError(
                f"the run has no task {task!r}",
                where=f"{OPTION} {argument}={given[argument]}",
                hint=nearest(task, tuple(taken)),
            )
        known = (
            taken[task] if dot else tuple(sorted({one for some in taken.values() for one in some}))
        )
        if name not in known:
            whose = task if dot else ", ".join(taken)
            raise ConfigError(
                f"{name!r} is no argument of the task {whose}",
                where=f"{OPTION} {argument}={given[argument]}",
                hint=nearest(name, known) if known else "these tasks take no arguments",
            )


def overlaid(merged: Merged, given: Arguments) -> Merged:
    """A task file with a run's values in the place of its own.

    Args:
        merged: The file; its own values say what kind each argument is.
        given: Arguments of the run; those of other tasks are left alone.

    Raises:
        ConfigError: A value is not of the kind of the one in the file, two values are for one key,
            or ``arguments`` names a key that the file does not set.
    """
    places = available(merged)
    own = f"{merged.data.get('task', '')}."
    chosen = {name: value for name, value in given.items() if name in places}
    # What is said for this task alone wins.
    chosen |= {
        name.removeprefix(own): value
        for name, value in given.items()
        if name.startswith(own) and name.removeprefix(own) in places
    }
    if not chosen:
        return merged
    _refuse_two_for_one(chosen, places)
    data = copy.deepcopy(dict(merged.data))
    origins = dict(merged.origins)
    for name, text in chosen.items():
        for path in places[name]:
            holder = _holder(data, path, name, merged)
            word = path[-1] == "layers" and text == ALL  # in the place of numbers
            where = f"{OPTION} {name}={text}"
            holder[path[-1]] = [ALL] if word else _read(text, holder[path[-1]], where)
            origins = {one: at for one, at in origins.items() if one[: len(path)] != path}
            origins[path] = Origin(Path(OPTION), 0)
    return replace(merged, data=data, origins=origins)


def _refuse_two_for_one(chosen: Arguments, places: Mapping[str, Sequence[KeyPath]]) -> None:
    """Refuse two arguments for one key: a spec says nothing of the order in which they came."""
    owner: dict[KeyPath, str] = {}
    for name in sorted(chosen):
        for path in places[name]:
            for other, first in owner.items():
                shorter = min(len(path), len(other))
                if first != name and path[:shorter] == other[:shorter]:
                    raise ConfigError(
                        f"{first!r} and {name!r} both set {dotted(path)}",
                        where=f"{OPTION} {first}={chosen[first]},{name}={chosen[name]}",
                        hint="give one of the two",
                    )
            owner[path] = name


def available(merged: Merged) -> dict[str, tuple[KeyPath, ...]]:
    """Name of each argument that a run may give -> the keys that it sets.

    A file that includes another may replace what an argument of that one sets, such as the list of
    captures; the argument is then gone.

    Raises:
        ConfigError: As :func:`declared`, or an argument of the file itself names a key that is not
            there.
    """
    found: dict[str, tuple[KeyPath, ...]] = {}
    for name, paths in declared(merged).items():
        origin = merged.origins.get(("arguments", name))
        try:
            for path in paths:
                _holder(merged.data, path, name, merged)
        except ConfigError:
            if origin is None or resolved(origin.path) == resolved(merged.path):
                raise
            continue
        found[name] = paths
    return found


def declared(merged: Merged) -> dict[str, tuple[KeyPath, ...]]:
    """Name of each argument -> the keys that it sets.

    Raises:
        ConfigError: ``arguments`` is no mapping of names to keys, or names a key that is fixed.
    """
    written = merged.data.get("arguments", {})
    if not isinstance(written, Mapping):
        raise ConfigError(
            "`arguments` maps names to keys",
            where=merged.where(("arguments",)),
            hint="for example `table: dataset_kwargs.table`",
        )
    found: dict[str, tuple[KeyPath, ...]] = {}
    for name, value in written.items():
        keys = [value] if isinstance(value, str) else value
        paths = (
            tuple(_path(key) for key in keys)
            if isinstance(keys, list) and all(isinstance(key, str) for key in keys)
            else ()
        )
        plain = isinstance(name, str) and re.fullmatch(NAME, name) and "." not in name
        if not plain or not paths or any(path[0] in FIXED for path in paths):
            raise ConfigError(
                f"the argument {name!r} cannot set {value!r}",
                where=merged.where(("arguments", str(name))),
                hint="name a key of this file, e.g. dataset_kwargs.table or captures.0.layers",
            )
        found[str(name)] = paths
    return found


def _path(text: str) -> KeyPath:
    return tuple(int(part) if part.isdecimal() else part for part in text.split("."))


def _holder(data: Any, path: KeyPath, name: str, merged: Merged) -> Any:
    """The mapping or list that holds the last key of a path; the key is there."""
    at = holder = data
    for key in path:
        holder = at
        by_name = isinstance(at, Mapping) and key in at
        by_place = isinstance(at, list) and isinstance(key, int) and key < len(at)
        if not by_name and not by_place:
            raise ConfigError(
                f"the argument {name!r} sets {dotted(path)}, which the file does not have",
                where=merged.where(("arguments", name)),
                hint="give the key a default in the file",
            )
        at = at[key]
    return holder


def _read(text: str, default: object, where: str) -> object:
    """A value of the kind of the one in the file; a list is separated by commas."""
    if isinstance(default, str):
        return text
    if isinstance(default, list):
        parts = [part.strip() for part in text.strip("[]").split(",") if part.strip()]
        return [_read(part, default[0] if default else None, where) for part in parts]
    try:
        value = strict_json(text)
    except ValueError:
        value = text
    if default is None or type(value) is type(default):
        return value
    if isinstance(default, float) and type(value) is int:
        return float(value)
    raise ConfigError(
        f"{text!r} is no {_KINDS.get(type(default), type(default).__name__)}",
        where=where,
        hint=f"the file has {json.dumps(default)}",
    )


_KINDS = {int: "whole number", float: "number", bool: "true or false", dict: "mapping"}
