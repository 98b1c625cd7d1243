"""Heads that see only the first keys (sinks) and the latest: fused attention over row chunks."""

from __future__ import annotations

import torch
from torch import Tensor

from headbench.edits import Visible
from headbench.interventions.edits.dense import visible_keys
from headbench.interventions.edits.dense_edits import Tally
from headbench.interventions.edits.extra_dimensions import WidenedInputs
from headbench.interventions.edits.regions import Region

SHORTEST, LONGEST = 64, 512
"""Rows of a chunk: about a window's width, within these bounds."""


def attend_window(out: Tensor, widened: WidenedInputs, region: Region, tally: Tally) -> None:
    """Overwrite a region of ``out`` ``[batch, query, head, dim]`` with windowed attention.

    A chunk of rows needs the sinks, the window before it and itself: its scores are
    ``[head, chunk, first + recent + chunk]``, whatever the length of the prompt.

    Args:
        out: Head outputs of the call, overwritten at the region.
        widened: The call with its biases.
        region: Rows and heads of a ``Visible`` edit.
        tally: Counts rows x heads from which a key was hidden.
    """
    op, inputs, b = region.op, widened.inputs, region.batch_row
    if not isinstance(op, Visible):
        raise TypeError(f"{op!r} is no window")
    # Chunks of about the window's width compute twice what is needed; much smaller ones start too
    # many kernels, much larger ones are dense again.
    step = LONGEST if op.recent is None else min(max(op.recent, SHORTEST), LONGEST)
    row, groups = inputs.only(b), region.head_index // inputs.group_size
    for low in range(region.low, region.high, step):
        part = region.part(low, low + step)
        keys = _needed_keys(op, part, widened)  # [key]
        hidden = part.hidden(inputs)  # [row, key], over all keys
        seen = visible_keys(row, part.low, part.high)
        allowed = ~hidden if seen is None else seen[0, 0] & ~hidden
        lost = (hidden if seen is None else hidden & seen[0, 0]).any(-1).sum()
        tally(region, lost * len(region.heads))
        query = inputs.query[b, region.head_index, part.low : part.high]  # [head, row, dim]
        z = torch.nn.functional.scaled_dot_product_attention(
            query[None],
            inputs.key[b, groups][None][:, :, keys],  # [1, head, needed key, dim]
            inputs.value[b, groups][None][:, :, keys],
            attn_mask=allowed[:, keys],
            scale=inputs.scaling,
        )
        z = z[0, ..., : widened.value_dim].transpose(0, 1)  # [row, head, dim]
        out[b, part.low : part.high, region.head_index] = z.to(out.dtype)


def _needed_keys(op: Visible, part: Region, widened: WidenedInputs) -> Tensor:
    """Key indices that some row of the chunk may see: the sinks, then the chunk's window."""
    inputs, device = widened.inputs, part.columns.device
    keys = inputs.key.shape[2]
    # In an encoder a row sees what comes after it, too.
    stop = inputs.own_key + part.high if inputs.forward_only else keys
    # Sinks count from the first token, which padding or a dropped cache moves.
    start = part.pad - inputs.key_offset
    sinks = max(0, min(start + op.first, stop))
    # The first row of the chunk looks back furthest.
    recent = 0 if op.recent is None else inputs.own_key + part.low - op.recent + 1
    window = max(sinks, recent)
    return torch.cat(
        [
            torch.arange(max(0, min(start, sinks)), sinks, device=device),
            torch.arange(window, max(window, stop), device=device),
        ]
    )
