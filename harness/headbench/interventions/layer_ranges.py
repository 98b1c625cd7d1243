"""Layer ranges: those that papers give for one depth, carried over to others; checks of a range."""

from __future__ import annotations

from collections.abc import Sequence

from headbench.errors import RefusedError
from headbench.nouns import ModelInfo


def carried(first: int, last: int, of: int, layers: int) -> tuple[int, ...]:
    """Layers ``first`` to ``last`` of a model with ``of`` layers, as the same share of another.

    Both ends are rounded to whole layers, halves to the even number. At least one layer is
    returned, so that shallow models are edited too.

    Args:
        first: First layer, 0-based.
        last: Last layer, included.
        of: Depth of the paper's model.
        layers: Depth of this model.
    """
    low = min(round(first * layers / of), layers - 1)
    high = max(low + 1, round((last + 1) * layers / of))
    return tuple(range(low, min(high, layers)))


def check_layers(layers: tuple[int, ...], info: ModelInfo) -> tuple[int, ...]:
    """Sorted layers, each once.

    Raises:
        RefusedError: A layer that the model does not have, or one without attention.
    """
    if wrong := [layer for layer in layers if not 0 <= layer < info.layers]:
        raise RefusedError(
            f"{info.name} has no layer {wrong[0]}", hint=f"layers run from 0 to {info.layers - 1}"
        )
    if without := [layer for layer in layers if layer not in info.attending]:
        raise without_attention(info.name, without[0], info.attending)
    return tuple(sorted(set(layers)))


def without_attention(name: str, layer: int, attending: Sequence[int]) -> RefusedError:
    """The error for heads of a layer that has none.

    Args:
        name: The model's name or class.
        layer: The layer.
        attending: The layers that have attention.
    """
    return RefusedError(
        f"layer {layer} of {name} has no attention heads",
        hint=f"layers with attention: {', '.join(map(str, attending))}",
    )


def with_attention(layers: Sequence[int], info: ModelInfo) -> tuple[int, ...]:
    """The layers of a default range that have attention; the nearest one where none of them has.

    A paper's range is carried over by depth, counted in all decoder layers. What it edits there are
    heads, so a model that mixes layers keeps those of the range that attend.
    """
    kept = tuple(layer for layer in layers if layer in info.attending)
    if kept or not layers:
        return kept
    middle = (min(layers) + max(layers)) / 2
    return (min(info.attending, key=lambda layer: (abs(layer - middle), layer)),)


def all_heads(layers: tuple[int, ...], info: ModelInfo) -> dict[int, tuple[int, ...]]:
    """Every head of some layers."""
    return {layer: tuple(range(info.heads)) for layer in layers}
