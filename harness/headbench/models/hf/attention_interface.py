"""The one attention function and the mask function that headbench registers with transformers.

transformers calls the function named by a configuration for every attention module. Ours looks the
module up: a module with an edited session goes there, every other call is the library's own sdpa
call, bit for bit. The mask function must be registered under the same name; without it transformers
passes no mask at all, and the model silently loses padding and causality.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from headbench.interventions.edits.attention_inputs import AttentionInputs
from headbench.interventions.edits.unedited import unedited

if TYPE_CHECKING:
    from torch import Tensor, nn

NAME = "headbench"


class Session(Protocol):
    """What an engine puts in charge of an attention module."""

    @property
    def start(self) -> int:
        """Padded position of the first query row of the running pass."""
        ...

    def attend(self, layer: int, inputs: AttentionInputs) -> Tensor:
        """Head outputs ``[batch, query, head, dim]``."""
        ...


class Sizes(NamedTuple):
    """What one attention call shows of its module."""

    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int


@dataclass
class Slot:
    """An attention module's place in a model: its layer, and who is in charge of it now."""

    layer: int
    session: Session | None = None


_SLOTS: WeakKeyDictionary[nn.Module, Slot] = WeakKeyDictionary()
_WATCHED: list[list[tuple[nn.Module, Sizes]]] = []


def assign_slot(module: nn.Module, layer: int) -> Slot:
    """Give ``module`` a assign_slot, replacing any earlier one."""
    _SLOTS[module] = Slot(layer)
    return _SLOTS[module]


def release_slot(module: nn.Module) -> None:
    """Take the assign_slot of ``module`` away."""
    _SLOTS.pop(module, None)


@contextmanager
def watch() -> Iterator[list[tuple[nn.Module, Sizes]]]:
    """Collect the calls of attention modules meanwhile, in order."""
    seen: list[tuple[nn.Module, Sizes]] = []
    _WATCHED.append(seen)
    try:
        yield seen
    finally:
        _WATCHED.pop()


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **extra: Any,
) -> tuple[Tensor, None]:
    """The function transformers calls; see :class:`AttentionInputs` for shapes."""
    place = _SLOTS.get(module)
    if place is not None and place.session is not None:
        session = place.session
        inputs = AttentionInputs(module, query, key, value, attention_mask, extra, session.start)
        return session.attend(place.layer, inputs), None
    inputs = AttentionInputs(module, query, key, value, attention_mask, extra)
    if _WATCHED:
        sizes = Sizes(query.shape[1], key.shape[1], query.shape[3], value.shape[3])
        _WATCHED[-1].append((module, sizes))
    return unedited(inputs), None


def register() -> None:
    """Register the attention function and its mask function; harmless when repeated."""
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
