"""Sizes of a model, as the edits of its layers need them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelShape:
    """Numbers of layers and heads, and the widths of what is edited.

    Attributes:
        layers: Decoder layers, with attention or without.
        heads: Query heads per layer.
        kv_heads: Key/value heads per layer.
        head_dim: Width of a head's queries and keys.
        value_dim: Width of a head's values and outputs.
        width: Width of the residual stream.
        attention: The layers with attention, ascending; ``None``: every layer.
        model: What the model is called in errors.
    """

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    width: int
    attention: tuple[int, ...] | None = None
    model: str = "the model"

    @property
    def attending(self) -> tuple[int, ...]:
        """The layers with attention, by their number among all decoder layers."""
        return tuple(range(self.layers)) if self.attention is None else self.attention
