"""Heads that see only the first keys and the latest: fused attention over row chunks."""

from __future__ import annotations

import torch
from torch import Tensor

from headbench.edits import Visible
from headbench.interventions.edits.dense import visible
from headbench.interventions.edits.dense_edits import Tally
from headbench.interventions.edits.extra_dimensions import WidenedInputs
from headbench.interventions.edits.regions import Region

SHORTEST, LONGEST = 64, 512
"""Rows of a chunk: about a window's width, within these bounds."""


def windowed(out: Tensor, wide: WidenedInputs, region: Region, tally: Tally) -> None:
    """Overwrite a region of ``out`` ``[batch, query, head, dim]`` with windowed attention.

    A chunk of rows needs the sinks, the window before it and itself: its scores are
    ``[head, chunk, first + recent + chunk]``, whatever the length of the prompt.

    Args:
        out: Head outputs of the call, overwritten at the region.
        wide: The call with its biases.
        region: Rows and heads of a ``Visible`` edit.
        tally: Counts rows x heads from which a key was hidden.
    """
    op, inputs, b = region.op, wide.inputs, region.batch_row
    if not isinstance(op, Visible):
        raise TypeError(f"{op!r} is no window")
    ratio = inputs.query.shape[1] // inputs.key.shape[1]
    step = LONGEST if op.recent is None else min(max(op.recent, SHORTEST), LONGEST)
    row, groups = inputs.only(b), region.head_index // ratio
    for low in range(region.low, region.high, step):
        part = region.part(low, low + step)
        keys = _needed(op, part, wide)
        hidden = part.hidden(inputs)
        seen = visible(row, part.low, part.high)
        allowed = ~hidden if seen is None else seen[0, 0] & ~hidden
        lost = (hidden if seen is None else hidden & seen[0, 0]).any(-1).sum()
        tally(region, lost * len(region.heads))
        query = inputs.query[b, region.head_index, part.low : part.high]
        z = torch.nn.functional.scaled_dot_product_attention(
            query[None],
            inputs.key[b, groups][None][:, :, keys],
            inputs.value[b, groups][None][:, :, keys],
            attn_mask=allowed[:, keys],
            scale=inputs.scaling,
        )
        z = z[0, ..., : wide.value_dim].transpose(0, 1)
        out[b, part.low : part.high, region.head_index] = z.to(out.dtype)


def _needed(op: Visible, part: Region, wide: WidenedInputs) -> Tensor:
    """Key indices that some row of the chunk may see."""
    inputs, device = wide.inputs, part.columns.device
    keys = inputs.key.shape[2]
    # In an encoder a row sees what comes after it, too.
    stop = inputs.own_key + part.high if inputs.forward_only else keys
    start = part.pad - inputs.key_offset
    sinks = max(0, min(start + op.first, stop))
    recent = 0 if op.recent is None else inputs.own_key + part.low - op.recent + 1
    window = max(sinks, recent)
    return torch.cat(
        [
            torch.arange(max(0, min(start, sinks)), sinks, device=device),
            torch.arange(window, max(window, stop), device=device),
        ]
    )
