"""How much attention each key of a prompt receives, summed over rows without a whole pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from headbench.errors import RefusedError
from headbench.interventions.edits.dense import (
    CHUNK_ELEMENTS,
    grouped_scores,
    normalise,
    visible_keys,
)

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.interventions.edits.attention_inputs import AttentionInputs
    from headbench.interventions.edits.positions import RowBounds


def column_mass(inputs: AttentionInputs, batch_row: int, bound: RowBounds) -> Tensor:
    """Mean weight that each key gets from the prompt rows that see it, ``[head, position]``.

    With ``a`` the pattern of the call, after edits of queries and keys and before those of scores
    and patterns: ``mass[j] = sum_t a[t, j] / |{t : t sees j}|``; for a causal prompt of T positions
    the divisor is T - j ("attention calibration", arXiv 2406.15765). Rows are taken in chunks: the
    time is that of a dense pass, the memory is not.

    Args:
        inputs: The call that holds the whole prompt.
        batch_row: Row of the batch.
        bound: Where its prompt begins and ends.

    Raises:
        RefusedError: The prompt came in several passes.
    """
    if inputs.start or inputs.query.shape[2] < bound.decode:
        raise RefusedError(
            "an edit reads the attention that a whole prompt gives, and the prompt did not come in "
            "one forward pass",
            hint="prefill the whole prompt at once",
        )
    row = inputs.only(batch_row)
    heads, keys = row.query.shape[1], row.key.shape[2]
    total = torch.zeros(heads, keys, device=row.query.device)  # weight that a key was given
    seen_by = torch.zeros(keys, device=row.query.device)  # rows that could give it any
    step = max(1, CHUNK_ELEMENTS // max(1, heads * keys))
    for low in range(bound.pad, bound.decode, step):
        high = min(low + step, bound.decode)
        scores = grouped_scores(row, low, high)  # [1, head, row, key]
        total += normalise(scores, row.extra.get("s_aux"))[0].sum(1)
        seen = visible_keys(row, low, high)  # [1, 1, row or 1, key]
        # A mask may hold one line for all rows, hence the expand before counting.
        rows = high - low
        seen_by += rows if seen is None else seen[0, 0].float().expand(rows, -1).sum(0)
    prompt = slice(bound.pad, bound.decode)
    return total[:, prompt] / seen_by[prompt].clamp(min=1)
