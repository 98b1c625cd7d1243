"""Pattern edits applied to scores and patterns in memory: decoding, few rows, the rest.

A region's rows are taken together with all other edits of the same batch row, in the order of the
forward pass: edits of scores, softmax, edits of the pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from headbench.edits import Bias, Columns, Visible
from headbench.interventions.edits.attention_inputs import AttentionInputs
from headbench.interventions.edits.dense import dense, grouped_scores, grouped_values, normalise
from headbench.interventions.edits.regions import Region

Tally = Callable[[Region, "int | Tensor"], None]
"""Receives the number of query rows x heads that a region altered."""
CHUNK_ELEMENTS = 1 << 22
"""Scores held at a time when rows are recomputed, in elements (16 MiB of float32)."""


def attend_densely(inputs: AttentionInputs, found: Sequence[Region], tally: Tally) -> Tensor:
    """A whole call by the dense formula in row chunks, ``[batch, query, head, dim]``."""

    def edit(scores: Tensor, low: int) -> Tensor:
        high = low + scores.shape[2]
        parts = [part for region in found if (part := region.part(low, high)).rows > 0]
        return edited_pattern(scores, low, parts, inputs, tally)

    return dense(inputs, edit)


def recompute(
    out: Tensor,
    inputs: AttentionInputs,
    row_regions: Sequence[Region],
    target: Region,
    tally: Tally,
) -> None:
    """Overwrite ``out`` at one region's rows and heads with the dense result of all its edits.

    Args:
        out: Head outputs of the call, ``[batch, query, head, dim]``.
        inputs: The call.
        row_regions: Every region of the same batch row.
        target: The region to recompute.
        tally: Counts what is altered.
    """

    def only_target(region: Region, count: int | Tensor) -> None:
        # The other regions are computed along and counted where they are the target.
        if region.number == target.number:
            tally(region, count)

    row = inputs.only(target.batch_row)
    step = max(1, CHUNK_ELEMENTS // max(1, inputs.query.shape[1] * inputs.key.shape[2]))
    for low in range(target.low, target.high, step):
        high = min(low + step, target.high)
        parts = [
            replace(part, batch_row=0)  # ``row`` is a batch of one
            for region in row_regions
            if (part := region.part(low, high)).rows > 0
        ]
        pattern = edited_pattern(grouped_scores(row, low, high), low, parts, row, only_target)
        z = grouped_values(pattern, row.value)[0].transpose(0, 1)  # [row, head, dim]
        out[target.batch_row, low:high, target.head_index] = z[:, target.head_index].to(out.dtype)


def edited_pattern(
    scores: Tensor, low: int, found: Iterable[Region], inputs: AttentionInputs, tally: Tally
) -> Tensor:
    """The pattern of a row chunk under its edits.

    Args:
        scores: Masked scores ``[batch, head, row, key]``, float32; overwritten.
        low: First row of the chunk, relative to the call.
        found: Regions, cut to the chunk, in order of their plans.
        inputs: The call.
        tally: Counts what is altered.
    """
    ordered = sorted(found, key=lambda region: region.number)
    for region in ordered:
        if region.edit.site == "scores":
            _edit_scores(scores, low, region, inputs, tally)
    pattern = normalise(scores, inputs.extra.get("s_aux"))
    for region in ordered:
        if region.edit.site == "pattern":
            _edit_pattern(pattern, scores == float("-inf"), low, region, tally)
    return pattern


def _cells(region: Region, low: int) -> tuple[Tensor, Tensor, Tensor]:
    """Index of a region's heads, rows and columns in a chunk: broadcasts to [head, row, key]."""
    rows = torch.arange(region.low - low, region.high - low, device=region.columns.device)
    return region.head_index[:, None, None], rows[None, :, None], region.columns[None, None, :]


def _edit_scores(
    scores: Tensor, low: int, region: Region, inputs: AttentionInputs, tally: Tally
) -> None:
    row_scores = scores[region.batch_row]  # [head, row, key]
    cells = _cells(region, low)
    match region.op:
        case Bias(value=value):
            row_scores[cells] = row_scores[cells] + value
            tally(region, len(region.heads) * region.rows)
        case Columns():
            before = row_scores[cells]
            unseen = before == float("-inf")
            # An edit may turn -inf into anything; a key that is not seen stays unseen.
            after = region.new(before).masked_fill(unseen, float("-inf"))
            row_scores[cells] = after
            tally(region, (after != before).any(-1).sum())
        case Visible():
            hidden = region.hidden(inputs)  # [row, key]
            rows = slice(region.low - low, region.high - low)
            before = row_scores[region.head_index, rows]
            after = before.masked_fill(hidden, float("-inf"))
            row_scores[region.head_index, rows] = after
            tally(region, (after != before).any(-1).sum())


def _edit_pattern(pattern: Tensor, unseen: Tensor, low: int, region: Region, tally: Tally) -> None:
    op = region.op
    if not isinstance(op, Columns):
        return
    row_pattern, cells = pattern[region.batch_row], _cells(region, low)  # [head, row, key]
    before = row_pattern[cells]
    # Whatever an edit makes of a column, a row gives nothing to a key it may not see.
    after = region.new(before).masked_fill(unseen[region.batch_row][cells], 0.0)
    tally(region, (after != before).any(-1).sum())
    if not op.renormalise:
        row_pattern[cells] = after
        return
    rows = slice(region.low - low, region.high - low)
    all_keys = row_pattern[region.head_index, rows]
    # A learned sink keeps its share of the denominator; without one the share is rounding.
    sink_share = (1 - all_keys.sum(-1, keepdim=True)).clamp(min=0.0)  # [head, row, 1]
    row_pattern[cells] = after
    all_keys = row_pattern[region.head_index, rows]
    total = all_keys.sum(-1, keepdim=True) + sink_share
    # A row whose whole attention was edited away stays zero, instead of 0 / 0.
    smallest = torch.finfo(all_keys.dtype).tiny
    row_pattern[region.head_index, rows] = all_keys / total.clamp(min=smallest)
