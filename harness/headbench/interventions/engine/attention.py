"""The one attention function and the mask function that headbench registers with transformers.

transformers calls the function named by a configuration for every attention module. Ours looks the
module up: a module with an edited session goes there, every other call is the library's own sdpa
call, bit for bit. The mask function must be registered under the same name; without it transformers
passes no mask at all, and the model silently loses padding and causality.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from headbench.interventions.engine.dense import dense

NAME = "headbench"


@dataclass(frozen=True)
class Inputs:
    """One attention call as transformers makes it.

    Attributes:
        module: The attention module.
        query: ``[batch, head, query, dim]``, after rotation.
        key: ``[batch, kv head, key, dim]``.
        value: ``[batch, kv head, key, value dim]``.
        mask: ``[batch, 1, query, key]``, True where a key is seen, or ``None``.
        extra: What the family adds: ``scaling``, ``dropout``, ``softcap``, ``s_aux``, ...
        start: Padded position of the first query row.
    """

    module: nn.Module
    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    extra: dict[str, Any]
    start: int = 0

    @property
    def key_offset(self) -> int:
        """Padded position of key 0: a sliding cache holds only the latest keys."""
        return max(0, self.start + self.query.shape[2] - self.key.shape[2])

    @property
    def own_key(self) -> int:
        """Index of the key that belongs to the first query row."""
        return self.start - self.key_offset

    def only(self, batch_row: int) -> Inputs:
        """The call of one batch row alone."""
        part = slice(batch_row, batch_row + 1)
        mask = self.mask if self.mask is None or self.mask.shape[0] == 1 else self.mask[part]
        return replace(
            self, query=self.query[part], key=self.key[part], value=self.value[part], mask=mask
        )

    def uniform(self) -> Inputs:
        """The call with one zero query for each key/value head: its output is the mean value."""
        groups = self.key.shape[1]
        zero = torch.zeros_like(self.query[:, :groups])
        extra = {k: v for k, v in self.extra.items() if k not in ("softcap", "s_aux")}
        return replace(self, module=_Ungrouped(self.causal), query=zero, extra=extra)

    @property
    def scaling(self) -> float:
        """Factor of the scores; the usual ``dim ** -0.5`` when the module gives none."""
        given = self.extra.get("scaling")
        return float(self.query.shape[-1] ** -0.5 if given is None else given)

    @property
    def forward_only(self) -> bool:
        """Whether no row ever sees a later key, mask or not."""
        given = self.extra.get("is_causal")
        return bool(getattr(self.module, "is_causal", True) if given is None else given)

    @property
    def causal(self) -> bool:
        """Whether the kernel itself must hide later keys, because no mask does."""
        return self.forward_only and self.query.shape[2] > 1 and self.mask is None

    @property
    def plain(self) -> bool:
        """Whether sdpa can compute this call: no soft cap, no attention sink."""
        return self.extra.get("softcap") is None and self.extra.get("s_aux") is None


class _Ungrouped(nn.Module):
    """Stands for an attention module whose query heads are as many as its key heads."""

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.is_causal = causal


class Session(Protocol):
    """What an engine puts in charge of an attention module."""

    @property
    def start(self) -> int:
        """Padded position of the first query row of the running pass."""
        ...

    def attend(self, layer: int, inputs: Inputs) -> Tensor:
        """Head outputs ``[batch, query, head, dim]``."""
        ...


class Sizes(NamedTuple):
    """What one attention call shows of its module."""

    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int


@dataclass
class Seat:
    """An attention module's place in a model: its layer, and who is in charge of it now."""

    layer: int
    session: Session | None = None


_SEATS: WeakKeyDictionary[nn.Module, Seat] = WeakKeyDictionary()
_WATCHED: list[dict[nn.Module, Sizes]] = []


def seat(module: nn.Module, layer: int) -> Seat:
    """Give ``module`` a seat, replacing any earlier one."""
    _SEATS[module] = Seat(layer)
    return _SEATS[module]


def unseat(module: nn.Module) -> None:
    """Take the seat of ``module`` away."""
    _SEATS.pop(module, None)


@contextmanager
def watch() -> Iterator[dict[nn.Module, Sizes]]:
    """Collect the attention modules that are called meanwhile, in order, each once."""
    seen: dict[nn.Module, Sizes] = {}
    _WATCHED.append(seen)
    try:
        yield seen
    finally:
        _WATCHED.pop()


def unedited(inputs: Inputs) -> Tensor:
    """The model's own attention: sdpa where it can, else the dense formula in row chunks."""
    if not inputs.plain:
        return dense(inputs)
    out: Tensor = sdpa_attention_forward(
        inputs.module, inputs.query, inputs.key, inputs.value, inputs.mask, **inputs.extra
    )[0]
    return out


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **extra: Any,
) -> tuple[Tensor, None]:
    """The function transformers calls; see :class:`Inputs` for shapes."""
    place = _SEATS.get(module)
    if place is not None and place.session is not None:
        session = place.session
        inputs = Inputs(module, query, key, value, attention_mask, extra, session.start)
        return session.attend(place.layer, inputs), None
    inputs = Inputs(module, query, key, value, attention_mask, extra)
    if _WATCHED:
        sizes = Sizes(query.shape[1], key.shape[1], query.shape[3], value.shape[3])
        _WATCHED[-1].setdefault(module, sizes)
    return unedited(inputs), None


def register() -> None:
    """Register the attention function and its mask function; harmless when repeated."""
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
