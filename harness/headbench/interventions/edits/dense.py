"""The dense formula in row chunks: the path for soft caps, attention sinks and odd compositions.

It holds ``[batch, head, chunk, key]`` scores at a time, never ``[query, key]`` of a whole prefill.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from headbench.interventions.edits.attention_inputs import AttentionInputs

CHUNK_ELEMENTS = 1 << 22
"""Scores held at a time, in elements (16 MiB of float32)."""


def visible_keys(inputs: AttentionInputs, low: int, high: int) -> Tensor | None:
    """Which keys rows ``[low, high)`` see: ``[batch or 1, 1, row, key]``; ``None`` is all."""
    if inputs.mask is not None:
        # A static cache's mask may be wider than the keys that are there.
        mask = inputs.mask[:, :, low:high, : inputs.key.shape[2]]
        # Float masks add the lowest number of their dtype, or -inf, to what is hidden.
        return mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2
    if not inputs.causal:
        return None
    # Without a mask transformers' rule aligns rows and keys at the start (an empty cache).
    device = inputs.query.device
    row = torch.arange(low, high, device=device)[:, None]
    return (torch.arange(inputs.key.shape[2], device=device)[None, :] <= row)[None, None]


def grouped_scores(inputs: AttentionInputs, low: int, high: int) -> Tensor:
    """Masked float32 scores ``[batch, head, row, key]`` of rows ``[low, high)``; -inf is unseen.

    Key heads are not repeated: the query heads of a group are stacked as rows of one product.
    """
    query, key = inputs.query[:, :, low:high], inputs.key
    batch, heads, rows, dim = query.shape
    groups = key.shape[1]
    # The heads of a group are neighbours, so this reshape is [batch, kv head, (head, row), dim].
    stacked = query.reshape(batch, groups, heads // groups * rows, dim)
    scores = (stacked @ key.transpose(2, 3)).float() * inputs.scaling
    scores = scores.view(batch, heads, rows, key.shape[2])
    softcap = inputs.extra.get("softcap")
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap  # before the mask, as the models do
    seen = visible_keys(inputs, low, high)
    return scores if seen is None else scores.masked_fill(~seen, float("-inf"))


def normalise(scores: Tensor, sink: Tensor | None) -> Tensor:
    """Softmax over keys, with one sink logit a head (``[head]``) in the denominator if given.

    A row that sees no key gets zeros.
    """
    if sink is None:
        return torch.softmax(scores, -1).nan_to_num(0.0)  # padding rows: -inf everywhere gives NaN
    # The sink is one more key without a value: it takes its share of the softmax and is cut off.
    sink_column = sink.float().view(1, -1, 1, 1).expand(*scores.shape[:-1], 1)
    return torch.softmax(torch.cat([scores, sink_column], -1), -1)[..., :-1]


def grouped_values(pattern: Tensor, value: Tensor) -> Tensor:
    """``pattern [batch, head, row, key] @ value [batch, kv head, key, dim]``, heads grouped."""
    batch, heads, rows, keys = pattern.shape
    groups = value.shape[1]
    # [batch, kv head, (head, row), key]: values are read once per group and not once per head.
    stacked = pattern.to(value.dtype).reshape(batch, groups, heads // groups * rows, keys)
    return (stacked @ value).view(batch, heads, rows, value.shape[-1])


def dense(inputs: AttentionInputs, edit: Callable[[Tensor, int], Tensor] | None = None) -> Tensor:
    """Attention by its formula, ``[batch, query, head, dim]``.

    Args:
        inputs: The call.
        edit: Maps the masked scores of a row chunk and the chunk's first row to the pattern
            ``[batch, head, row, key]``; ``None`` is the softmax.
    """
    batch, heads, rows, _ = inputs.query.shape
    step = max(1, CHUNK_ELEMENTS // max(1, batch * heads * inputs.key.shape[2]))
    parts = []
    for low in range(0, rows, step):
        scores = grouped_scores(inputs, low, min(low + step, rows))
        sink = inputs.extra.get("s_aux")
        pattern = normalise(scores, sink) if edit is None else edit(scores, low)
        parts.append(grouped_values(pattern, inputs.value))
    out = parts[0] if len(parts) == 1 else torch.cat(parts, 2)  # [batch, head, query, dim]
    return out.transpose(1, 2).contiguous()
