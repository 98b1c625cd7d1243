"""The table of methods: names first, modules only when a method is asked for.

Built-in methods are listed by module; other packages add theirs through the entry point group
``headbench.interventions``, and a user's file through :func:`load_file`. A method's module imports
no torch when it is loaded, so that listing and validating stay fast.
"""

from __future__ import annotations

import importlib
import importlib.util
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from headbench._plugins import entry_points
from headbench.errors import ConfigError, nearest
from headbench.interventions.grammar import ToggleSpec
from headbench.types import Intervention, ModelInfo

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

GROUP = "headbench.interventions"
_PACKAGE = "headbench.interventions.methods"
_BUILT_IN = (
    "gift",
    "mask_heads",
    "offset_heads",
    "pai",
    "rope_zero",
    "scale_heads",
    "scale_values",
    "softpag",
    "steer",
    "stream_heads",
    "var",
    "vhr",
    "zerotuning",
)
_loaded: dict[str, Method] = {}


class Params(BaseModel):
    """Base of every method's parameters: frozen, unknown keys forbidden."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Method:
    """A named kind of intervention.

    Attributes:
        name: What a toggle calls it.
        params_model: Its parameters, with defaults and documentation.
        build: Makes the intervention for a model.
        summary: One line.
        source: The paper and equation it follows.
        needs: What must be there: ``image``, ``head_map``, ``artefact``, ...
    """

    name: str
    params_model: type[Params]
    build: Callable[[Any, ModelInfo], Intervention]
    summary: str
    source: str
    needs: frozenset[str] = frozenset()

    def params(self, spec: ToggleSpec) -> Params:
        """Check written parameters.

        Raises:
            ConfigError: An unknown parameter (with the nearest name) or a wrong value.
        """
        known = self.params_model.model_fields
        for key in spec.params:
            if key not in known:
                raise ConfigError(f"{self.name} has no parameter {key!r}", mend=nearest(key, known))
        try:
            return self.params_model.model_validate(dict(spec.params))
        except ValidationError as error:
            raise self._wrong(error.errors()[0]) from None

    def _wrong(self, fault: ErrorDetails) -> ConfigError:
        """A fault of the parameters in words of the toggle, not of the library that found it."""
        place, value = [str(part) for part in fault["loc"]], fault["input"]
        said = fault["msg"].removeprefix("Value error, ")
        wanted = next((word for end, word in _WANTED.items() if fault["type"].startswith(end)), "")
        if not place:
            return ConfigError(
                f"{self.name}: {said}", mend=f"headbench show intervention {self.name}"
            )
        pairs = "; heads are pairs: heads=[[2, 5], [3, 1]]" if place[0] == "heads" else ""
        return ConfigError(
            f"{self.name}: {f'{place[0]} wants {wanted}' if wanted else said}",
            where=f"{'.'.join(place)} = {value!r}",
            mend=f"headbench show intervention {self.name} lists its parameters{pairs}",
        )


_WANTED = {
    "tuple": "a list",
    "list": "a list",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a word",
    "finite": "a finite number",
}
"""How the library's error types begin -> what a parameter wants."""


def names() -> tuple[str, ...]:
    """All known methods, sorted."""
    return tuple(sorted({*_BUILT_IN, *_loaded, *_plugins()}))


def get(name: str) -> Method:
    """Look a method up.

    Raises:
        ConfigError: No such method; the message holds the nearest name.
    """
    if name in _loaded:
        return _loaded[name]
    if name in _BUILT_IN:
        found = importlib.import_module(f"{_PACKAGE}.{name}").METHOD
    elif name in (plugins := _plugins()):
        found = plugins[name]()
    else:
        raise ConfigError(f"there is no intervention {name!r}", mend=nearest(name, names()))
    return register(found)


def register(method: Method) -> Method:
    """Add a method, checking that each of its parameters is plainly a scalar or plainly a list.

    Raises:
        ConfigError: A parameter's type accepts both, so that a list given to it would be
            ambiguous between one value and a sweep.
    """
    for key, info in method.params_model.model_fields.items():
        if shapes(info.annotation) == {"scalar", "list"}:
            raise ConfigError(
                f"parameter {key!r} of {method.name!r} accepts a scalar and a list",
                mend="a list given to a scalar parameter is a sweep: split the parameter in two",
            )
    _loaded[method.name] = method
    return method


def load_file(path: Path) -> tuple[Method, ...]:
    """Register the methods of a user's Python file: its ``METHOD``, or all of its ``METHODS``.

    Raises:
        ConfigError: The file defines neither, or is not a program that runs.
    """
    spec = importlib.util.spec_from_file_location(f"headbench_user_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError("not a Python file", where=str(path))
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError, NameError, AttributeError, TypeError, ValueError) as error:
        line = getattr(error, "lineno", None) or _line_in(path, error)
        raise ConfigError(
            f"the file does not load: {type(error).__name__}: {error}",
            where=f"{path}:{line}",
            mend="run it with python to see the whole trace",
        ) from error
    found = (*getattr(module, "METHODS", ()), *filter(None, [getattr(module, "METHOD", None)]))
    if not found:
        raise ConfigError(
            "the file defines no intervention", where=str(path), mend="define METHOD = Method(...)"
        )
    return tuple(register(method) for method in found)


def _line_in(path: Path, error: BaseException) -> int:
    """The last line of ``path`` in an error's trace; 0 where it has none."""
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def shapes(annotation: object) -> set[str]:
    """Which shapes a parameter's type accepts: a subset of ``{"scalar", "list"}``."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return shapes(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return set().union(*(shapes(part) for part in typing.get_args(annotation)))
    if annotation is type(None):
        return set()
    base = origin or annotation
    is_list = isinstance(base, type) and issubclass(base, list | tuple | set | frozenset)
    return {"list"} if is_list else {"scalar"}


def _plugins() -> dict[str, Callable[[], Method]]:
    return {point.name: point.load for point in entry_points(group=GROUP)}
