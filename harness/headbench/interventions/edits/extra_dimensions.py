"""Biases of score columns as extra dimensions of queries and keys.

A query coordinate ``w`` and a key coordinate ``u`` add ``w u scaling`` to a score, so a bias of
some columns for some heads and rows costs one more dimension inside the fused kernel, exactly, and
never a ``[query, key]`` tensor. The same trick pushes columns out of the softmax, for edits that
compute them apart.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from headbench.edits import Bias
from headbench.interventions.edits.attention_inputs import AttentionInputs
from headbench.interventions.edits.regions import Region

PUSH = -30_000.0
"""Added to the scores of columns that the fused pass must leave out: exp of it is 0 in every dtype,
and half precision still holds its two factors."""
PUSH_QUERY = -128.0
"""The query's factor of the push; the key holds the rest."""
ALIGN = 8
"""Head widths are padded to a multiple of this, which fused kernels want."""


@dataclass(frozen=True)
class WidenedInputs:
    """A call with wider heads.

    Attributes:
        inputs: Queries, keys and values of one common width.
        biased: Width up to which scores hold the biases, and not yet the pushes.
        value_dim: Width of the values proper.
    """

    inputs: AttentionInputs
    biased: int
    value_dim: int


def widen(
    inputs: AttentionInputs, biases: Sequence[Region], pushed: Sequence[Region]
) -> WidenedInputs:
    """Write biases and pushes into extra dimensions.

    The new width holds, in this order: the head's own dimensions, one or two per bias of a batch
    row, one per push, zeros up to the alignment. Batch rows use the same dimensions independently.

    Args:
        inputs: The call.
        biases: Regions of ``Bias`` edits.
        pushed: Regions whose columns leave the softmax, for their rows and heads.
    """
    placed_biases = [
        (place, region, region.op.value)
        for place, region in _numbered_by_row(biases)
        if isinstance(region.op, Bias)
    ]
    placed_pushes = _numbered_by_row(pushed)
    # Half precision rounds a bias to 8 or 11 bits; a second dimension holds what is left of it.
    parts = 1 if inputs.query.dtype == torch.float32 else 2
    biased = parts * (1 + max((place for place, _, _ in placed_biases), default=-1))
    extra = biased + 1 + max((place for place, _ in placed_pushes), default=-1)
    dim, value_dim = inputs.query.shape[-1], inputs.value.shape[-1]
    width = math.ceil(max(dim + extra, value_dim) / ALIGN) * ALIGN  # one width for q, k and v
    query, key = _padded(inputs.query, width), _padded(inputs.key, width)
    # A power of two near 1 / scaling keeps the key coordinate exact in half precision.
    unit = 2.0 ** round(math.log2(1 / inputs.scaling))
    for place, region, value in placed_biases:
        rest = value / (inputs.scaling * unit)
        for part in range(parts):
            # The query coordinate as its dtype rounds it; the next dimension gets the remainder.
            weight = torch.tensor(rest, dtype=query.dtype).item() if parts == 2 else rest
            _write(query, key, region, dim + parts * place + part, (weight, unit))
            rest -= weight
    for place, region in placed_pushes:
        factors = (PUSH_QUERY, PUSH / PUSH_QUERY / inputs.scaling)
        _write(query, key, region, dim + biased + place, factors)
    widened = replace(
        inputs, query=query, key=key, value=_padded(inputs.value, width),
        # The default scaling would follow the new width.
        extra={**inputs.extra, "scaling": inputs.scaling},
    )  # fmt: skip
    return WidenedInputs(widened, dim + biased, value_dim)


def _numbered_by_row(found: Sequence[Region]) -> list[tuple[int, Region]]:
    """Each region with its place among those of the same batch row."""
    seen: dict[int, int] = defaultdict(int)
    placed = []
    for region in found:
        placed.append((seen[region.batch_row], region))
        seen[region.batch_row] += 1
    return placed


def _padded(x: Tensor, width: int) -> Tensor:
    """``[..., dim]`` with zeros up to ``width``; the copy may be written to."""
    return torch.nn.functional.pad(x, (0, width - x.shape[-1]))


def _write(
    query: Tensor, key: Tensor, region: Region, dimension: int, factors: tuple[float, float]
) -> None:
    """Set one extra dimension: of the region's heads and rows, and of its columns.

    The key coordinate is set for all key/value heads: heads outside the region have a zero query
    coordinate there, so that their scores stay as they are.
    """
    query_factor, key_factor = factors
    query[region.batch_row, region.head_index, region.low : region.high, dimension] = query_factor
    key[region.batch_row, :, region.columns, dimension] = key_factor
