"""Prefill edits with the columns split off from the other keys: nothing is computed twice.

Under plain causality the rows that are not themselves edited columns, and the keys that are not,
form a smaller causal square, whatever the columns are. So one fused pass over that square gives
these rows their attention to everything else, with its log-sum-exp; rows that are columns see one
common stretch of other keys and take one small fused pass per run. The columns' own scores are then
computed and joined. No kernel sees a mask, an extra dimension or an edited column::

    l_r, z_r   log-sum-exp and output over the other keys
    S          scores of the columns                       (edited here at site scores)
    P          exp(S) / (exp(l_r) + sum exp(S))            (edited here at site pattern)
    z          (exp(l_r) / (exp(l_r) + sum exp(S)) z_r + P' V) / mass

``mass`` is what the shares sum to after a renormalising edit of the pattern, else 1. Nothing
cancels, however much of the attention the columns have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import torch

from headbench.edits import Bias, Columns, Visible
from headbench.interventions.edits.extra_dimensions import WidenedInputs
from headbench.interventions.edits.fused_kernels import fused_attention
from headbench.interventions.edits.sink_window import attend_window
from headbench.interventions.edits.unedited import unedited

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.interventions.edits.attention_inputs import AttentionInputs
    from headbench.interventions.edits.dense_edits import Tally
    from headbench.interventions.edits.regions import Region

CHUNK_ELEMENTS = 1 << 20
"""Column scores held at a time (4 MiB of float32, which a cache close to the core still holds)."""
MOST_RUNS = 8
"""Columns in more runs than this take another path: each run costs a pass."""
WASTE = 8
"""Rows before the region may be at most this fraction of the call (one in ``WASTE``)."""
TINY = torch.finfo(torch.float32).tiny


def fits(inputs: AttentionInputs, found: Sequence[Region]) -> bool:
    """Whether every region of a call can be computed this way.

    Args:
        inputs: The call.
        found: Its regions of many rows.
    """
    rows = inputs.query.shape[2]
    if not inputs.causal or inputs.start or inputs.value.shape[-1] != inputs.query.shape[-1]:
        return False
    edited: dict[int, set[int]] = {}  # batch row -> heads that some region has
    for region in found:
        heads = edited.setdefault(region.batch_row, set())
        if heads & set(region.heads) or region.pad or region.high != rows:
            return False
        heads |= set(region.heads)
        if not isinstance(region.op, Visible) and not _splits_well(region, rows):
            return False
    return True


def _splits_well(region: Region, rows: int) -> bool:
    """Whether the columns are distinct, in few runs, and leave few rows to throw away."""
    columns = sorted(region.columns.tolist())
    if region.cached is not None or len(set(columns)) != len(columns) or columns[-1] >= rows:
        return False
    # The square holds the rows before the region too, and what it gives them is thrown away.
    wasted = region.low - sum(column < region.low for column in columns)
    runs = sum(are_columns for *_, are_columns in stretches(columns, rows))
    return wasted * WASTE <= rows and runs <= MOST_RUNS


def stretches(columns: Sequence[int], rows: int) -> Iterator[tuple[int, int, bool]]:
    """Cut ``[0, rows)`` where sorted ``columns`` begin and end: low, high, whether columns."""
    members = set(columns)
    edges = {0, rows, *columns, *(column + 1 for column in columns)}
    cuts = [e for e in sorted(edges) if e in (0, rows) or (e in members) != (e - 1 in members)]
    yield from ((low, high, low in members) for low, high in pairwise(cuts))


def attend_split(inputs: AttentionInputs, found: Sequence[Region], tally: Tally) -> Tensor:
    """Head outputs ``[batch, query, head, dim]`` of a causal prefill.

    Args:
        inputs: The call; keys behind the prompt (an empty static cache) are not there yet.
        found: Regions for which :func:`fits` holds.
        tally: Counts what is altered.
    """
    rows = inputs.query.shape[2]
    inputs = replace(inputs, key=inputs.key[:, :, :rows], value=inputs.value[:, :, :rows])
    parts = []
    for batch_row in range(inputs.query.shape[0]):
        of_row = [replace(region, batch_row=0) for region in found if region.batch_row == batch_row]
        row = inputs.only(batch_row)
        parts.append(_attend_row(row, of_row, tally) if of_row else unedited(row))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _attend_row(inputs: AttentionInputs, found: Sequence[Region], tally: Tally) -> Tensor:
    """One batch row: each region for its heads, and the other heads as they are."""
    _, heads, rows, dim = inputs.query.shape
    out = inputs.query.new_empty(1, rows, heads, dim)
    edited = {head for region in found for head in region.heads}
    if others := [head for head in range(heads) if head not in edited]:
        out[:, :, others] = unedited(inputs.of_heads(others))
    for region in found:
        own_heads = inputs.of_heads(region.heads)
        if region.low:
            # Rows before the region see only keys before it: a call of its own, unedited.
            before = replace(
                own_heads,
                query=own_heads.query[:, :, : region.low],
                key=own_heads.key[:, :, : region.low],
                value=own_heads.value[:, :, : region.low],
            )
            out[:, : region.low, list(region.heads)] = unedited(before)
        if isinstance(region.op, Visible):
            attend_window(out, WidenedInputs(inputs, dim, dim), region, tally)
        else:
            _attend_columns(out, own_heads, region, tally)
    return out


@dataclass(frozen=True)
class OtherKeys:
    """What a stretch of rows ``[low, high)`` draws from keys that are no columns.

    Attributes:
        low: First row.
        high: Last row plus one.
        z: ``[head, row, dim]``.
        lse: ``[head, row, 1]``, float32; ``None`` where there are no such keys (``z`` is zero).
    """

    low: int
    high: int
    z: Tensor
    lse: Tensor | None

    def part(self, low: int, high: int) -> tuple[Tensor, Tensor | None]:
        """``z`` and ``lse`` of the rows ``[low, high)``."""
        rows = slice(low - self.low, high - self.low)
        return self.z[:, rows], None if self.lse is None else self.lse[:, rows]


def _attend_columns(out: Tensor, inputs: AttentionInputs, region: Region, tally: Tally) -> None:
    """Write the region's heads and rows of ``out``; ``inputs`` holds these heads alone."""
    columns, group_size = region.columns, inputs.group_size
    # Few columns, so repeating them per query head is cheap; scores are one batched product.
    keys = inputs.key[0][:, columns].repeat_interleave(group_size, 0).float().transpose(1, 2)
    values = inputs.value[0][:, columns].repeat_interleave(group_size, 0).float()
    # keys [head, dim, key], values [head, key, dim]
    first, last = int(columns.min()), int(columns.max())
    step = max(1, CHUNK_ELEMENTS // (len(region.heads) * columns.numel()))
    # A slice writes in place; a list of heads scatters, which is slower.
    heads = slice(None) if len(region.heads) == out.shape[2] else list(region.heads)
    if isinstance(region.op, Bias):
        tally(region, len(region.heads) * region.rows)
    for others in _other_keys(inputs, sorted(columns.tolist()), region.low):
        for low in range(others.low, others.high, step):
            high = min(low + step, others.high)
            z, lse = others.part(low, high)
            if high > first:  # earlier rows see no column: the other keys are all there is
                query = inputs.query[0, :, low:high].float() * inputs.scaling
                unseen = None
                if low < last:  # from the last column on, every row sees all columns
                    row = torch.arange(low, high, device=columns.device)[:, None]
                    unseen = columns[None, :] > row  # [row, key]
                chunk = SplitChunk(region.part(low, high), query @ keys, unseen, lse, tally)
                share, pattern = chunk.joined()
                z = (
                    torch.baddbmm(share * z, pattern, values)  # share * z + pattern @ values
                    if lse is not None
                    else (pattern @ values)
                )
            out[0, low:high, heads] = z.transpose(0, 1).to(out.dtype)


def _other_keys(inputs: AttentionInputs, columns: Sequence[int], start: int) -> Iterator[OtherKeys]:
    """The rows from ``start`` on in stretches, with what they draw from the other keys."""
    rows = inputs.query.shape[2]
    cuts = tuple(stretches(columns, rows))
    no_columns = [torch.arange(low, high) for low, high, are_columns in cuts if not are_columns]
    square = _select(inputs, torch.cat(no_columns)) if no_columns else None
    # Dropping the same positions from rows and keys keeps causality: the square is causal too.
    fused = fused_attention(square) if square is not None else None
    before = 0  # positions of the square before this stretch
    for low, high, are_columns in cuts:
        begin = max(low, start)
        if begin < high:
            if are_columns:
                yield _column_rows(inputs, square, before, (begin, high))
            elif fused is not None:
                part = slice(before + begin - low, before + high - low)
                lse = fused.lse[0, :, part, None].float()  # [head, row, 1]
                yield OtherKeys(begin, high, fused.out[0, :, part], lse)
        before += 0 if are_columns else high - low


def _column_rows(
    inputs: AttentionInputs, square: AttentionInputs | None, before: int, rows: tuple[int, int]
) -> OtherKeys:
    """Rows that are columns themselves: all see the first ``before`` of the other keys.

    A run of columns has no other key between its rows, so they see the same ones and need no
    causal mask: one small pass that is not causal.
    """
    low, high = rows
    query = inputs.query[:, :, low:high]
    if square is None or before == 0:
        return OtherKeys(low, high, torch.zeros_like(query[0]), None)
    key, value = square.key[:, :, :before], square.value[:, :, :before]
    extra = {**inputs.extra, "is_causal": False}
    fused = fused_attention(replace(inputs, query=query, key=key, value=value, extra=extra))
    return OtherKeys(low, high, fused.out[0], fused.lse[0, :, :, None].float())


def _select(inputs: AttentionInputs, positions: Tensor) -> AttentionInputs:
    """The call at some positions alone; a tail is a view, anything else a copy."""
    first, rows = int(positions[0]), inputs.query.shape[2]
    if len(positions) == rows - first:  # columns at the start, as for the first token
        query, key, value = (x[:, :, first:] for x in (inputs.query, inputs.key, inputs.value))
    else:
        index = positions.to(inputs.query.device)
        query, key, value = (
            x.index_select(2, index) for x in (inputs.query, inputs.key, inputs.value)
        )
    return replace(inputs, query=query, key=key, value=value)


@dataclass(frozen=True)
class SplitChunk:
    """The columns of some rows.

    Attributes:
        region: The region, cut to the rows.
        scores: ``[head, row, key]``, float32.
        unseen: Columns behind a row, bool ``[row, key]``; ``None``: every row sees all.
        lse: Log-sum-exp over the other keys, ``[head, row, 1]``; ``None``: there are none.
        tally: Counts what is altered.
    """

    region: Region
    scores: Tensor
    unseen: Tensor | None
    lse: Tensor | None
    tally: Tally

    def joined(self) -> tuple[Tensor, Tensor]:
        """The share of the other keys ``[head, row, 1]``, and the columns' edited pattern."""
        scores = self._hide(self.scores, float("-inf"))
        match self.region.op:
            case Bias(value=value):
                scores = scores.add_(value)
            case Columns() if self.region.edit.site == "scores":
                scores = self._edited(scores, float("-inf"))
        # One softmax over columns and other keys, which enter as a single score: their lse.
        most = scores.amax(-1, keepdim=True)  # [head, row, 1], subtracted before exp as ever
        if self.lse is not None:
            most = torch.maximum(most, self.lse)
        most = most.clamp(min=torch.finfo(torch.float32).min)  # -inf - -inf would be NaN
        pattern = (scores - most).exp_()  # [head, row, key]
        total = pattern.sum(-1, keepdim=True)
        share = torch.zeros_like(total) if self.lse is None else (self.lse - most).exp_()
        total += share
        total.clamp_(min=TINY)
        pattern /= total
        share /= total
        if isinstance(self.region.op, Columns) and self.region.edit.site == "pattern":
            pattern = self._edited(pattern, 0.0)
            if self.region.op.renormalise:
                mass = (share + pattern.sum(-1, keepdim=True)).clamp(min=TINY)
                return share / mass, pattern / mass
        return share, pattern

    def _hide(self, x: Tensor, lost: float) -> Tensor:
        return x if self.unseen is None else x.masked_fill(self.unseen, lost)

    def _edited(self, before: Tensor, lost: float) -> Tensor:
        """The edit of what the rows see, and how many rows x heads it altered."""
        after = self._hide(self.region.new(before), lost)
        if self.unseen is None:
            # No -inf stands in the columns, so a difference tells, and costs a third of `!=`.
            altered = (after - before).abs_().amax(-1) > 0
        else:
            altered = (after != before).any(-1)
        self.tally(self.region, altered.sum())
        return after
