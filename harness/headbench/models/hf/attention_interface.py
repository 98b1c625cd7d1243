"""What headbench registers with transformers: one attention function and its mask function.

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
    from transformers import PreTrainedModel

NAME = "headbench"
"""No "sdpa", "flash" or "flex" in it: the library tests names for such parts, and would take ours
for one of its own."""

SavedImplementations = tuple[tuple[Any, Any], ...]
"""Configurations, each with the attention implementation that it named."""


class Session(Protocol):
    """What an engine puts in charge of an attention module."""

    @property
    def start(self) -> int:
        """Padded position of the first query row of the running pass."""
        ...

    def attend(self, layer: int, inputs: AttentionInputs) -> Tensor:
        """Head outputs ``[batch, query, head, dim]``."""
        ...


class CallSizes(NamedTuple):
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
"""By module and not by number: vision towers have no layer index, and two models may be loaded."""
_WATCHED: list[list[tuple[nn.Module, CallSizes]]] = []
"""Lists that :func:`watch` is filling, the innermost last."""


def assign_slot(module: nn.Module, layer: int) -> Slot:
    """Give ``module`` a slot, replacing any earlier one."""
    _SLOTS[module] = Slot(layer)
    return _SLOTS[module]


def release_slot(module: nn.Module) -> None:
    """Take the slot of ``module`` away."""
    _SLOTS.pop(module, None)


@contextmanager
def watch() -> Iterator[list[tuple[nn.Module, CallSizes]]]:
    """Collect the calls of attention modules inside the block, in order."""
    seen: list[tuple[nn.Module, CallSizes]] = []
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
    slot = _SLOTS.get(module)
    if slot is not None and slot.session is not None:
        session = slot.session
        inputs = AttentionInputs(module, query, key, value, attention_mask, extra, session.start)
        return session.attend(slot.layer, inputs), None
    inputs = AttentionInputs(module, query, key, value, attention_mask, extra)
    if _WATCHED:
        sizes = CallSizes(query.shape[1], key.shape[1], query.shape[3], value.shape[3])
        _WATCHED[-1].append((module, sizes))
    return unedited(inputs), None


def register() -> None:
    """Register the attention function and its mask function; harmless when repeated."""
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def snapshot(model: PreTrainedModel) -> SavedImplementations:
    """Every configuration of the model with the attention implementation it names."""
    from transformers import PretrainedConfig

    # Towers and text models hold configurations of their own, some of them shared.
    found = (getattr(module, "config", None) for module in model.modules())
    configs = {id(one): one for one in found if isinstance(one, PretrainedConfig)}
    return tuple((c, getattr(c, "_attn_implementation_internal", None)) for c in configs.values())


def restore(saved: SavedImplementations) -> None:
    """Put back what :func:`snapshot` read."""
    # The private field: the public setter would set sub-configurations along with their owner.
    for config, name in saved:
        config._attn_implementation_internal = name


def install(model: PreTrainedModel) -> None:
    """Route the text model's attention through headbench; a vision tower keeps its own."""
    register()
    wanted: str | dict[str, str] = NAME
    if "text_config" in getattr(model.config, "sub_configs", {}):
        wanted = {"": NAME, "text_config": NAME}
    model.set_attn_implementation(wanted)
