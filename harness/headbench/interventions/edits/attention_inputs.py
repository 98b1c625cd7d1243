"""One attention call as data: what every path of the edits reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True)
class AttentionInputs:
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
    def group_size(self) -> int:
        """Query heads per key/value head, read from the shapes: not every family configures it."""
        return self.query.shape[1] // self.key.shape[1]

    @property
    def key_offset(self) -> int:
        """Padded position of key 0.

        Not 0 under a sliding window, whose cache holds only the latest keys: column indices are
        translated by this offset. A static cache holds more keys than were read; it starts at 0.
        """
        return max(0, self.start + self.query.shape[2] - self.key.shape[2])

    @property
    def own_key(self) -> int:
        """Index of the key that belongs to the first query row."""
        return self.start - self.key_offset

    def only(self, batch_row: int) -> AttentionInputs:
        """The call of one batch row alone."""
        part = slice(batch_row, batch_row + 1)  # a slice keeps the batch dimension: [1, ...]
        mask = self.mask if self.mask is None or self.mask.shape[0] == 1 else self.mask[part]
        return replace(
            self, query=self.query[part], key=self.key[part], value=self.value[part], mask=mask
        )

    def of_heads(self, heads: Sequence[int]) -> AttentionInputs:
        """The call of some query heads alone; whole groups keep their shared keys."""
        if tuple(heads) == tuple(range(self.query.shape[1])):
            return self
        groups = sorted({head // self.group_size for head in heads})
        query = self.query[:, list(heads)]  # [batch, chosen head, query, dim]
        whole_groups = [
            group * self.group_size + i for group in groups for i in range(self.group_size)
        ]
        if list(heads) == whole_groups:
            # Kernels take grouped keys as they are, so that nothing is copied per query head.
            return replace(self, query=query, key=self.key[:, groups], value=self.value[:, groups])
        own = [head // self.group_size for head in heads]  # parts of groups: a key head per head
        return replace(
            self,
            module=_OneKeyHeadPerQueryHead(self.forward_only),
            query=query,
            key=self.key[:, own],
            value=self.value[:, own],
        )

    def uniform(self) -> AttentionInputs:
        """The call with one zero query for each key/value head: its output is the mean value.

        Zero queries give every visible key the score 0, so the softmax is 1 / (visible keys). Soft
        caps would leave 0 alone, and a sink would take a share that a mean does not have.
        """
        zero = torch.zeros_like(self.query[:, : self.key.shape[1]])  # [batch, kv head, query, dim]
        extra = {k: v for k, v in self.extra.items() if k not in ("softcap", "s_aux")}
        module = _OneKeyHeadPerQueryHead(self.causal)
        return replace(self, module=module, query=zero, extra=extra)

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


class _OneKeyHeadPerQueryHead(nn.Module):
    """Stands for an attention module in calls whose query heads are as many as its key heads.

    The library asks the module for its grouping and for causality, and nothing else; the real
    module would make it repeat keys that are selected per query head already.
    """

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.is_causal = causal
