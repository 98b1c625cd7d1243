"""The catalogue of methods: names first, modules only when a method is used.

Each file of ``methods/`` is one method and has its name, so a new file is a new method. Other
packages add theirs through the entry point group ``headbench.interventions``, and a user's file
through ``--include``. A method's module imports no torch when it is loaded, so that listing and
validating stay fast.
"""

from __future__ import annotations

import importlib
import pkgutil
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from headbench._catalogue import Catalogue, Found
from headbench._code import Code, of_things
from headbench.edits import Intervention
from headbench.errors import ConfigError, HeadbenchError, nearest
from headbench.interventions import methods
from headbench.interventions.grammar import MethodSpec
from headbench.interventions.strengths import PaperStrength
from headbench.nouns import ModelInfo

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class MethodParams(BaseModel):
    """Base of every method's parameters: frozen, unknown keys forbidden."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def needed(self, declared: frozenset[str]) -> frozenset[str]:
        """What must be there with these values.

        Args:
            declared: What the method declares for any values, :attr:`Method.needs`.
        """
        return declared


@dataclass(frozen=True)
class Method:
    """A named kind of intervention: the entry of the catalogue.

    With parameters and a model, ``build`` makes an intervention of it (:class:`~headbench.edits.
    Intervention`), for most methods a :class:`~headbench.interventions.method.BoundMethod`.

    Attributes:
        name: Its name in the grammar.
        params_model: Its parameters, with defaults and documentation.
        build: Makes the intervention for a model.
        summary: One line.
        source: The paper and equation it follows.
        needs: What must be there: ``image``, ``head_map``, ``artefact``, ...
        strength: The defaults of its strength, where it may be left out.
        code: What it runs that is not headbench's own; found when the method is registered.
    """

    name: str
    params_model: type[MethodParams]
    build: Callable[[Any, ModelInfo], Intervention]
    summary: str
    source: str
    needs: frozenset[str] = frozenset()
    strength: PaperStrength | None = None
    code: Code = field(default_factory=Code, compare=False, repr=False)

    def params(self, spec: MethodSpec) -> MethodParams:
        """Check written parameters.

        Raises:
            ConfigError: An unknown parameter (with the nearest name) or a wrong value.
        """
        known = self.params_model.model_fields
        for key in spec.params:
            if key not in known:
                raise ConfigError(f"{self.name} has no parameter {key!r}", hint=nearest(key, known))
        try:
            return self.params_model.model_validate(dict(spec.params))
        except ValidationError as error:
            raise self._wrong(error.errors()[0]) from None

    def _wrong(self, fault: ErrorDetails) -> ConfigError:
        """A fault of the parameters in words of the grammar, not of the library that found it."""
        place, value = [str(part) for part in fault["loc"]], fault["input"]
        said = fault["msg"].removeprefix("Value error, ")
        wanted = next((word for end, word in _WANTED.items() if fault["type"].startswith(end)), "")
        if not place:
            return ConfigError(
                f"{self.name}: {said}", hint=f"headbench show intervention {self.name}"
            )
        pairs = "; heads are pairs: heads=[[2, 5], [3, 1]]" if place[0] == "heads" else ""
        return ConfigError(
            f"{self.name}: {f'{place[0]} wants {wanted}' if wanted else said}",
            where=f"{'.'.join(place)} = {value!r}",
            hint=f"headbench show intervention {self.name} lists its parameters{pairs}",
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


@cache
def built_in() -> frozenset[str]:
    """The methods that ship: the files of ``methods/``, listed without importing them."""
    files = pkgutil.iter_modules(methods.__path__)
    return frozenset(file.name for file in files if not file.name.startswith("_"))


def _load(name: str) -> Found[Method]:
    module = f"{methods.__name__}.{name}"
    found: Method = importlib.import_module(module).METHOD
    if found.name != name:
        raise HeadbenchError(
            f"the file methods/{name}.py defines the method {found.name!r}",
            hint="name the file after its method: listing reads file names only",
        )
    return Found(found, module, module)


def _check(method: Method) -> None:
    """Refuse a parameter whose type accepts a scalar and a list.

    A list given to it would be ambiguous between one value and a sweep.
    """
    for key, info in method.params_model.model_fields.items():
        if shapes(info.annotation) == {"scalar", "list"}:
            raise ConfigError(
                f"parameter {key!r} of {method.name!r} accepts a scalar and a list",
                hint="a list given to a scalar parameter is a sweep: split the parameter in two",
            )


METHODS = Catalogue(
    "intervention",
    "headbench.interventions",
    wanted=lambda: Method,
    shipped=built_in,
    load=_load,
    option="--intervention",
    check=_check,
)
accept = METHODS.accept
names = METHODS.names


def get(name: str) -> Method:
    """Look a method up.

    Raises:
        ConfigError: No such method (the hint holds the nearest name), two packages claim it, or its
            package is broken.
    """
    found = METHODS.get(name)
    return replace(found.thing, code=found.code) if found.code else found.thing


def register(method: Method) -> Method:
    """Add a method from Python; a later one of the same name takes the place of an earlier one.

    Its code, unless it is given, is that of the modules which define its function and parameters.

    Raises:
        ConfigError: headbench or an installed package has a method of that name, or a parameter
            accepts a scalar and a list.
    """
    code = method.code or of_things(method.build, method.params_model)
    METHODS.register(method, method.name, code)
    return replace(method, code=code)
