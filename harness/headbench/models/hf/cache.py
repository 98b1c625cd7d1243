"""Caches: which kinds of layer the decoding loop knows, and one of its own with room to grow.

The library's dynamic cache joins tensors at every step, which for long prompts costs as much as
the attention itself; a roomy layer writes one position and copies nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import pad
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, LinearAttentionCacheLayerMixin

from headbench.errors import RefusedError

if TYPE_CHECKING:
    from torch import Tensor

ROOM = 64
"""Positions that are allocated ahead."""
KNOWN = frozenset(
    {
        "DynamicLayer",
        "DynamicSlidingWindowLayer",
        "LinearAttentionLayer",
        "LinearAttentionAndFullAttentionLayer",
        "LinearAttentionAndSlidingWindowAttentionLayer",
        "DummyLayer",
    }
)
"""transformers' cache layers whose rows :func:`take_rows` gathers whole: keys and values, windows,
states of convolutions and recurrences, and layers that hold nothing."""


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of one layer as views of larger buffers ``[row, head, position, dim]``."""

    _key_room: Tensor | None = None
    _value_room: Tensor | None = None

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Take rows; what is taken has no room yet, and lets the larger buffers go."""
        super().reorder_cache(beam_idx)
        self._key_room = self._value_room = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Append positions; all keys and values so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        length = self.get_seq_length()
        if not length:  # a prefill that nothing follows needs no room
            self.keys, self.values = whole(key_states), whole(value_states)
            return key_states, value_states
        self.keys, self._key_room = append(self.keys, self._key_room, key_states)
        self.values, self._value_room = append(self.values, self._value_room, value_states)
        return self.keys, self.values


def whole(states: Tensor) -> Tensor:
    """The states, copied where they are a view: a fused projection would be kept as a whole."""
    size = states.numel() * states.element_size()
    return states.clone() if states.untyped_storage().nbytes() > size else states


def append(states: Tensor, room: Tensor | None, new: Tensor) -> tuple[Tensor, Tensor]:
    """Write new positions behind those held.

    Returns:
        A view of all positions, and the buffer that it looks into. A buffer that is full, or that
        no longer belongs to ``states`` because rows left, is replaced by a larger copy.
    """
    length = states.shape[-2]  # states: [row, head, position, dim]
    wanted = length + new.shape[-2]
    fits = room is not None and room.shape[-2] >= wanted and room.data_ptr() == states.data_ptr()
    if room is None or not fits:
        room = new.new_empty((*new.shape[:-2], wanted + ROOM, new.shape[-1]))
        room[..., :length, :] = states
    room[..., length:wanted, :] = new
    return room[..., :wanted, :], room


def roomy_cache(config: Any) -> DynamicCache:
    """The model's dynamic cache, with roomy layers where it has plain ones.

    Sliding windows and recurrent states stay the library's own.

    Raises:
        RefusedError: The configuration asks for a kind of layer that is not known here.
    """
    cache = known_cache(config)
    cache.layers = [RoomyLayer() if is_plain(layer) else layer for layer in cache.layers]
    return cache


def known_cache(config: Any) -> DynamicCache:
    """The library's dynamic cache for a configuration; no weights are needed.

    Raises:
        RefusedError: The configuration asks for a kind of layer that is not known here.
    """
    try:
        cache = DynamicCache(config=config)
        unknown = {type(layer) for layer in cache.layers if not _is_known(layer)}
        kinds = ", ".join(sorted(kind.__name__ for kind in unknown))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        cache, kinds = None, f"none that transformers' DynamicCache makes ({error!r})"
    if kinds:
        raise RefusedError(
            f"the cache of {config.model_type} is of a kind that cannot be decoded with: {kinds}",
            where="--model hf",
            hint=f"use a model whose cache has these layers: {', '.join(sorted(KNOWN))}",
        )
    return cache


def _is_known(layer: object) -> bool:
    kind = type(layer)
    return kind.__module__ == DynamicLayer.__module__ and kind.__name__ in KNOWN


def is_plain(layer: object) -> bool:
    """Whether a cache layer simply holds all positions."""
    return type(layer) in (DynamicLayer, RoomyLayer)


def take_rows(cache: DynamicCache, index: Tensor) -> DynamicCache:
    """A new cache of the rows ``index`` of every layer, in this order; rows may repeat.

    The source stays usable. ``reorder_cache`` is the one gather that all of transformers' cache
    layers have: the others are missing for recurrent states, or move the keys and leave the state.
    """
    taken = copy.copy(cache)
    taken.layers = [_shallow(layer) for layer in cache.layers]
    taken.reorder_cache(index)
    return taken


def join_caches(caches: Sequence[DynamicCache], seen: Sequence[int]) -> DynamicCache:
    """One cache with the rows of all, their ends aligned; the sources are given up.

    Args:
        caches: The parts, of one model.
        seen: Padded length of each.
    """
    joined = caches[0]
    longest = max(seen)
    for number, layer in enumerate(joined.layers):
        layers = [cache.layers[number] for cache in caches]
        _join_keys(layer, layers, longest)
        _join_states(layer, layers)
    return joined


def _join_keys(layer: Any, layers: Sequence[Any], longest: int) -> None:
    """Keys and values ``[row, head, position, dim]``: zeros, which the mask hides, on the left."""
    if not isinstance(layer, DynamicLayer) or layer.keys is None or not layer.is_initialized:
        return
    for name in ("keys", "values"):
        parts = [getattr(one, name) for one in layers]  # each [row, head, position, dim]
        width = max(part.shape[-2] for part in parts)
        # `pad` counts from the last dimension: none for dim, then positions on the left.
        wide = [pad(part, (0, 0, width - part.shape[-2], 0)) for part in parts]
        setattr(layer, name, torch.cat(wide))
        for one in layers[1:]:
            setattr(one, name, None)
    if isinstance(layer, RoomyLayer):
        layer._key_room = layer._value_room = None
    if hasattr(layer, "cumulative_length"):
        layer.cumulative_length = longest


def _join_states(layer: Any, layers: Sequence[Any]) -> None:
    """States of convolutions and recurrences ``[row, ...]``: they know no position."""
    if not isinstance(layer, LinearAttentionCacheLayerMixin):
        return
    for name in ("conv_states", "recurrent_states"):
        states = getattr(layer, name)
        for number in range(layer.number_of_states):
            if states[number] is not None:
                parts = [getattr(one, name)[number] for one in layers]
                states[number] = torch.cat(parts)


def _shallow(layer: Any) -> Any:
    """A copy of a cache layer that shares tensors, but no list or dictionary of them."""
    taken = copy.copy(layer)
    for name, value in vars(taken).items():
        if isinstance(value, list | dict):
            setattr(taken, name, copy.copy(value))
    return taken
