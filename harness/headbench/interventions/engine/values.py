"""The value targets of a ``Mix``: a row's own value, the first token's, the mean of the visible."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from headbench.interventions.engine.affine import Target

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.interventions.engine.attention import Inputs
    from headbench.interventions.engine.places import Call


class Values:
    """Reads targets of one attention call, ``[batch, query or 1, head, dim]``.

    A key/value head's value stands at each of its query heads.

    Args:
        inputs: The call.
        call: Where its rows stand.
        first: Layer -> first token's value of every row, ``[batch, kv head, dim]``; filled when
            the prompt begins, because a sliding window may drop that token later.
        layer: The layer.
    """

    def __init__(self, inputs: Inputs, call: Call, first: dict[int, Tensor], layer: int) -> None:
        self.inputs, self.call, self.layer = inputs, call, layer
        self.first = first
        if call.start == 0:
            pads = torch.tensor([bound.pad for bound in call.bounds], device=inputs.value.device)
            batch = torch.arange(len(call.bounds), device=inputs.value.device)
            first[layer] = inputs.value[batch, :, pads]

    def __call__(self, target: Target) -> Tensor:
        """The values that ``target`` names."""
        ratio = self.inputs.query.shape[1] // self.inputs.key.shape[1]
        match target:
            case "self":
                own = self.inputs.own_key
                found = self.inputs.value[:, :, own : own + self.inputs.query.shape[2]]
                found = found.transpose(1, 2)
            case "first":
                found = self.first[self.layer][:, None]
            case "mean":
                found = self._mean()
        return found.repeat_interleave(ratio, dim=2)

    def _mean(self) -> Tensor:
        """Mean value over the keys each row sees: attention with queries of zero."""
        from headbench.interventions.engine.attention import unedited

        return unedited(self.inputs.uniform())
