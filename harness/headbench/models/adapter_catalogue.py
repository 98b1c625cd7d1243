"""Adapters by name: the shipped ones, and those that installed packages offer."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from headbench._catalogue import Catalogue, Found
from headbench._code import Code, merged, of_things
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


# Named by module, so that `headbench ls models` imports no torch.
SHIPPED: Mapping[str, tuple[str, str]] = {
    "hf": ("headbench.models.hf.adapter:create", "a transformers model: folder or hub id"),
    "reference": (
        "headbench.reference.reference_adapter:create",
        "a shipped reference model (name=...)",
    ),
    "ref-lm": ("headbench.reference.reference_adapter:create_lm", "the shipped language model"),
    "ref-lm-v2": (
        "headbench.reference.reference_adapter:create_lm_v2",
        "the shipped language model for walls and labels",
    ),
    "ref-vlm": (
        "headbench.reference.reference_adapter:create_vlm",
        "the shipped vision-language model",
    ),
    "recorded": ("headbench.models.recorded:create", "stored outputs, by document id"),
    "encoder": ("headbench.models.encoder:create", "a sentence encoder: mean-pooled states"),
    "features": ("headbench.models.features:create", "vectors from a file, by document id"),
}


PREVIEWS: Mapping[str, str] = {"hf": "headbench.models.hf.adapter:preview"}
"""Adapter -> what tells of a model before its weights are read, which may take minutes."""


EARLY_CHECKS: Mapping[str, str] = {
    "hf": "headbench.models.hub_reach:check_reachable",
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


def _load(name: str) -> Found[Adapter]:
    target, summary = SHIPPED[name]
    module, _, attribute = target.partition(":")
    factory: Factory = getattr(importlib.import_module(module), attribute)
    return Found(Adapter(name, factory, summary), module, module)


def _adapter(name: str, thing: object) -> object:
    """An entry point may name the function alone."""
    return thing if isinstance(thing, Adapter) or not callable(thing) else Adapter(name, thing)


ADAPTERS = Catalogue(
    "model adapter",
    "headbench.models",
    wanted=lambda: Adapter,
    shipped=lambda: SHIPPED,
    load=_load,
    option="--model",
    adapt=_adapter,
    advice=lambda name: f"A hub id goes to: --model hf --model-args pretrained={name}",
)
accept = ADAPTERS.accept
model_names = ADAPTERS.names


def summaries() -> Mapping[str, str]:
    """Adapter -> one line of description; nothing is imported."""
    lines = {name: f"from {place}" for name, place in ADAPTERS.offered.items()}
    lines |= {name: one.thing.summary for name, one in ADAPTERS.added.items()}
    lines |= {name: line for name, (_, line) in SHIPPED.items()}
    return {name: lines[name] for name in model_names()}


def create(name: str, args: Mapping[str, str]) -> Model:
    """Build a model.

    Args:
        name: Adapter name, as in ``--model``.
        args: ``--model-args`` as strings, e.g. ``{"pretrained": "org/model"}``.

    Raises:
        ConfigError: The name is unknown, two packages claim it, or its package is broken.
    """
    return ADAPTERS.get(name).thing.create(args)


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
    given = [ADAPTERS.get(name).code] if name in model_names() else []
    return merged([*given, of_things(type(model))])


def register(adapter: Adapter, code: Code | None = None) -> Adapter:
    """Add an adapter from Python; a later one of the same name takes the place of an earlier one.

    Args:
        adapter: What to add.
        code: Its code; by default that of the module which defines its function.

    Raises:
        ConfigError: headbench or an installed package has an adapter of that name.
    """
    ADAPTERS.register(adapter, adapter.name, code or of_things(adapter.create))
    return adapter


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
