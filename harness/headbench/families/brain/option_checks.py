"""Checks of scorer options that several scorers of this family make in the same words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from headbench.errors import ConfigError, nearest
from headbench.nouns import Capture
from headbench.scoring.scorer import AskedStep


def check_one_of(options: Mapping[str, object], name: str, known: Collection[str]) -> str:
    """The value of an option that has a few names.

    Raises:
        ConfigError: It is none of them.
    """
    value = options.get(name)
    if not isinstance(value, str) or value not in known:
        raise ConfigError(
            f"{name} cannot be {value!r}",
            where=f"scorer_options.{name}",
            hint=nearest(str(value), tuple(known)) or f"one of {', '.join(known)}",
        )
    return value


def check_whole(options: Mapping[str, object], name: str, least: int) -> int:
    """The value of an option that is a whole number.

    Raises:
        ConfigError: It is none, or less than ``least``.
    """
    value = options.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(
            f"{name} must be a whole number from {least} on, not {value!r}",
            where=f"scorer_options.{name}",
            hint=f"for example {name}: {max(least, 10)}",
        )
    return value


def last_capture(steps: Sequence[AskedStep]) -> Capture:
    """The one capture of the last step, which gives one answer per document.

    Raises:
        ConfigError: The last step captures nothing, several sites, or answers several times.
    """
    if not steps or steps[-1].outputs != 1 or len(steps[-1].captures) != 1:
        raise ConfigError(
            "the last step must capture one site",
            where="captures",
            hint="`residual` for layers or `z` for heads, at one row: a pooled one, or the last",
        )
    return steps[-1].captures[0]


def check_layer_numbers(options: Mapping[str, object], capture: Capture) -> None:
    """Refuse ``scorer_options.layers`` that are not the layers captured, in their order.

    Raises:
        ConfigError: They differ.
    """
    told = options.get("layers")
    if not isinstance(told, list | tuple) or list(told) != list(capture.layers):
        raise ConfigError(
            "scorer_options.layers are not the layers that are captured",
            where=f"{told} and {list(capture.layers)}",
            hint="let one argument set both, or write the same numbers twice",
        )


def check_one_row(capture: Capture) -> None:
    """Refuse a capture of several rows that nothing pools.

    Raises:
        ConfigError: It is one.
    """
    if capture.rows != "last" and capture.pool == "none":
        raise ConfigError(
            "a capture of several rows gives no state",
            where=f"captures: rows {capture.rows}, pool {capture.pool}",
            hint="say `pool: mean`, or `rows: last`",
        )
