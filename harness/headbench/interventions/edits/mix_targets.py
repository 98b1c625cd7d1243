"""The value targets of a ``Mix``: a row's own value, the first token's, the mean of the visible."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from headbench.interventions.edits.affine import Target
from headbench.interventions.edits.unedited import unedited

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from headbench.interventions.edits.attention_inputs import AttentionInputs
    from headbench.interventions.edits.positions import PositionRange


class MixTargets:
    """Reads targets of one attention call, ``[batch, query or 1, head, dim]``.

    A key/value head's value is repeated for each of its query heads.

    Args:
        inputs: The call.
        positions: Positions of its query rows.
        memories: The memory of every batch row. The first token's value ``[kv head, dim]`` is
            kept there when the prompt begins: a sliding window may drop that token later, and
            one answer may be computed under several sessions, as rows of its batch end.
        layer: The layer.
    """

    def __init__(
        self,
        inputs: AttentionInputs,
        positions: PositionRange,
        memories: Sequence[dict[str, Tensor]],
        layer: int,
    ) -> None:
        self.inputs, self.memories = inputs, memories
        self.first_value = f"first value of layer {layer}"
        if positions.start == 0:
            for row, (memory, bound) in enumerate(zip(memories, positions.bounds, strict=True)):
                memory[self.first_value] = inputs.value[row, :, bound.pad]  # [kv head, dim]

    def __call__(self, target: Target, heads: list[int]) -> Tensor:
        """The values that ``target`` names, for some query heads."""
        groups = [head // self.inputs.group_size for head in heads]
        match target:
            case "self":
                # Values of the whole cache: the query rows' own ones begin at ``own_key``.
                own = self.inputs.own_key
                value = self.inputs.value[:, :, own : own + self.inputs.query.shape[2]]
                return value[:, groups].transpose(1, 2)
            case "first":
                # Rows that were prefilled without such an edit have none; their weight is 0.
                none = torch.zeros_like(self.inputs.value[0, :, 0])
                first = torch.stack([m.get(self.first_value, none) for m in self.memories])
                return first[:, None, groups]  # [batch, 1, head, dim]
            case "mean":
                return self._mean(groups)

    def _mean(self, groups: list[int]) -> Tensor:
        """Mean value of the visible keys: a running mean, or attention with zero queries."""
        inputs = self.inputs
        if inputs.causal and inputs.start == 0:
            # Row t sees keys 0..t, so its mean is a cumulative sum over t + 1: no attention at all.
            rows = inputs.query.shape[2]
            count = torch.arange(1, rows + 1, device=inputs.value.device)[:, None]  # [query, 1]
            total = inputs.value[:, groups, :rows].float().cumsum(2)  # [batch, head, query, dim]
            return total.div_(count).transpose(1, 2)
        # Padding, windows and caches: what a row sees is in the mask, which attention reads.
        return unedited(inputs.uniform())[:, :, groups]
