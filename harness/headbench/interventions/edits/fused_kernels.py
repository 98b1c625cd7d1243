"""Fused attention that also returns the log-sum-exp of each row's scores.

The log-sum-exp is the logarithm of the softmax's denominator. With it the weight of any single key
can be recomputed exactly, and two softmaxes over different keys can be joined into one.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from headbench.interventions.edits.attention_inputs import AttentionInputs
from headbench.interventions.edits.dense import grouped_scores, grouped_values, normalise

DENSE_CHUNK = 64
"""Rows at a time where no fused kernel returns the log-sum-exp."""


class FusedAttention(NamedTuple):
    """Head outputs ``[batch, head, query, dim]`` and log-sum-exp ``[batch, head, query]``."""

    out: Tensor
    lse: Tensor


def fused_attention(inputs: AttentionInputs) -> FusedAttention:
    """Attention of a call whose queries, keys and values share one width.

    The CPU kernel takes grouped key heads as they are and wants a float mask; the CUDA kernel wants
    repeated heads. Elsewhere rows are computed densely in chunks.
    """
    query, key, value = inputs.query, inputs.key, inputs.value
    if inputs.causal and key.shape[2] > query.shape[2]:
        # An empty static cache: what lies behind the prompt is not there yet.
        key, value = key[:, :, : query.shape[2]], value[:, :, : query.shape[2]]
    if query.device.type == "cpu":
        out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, 0.0, inputs.causal, attn_mask=_float_mask(inputs, key.shape[2]),
            scale=inputs.scaling,
        )  # fmt: skip
        return FusedAttention(out, lse)
    if query.device.type == "cuda":
        out, lse, *_ = torch.ops.aten._scaled_dot_product_efficient_attention(
            query,
            key.repeat_interleave(inputs.group_size, 1),  # [batch, head, key, dim]
            value.repeat_interleave(inputs.group_size, 1),
            _cuda_bias(inputs, key.shape[2]), True, 0.0, inputs.causal, scale=inputs.scaling,
        )  # fmt: skip
        return FusedAttention(out, lse[:, :, : query.shape[2]])  # the kernel pads its rows to 32
    return _by_chunks(inputs)


def _float_mask(inputs: AttentionInputs, keys: int) -> Tensor | None:
    """The mask as something to add to scores: 0 where a key is seen, -inf elsewhere."""
    if inputs.mask is None:
        return None
    mask = inputs.mask[..., :keys]
    if mask.dtype != torch.bool:
        return mask.to(inputs.query.dtype)
    zero = torch.zeros((), dtype=inputs.query.dtype, device=mask.device)
    return torch.where(mask, zero, float("-inf"))


def _cuda_bias(inputs: AttentionInputs, keys: int) -> Tensor | None:
    """The float mask for every head; the kernel wants rows aligned to 16 elements."""
    mask = _float_mask(inputs, keys)
    if mask is None:
        return None
    # Cutting the padding off again keeps the aligned stride, which is what the kernel looks at.
    padded = torch.nn.functional.pad(mask, (0, -keys % 16))[..., :keys]
    batch, heads, rows = inputs.query.shape[:3]
    return padded.expand(batch, heads, rows, keys)


def _by_chunks(inputs: AttentionInputs) -> FusedAttention:
    outs, lses = [], []
    for low in range(0, inputs.query.shape[2], DENSE_CHUNK):
        scores = grouped_scores(inputs, low, min(low + DENSE_CHUNK, inputs.query.shape[2]))
        outs.append(grouped_values(normalise(scores, None), inputs.value))
        lses.append(scores.logsumexp(-1))  # [batch, head, row]
    return FusedAttention(torch.cat(outs, 2), torch.cat(lses, 2))
