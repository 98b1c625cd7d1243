"""Adapters by name: the shipped ones, and those that installed packages offer."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

from headbench._code import Code, merged, of_entry_point, of_things
from headbench._extensions import wrong_type
from headbench._include import Loaded
from headbench._plugins import entry_points
from headbench.errors import ConfigError, nearest
from headbench.jobs import Model
from headbench.models.preview import ModelPreview

Factory = Callable[[Mapping[str, str]], Model]


@dataclass(frozen=True)
class Adapter:
    """A named kind of model.

    Attributes:
        name: As in ``--model``.
        create: ``--model-args`` as strings -> the model.
        summary: One line for ``headbench ls models``.
    """

    name: str
    create: Factory
    summary: str = ""


_added: dict[str, tuple[Adapter, Code]] = {}
"""Adapters of user's files and of :func:`register`, with their code."""

# Named by module, so that `headbench ls models` imports no torch.
SHIPPED: Mapping[str, tuple[str, str]] = {
    "hf": ("headbench.models.hf.adapter:create", "a transformers model: folder or hub id"),
    "reference": ("headbench.reference.loader:create", "a shipped reference model (name=...)"),
    "ref-lm": ("headbench.reference.loader:create_lm", "the shipped language model"),
    "ref-lm-v2": (
        "headbench.reference.loader:create_lm_v2",
        "the shipped language model for walls and labels",
    ),
    "ref-vlm": ("headbench.reference.loader:create_vlm", "the shipped vision-language model"),
    "recorded": ("headbench.models.recorded:create", "stored outputs, by document id"),
    "encoder": ("headbench.models.encoder:create", "a sentence encoder: mean-pooled states"),
    "features": ("headbench.models.features:create", "vectors from a file, by document id"),
}


PREVIEWS: Mapping[str, str] = {"hf": "headbench.models.hf.adapter:preview"}
"""Adapter -> what tells of a model before its weights are read, which may take minutes."""


EARLY_CHECKS: Mapping[str, str] = {
    "hf": "headbench.models.hub:check_reachable",
    "recorded": "headbench.models.recorded:check_args_early",
}
"""Adapter -> what refuses arguments before any model library is imported."""


def check_early(name: str, args: Mapping[str, str]) -> None:
    """Refuse what takes no model library to see.

    Args:
        name: Adapter name, as in ``--model``.
        args: ``--model-args`` as strings.

    Raises:
        ConfigError: The checkpoint cannot be had.
    """
    if name in EARLY_CHECKS:
        module, _, attribute = EARLY_CHECKS[name].partition(":")
        getattr(importlib.import_module(module), attribute)(args)


def model_names() -> tuple[str, ...]:
    """Every known adapter, sorted."""
    return tuple(sorted({*SHIPPED, *_installed(), *_added}))


def summaries() -> Mapping[str, str]:
    """Adapter -> one line of description."""
    shipped = {name: line for name, (_, line) in SHIPPED.items()}
    others = {name: f"from {point.value}" for name, point in _installed().items()}
    added = {name: one.summary for name, (one, _) in _added.items()}
    return {name: (others | added | shipped)[name] for name in model_names()}


def create(name: str, args: Mapping[str, str]) -> Model:
    """Build a model.

    Args:
        name: Adapter name, as in ``--model``.
        args: ``--model-args`` as strings, e.g. ``{"pretrained": "org/model"}``.

    Raises:
        ConfigError: the name is unknown, or two packages claim it.
    """
    if name in SHIPPED:
        module, _, attribute = SHIPPED[name][0].partition(":")
        factory: Factory = getattr(importlib.import_module(module), attribute)
        return factory(args)
    if name in _added:
        return _added[name][0].create(args)
    installed = _installed()
    if name in installed:
        found: Factory | Adapter = installed[name].load()
        return found.create(args) if isinstance(found, Adapter) else found(args)
    raise ConfigError(
        f"no model adapter is called {name!r}",
        where=f"--model {name}",
        hint=f"{nearest(name, model_names())} A hub id goes to: --model hf --model-args "
        f"pretrained={name}",
    )


def preview(name: str, args: Mapping[str, str]) -> ModelPreview | None:
    """What is known of a model before its weights are read; ``None``: nothing.

    Raises:
        HeadbenchError: the arguments or the configuration cannot be used.
    """
    if name not in PREVIEWS:
        return None
    module, _, attribute = PREVIEWS[name].partition(":")
    look: Callable[[Mapping[str, str]], ModelPreview] = getattr(
        importlib.import_module(module), attribute
    )
    return look(args)


def code_of(name: str, model: Model) -> Code:
    """The code of an adapter that is not headbench's own: its package's and its class's.

    Args:
        name: Adapter name, as in ``--model``.
        model: What it built.
    """
    if name in SHIPPED:
        return of_things(type(model))
    if name in _added:
        return merged([_added[name][1], of_things(type(model))])
    point = _installed().get(name)
    given = [of_entry_point(point)] if point is not None else []
    return merged([*given, of_things(type(model))])


def register(adapter: Adapter, code: Code | None = None) -> Adapter:
    """Add an adapter from Python; a later one of the same name takes the place of an earlier one.

    Args:
        adapter: What to add.
        code: Its code; by default that of the module which defines its function.

    Raises:
        ConfigError: headbench has an adapter of that name.
    """
    if adapter.name in SHIPPED:
        raise ConfigError(
            f"headbench has a model adapter {adapter.name!r} already",
            hint="give it a name of its own, so that results do not confuse the two",
        )
    _added[adapter.name] = (adapter, code or of_things(adapter.create))
    return adapter


def accept(thing: object, loaded: Loaded, path: Path) -> str:
    """Register the adapter of a user's file; see :func:`headbench._extensions.include`.

    Raises:
        ConfigError: It is no adapter, or headbench has one of its name.
    """
    if not isinstance(thing, Adapter):
        raise wrong_type(thing, "ADAPTER", "Adapter", path)
    register(thing, loaded.code)
    return f"the model adapter {thing.name!r}"


def _installed() -> dict[str, EntryPoint]:
    """Entry points of the group ``headbench.models``; shipped names cannot be taken over."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group="headbench.models"):
        if point.name in found and point.value != found[point.name].value:
            raise ConfigError(
                f"two packages offer a model adapter called {point.name!r}",
                where=f"{found[point.name].value} and {point.value}",
                hint="uninstall one of them",
            )
        found[point.name] = point
    return found


def check_args(adapter: str, args: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Refuse an argument that the adapter does not know, with the nearest name.

    Raises:
        ConfigError: for the first unknown argument.
    """
    for key in args:
        if key not in known:
            raise ConfigError(
                f"the {adapter!r} adapter has no argument {key!r}",
                where=f"--model-args {key}={args[key]}",
                hint=nearest(key, known),
            )


def rows_a_batch(args: Mapping[str, str]) -> int | None:
    """``batch_size``: a positive number, or ``None`` for ``auto``."""
    return None if args.get("batch_size", "auto") == "auto" else positive(args, "batch_size", 1)


def positive(args: Mapping[str, str], key: str, default: int) -> int:
    """A positive whole number among the arguments.

    Raises:
        ConfigError: it is none.
    """
    text = args.get(key, str(default))
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise ConfigError(
            f"{key} cannot be {text!r}",
            where=f"--model-args {key}={text}",
            hint="write a whole number of at least 1",
        )
    return int(text)
