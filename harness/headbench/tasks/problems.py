"""What is wrong with a task file, in the words of the file: line, key, value, nearest name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from headbench.errors import ConfigError, nearest
from headbench.tasks.merge import Merged
from headbench.tasks.yamlfile import KeyPath, dotted

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Checked = TypeVar("Checked", bound=BaseModel)


class TaskFileError(ConfigError):
    """Everything that is wrong with one task file.

    Attributes:
        problems: One error a wrong key, in the order of the file.
    """

    def __init__(self, path: Path, problems: Sequence[ConfigError]) -> None:
        self.problems = tuple(problems)
        if len(problems) == 1:
            only = problems[0]
            super().__init__(only.what, where=only.where, hint=only.hint)
            return
        listed = "".join(
            f"\n    {n}. {p.what}{f' [{p.where}]' if p.where else ''}"
            f"{f': {p.hint}' if p.hint else ''}"
            for n, p in enumerate(problems, 1)
        )
        super().__init__(f"the task file has {len(problems)} errors:{listed}", where=str(path))


def checked(
    model: type[Checked], data: Mapping[str, Any], merged: Merged, at: KeyPath = ()
) -> Checked:
    """Validate a part of a task file.

    Args:
        model: What it must be.
        data: The part.
        merged: The file, for lines.
        at: Where in the file the part stands.

    Raises:
        TaskFileError: With one problem for every wrong key.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        details = _most_exact(error.errors())
        problems = [_problem(detail, merged, model, at) for detail in details]
        raise TaskFileError(merged.path, problems) from error


def _most_exact(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """One error per place: a union reports each of its branches, and the deepest says most."""
    places = [_place(detail) for detail in details]
    kept: dict[KeyPath, ErrorDetails] = {}
    for place, detail in zip(places, details, strict=True):
        deeper = any(len(o) > len(place) and o[: len(place)] == place for o in places)
        if not deeper or detail["type"] == "extra_forbidden":
            kept.setdefault(place, detail)
    return list(kept.values())


def _place(detail: ErrorDetails) -> KeyPath:
    return tuple(part for part in detail["loc"] if not _is_branch(part))


def _problem(
    detail: ErrorDetails, merged: Merged, model: type[BaseModel], at: KeyPath
) -> ConfigError:
    """One pydantic error in the words of the file."""
    path = _place(detail)
    where, value = merged.where((*at, *path)), detail.get("input")
    key = dotted(path[-2:] if path and isinstance(path[-1], int) else path[-1:])
    if detail["type"] == "extra_forbidden":
        known = _keys(model, path[:-1])
        return ConfigError(f"unknown key {key!r}", where=where, hint=nearest(key, known))
    if detail["type"] == "missing":
        deleted = "; null deletes the included one" if (*at, *path) in merged.origins else ""
        what = f"the key {key!r} is missing{deleted}"
        return ConfigError(what, where=where, hint=f"add `{key}: ...`")
    if value is None and len(merged.files) > 1:
        what = f"{key!r} is null, which deletes an included key, and none is included here"
        return ConfigError(what, where=where, hint="check the key's name, or give it a value")
    if isinstance(value, bool) and "string" in detail["msg"]:
        hint = "YAML reads yes, no, on and off as true and false: put the word in quotes"
        return ConfigError(f"{key!r} must be text, not {value}", where=where, hint=hint)
    if detail["type"] == "literal_error" and isinstance(value, str):
        expected = str(detail["ctx"]["expected"]).replace(" or ", ", ").split(", ")
        hint = nearest(value, [word.strip("'") for word in expected])
        return ConfigError(f"{key!r} cannot be {value!r}", where=where, hint=hint)
    message = detail["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(value, dict) else f" (it is {_short(value)})"
    return ConfigError(f"{key + ': ' if key else ''}{message}{shown}", where=where)


def _is_branch(part: int | str) -> bool:
    """Whether pydantic put the name of a union's branch into a location."""
    return isinstance(part, str) and ("[" in part or part in {"str", "int", "tuple"})


def _keys(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Key names that are allowed at a path, following the models' own annotations."""
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            inner = _model_in(model.model_fields[part].annotation)
            if inner is None:
                return []
            model = inner
    return list(model.model_fields)


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The pydantic model within an annotation such as ``tuple[Model, ...]``."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation if issubclass(annotation, BaseModel) else None
    for inner in get_args(annotation):
        found = _model_in(inner)
        if found is not None:
            return found
    return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
