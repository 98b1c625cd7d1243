"""Biases of score columns as extra dimensions of queries and keys.

A query coordinate ``w`` and a key coordinate ``u`` add ``w u scaling`` to a score, so a bias of
some columns for some heads and rows costs one more dimension inside the fused kernel, exactly, and
never a ``[query, key]`` tensor. The same trick pushes columns out of the softmax, for edits that
compute them column_split.
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
"""Added to the scores of columns that the fused pass must leave out."""
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


def extend(
    inputs: AttentionInputs, biases: Sequence[Region], pushed: Sequence[Region]
) -> WidenedInputs:
    """Write biases and pushes into extra dimensions.

    Args:
        inputs: The call.
        biases: Regions of ``Bias`` edits.
        pushed: Regions whose columns leave the softmax, for their rows and heads.
    """
    columns = [
        *((place, region, region.op.value) for place, region in _stacked(biases)
          if isinstance(region.op, Bias)),
    ]  # fmt: skip
    parts = 1 if inputs.query.dtype == torch.float32 else 2
    biased = parts * (1 + max((place for place, _, _ in columns), default=-1))
    last = list(_stacked(pushed))
    extra = biased + 1 + max((place for place, _ in last), default=-1)
    dim, value_dim = inputs.query.shape[-1], inputs.value.shape[-1]
    width = math.ceil(max(dim + extra, value_dim) / ALIGN) * ALIGN
    query, key = _widen(inputs.query, width), _widen(inputs.key, width)
    # A power of two near 1 / scaling keeps the key coordinate exact in half precision.
    unit = 2.0 ** round(math.log2(1 / inputs.scaling))
    for place, region, value in columns:
        rest = value / (inputs.scaling * unit)
        for part in range(parts):
            weight = torch.tensor(rest, dtype=query.dtype).item() if parts == 2 else rest
            _write(query, key, region, dim + parts * place + part, (weight, unit))
            rest -= weight
    for place, region in last:
        _write(query, key, region, dim + biased + place, (-128.0, -PUSH / 128 / inputs.scaling))
    wide = replace(
        inputs, query=query, key=key, value=_widen(inputs.value, width),
        extra={**inputs.extra, "scaling": inputs.scaling},
    )  # fmt: skip
    return WidenedInputs(wide, dim + biased, value_dim)


def _stacked(found: Sequence[Region]) -> list[tuple[int, Region]]:
    """Each region with its place among those of the same batch row."""
    seen: dict[int, int] = defaultdict(int)
    placed = []
    for region in found:
        placed.append((seen[region.batch_row], region))
        seen[region.batch_row] += 1
    return placed


def _widen(x: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(x, (0, width - x.shape[-1]))


def _write(
    query: Tensor, key: Tensor, region: Region, at: int, factors: tuple[float, float]
) -> None:
    weight, unit = factors
    query[region.batch_row, region.head_index, region.low : region.high, at] = weight
    key[region.batch_row, :, region.columns, at] = unit
