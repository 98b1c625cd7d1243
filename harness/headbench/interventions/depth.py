"""Layer ranges that papers give for one depth, carried over to others as fractions."""

from __future__ import annotations

from headbench.errors import RefusedError
from headbench.types import ModelInfo


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
        RefusedError: A layer that the model does not have.
    """
    if wrong := [layer for layer in layers if not 0 <= layer < info.layers]:
        raise RefusedError(
            f"{info.name} has no layer {wrong[0]}", mend=f"layers run from 0 to {info.layers - 1}"
        )
    return tuple(sorted(set(layers)))


def all_heads(layers: tuple[int, ...], info: ModelInfo) -> dict[int, tuple[int, ...]]:
    """Every head of some layers."""
    return {layer: tuple(range(info.heads)) for layer in layers}
