"""Prefill edits with the columns taken out of the keys: nothing is computed twice.

Under plain causality the rows that are not themselves edited columns, and the keys that are not,
form a smaller causal square, whatever the columns are. So one fused pass over that square gives
these rows their attention to everything else, with its log-sum-exp; rows that are columns see one
common stretch of other keys and take one small fused pass a run. The columns' own scores are then
computed and joined. No kernel sees a mask, an extra dimension or an edited column::

    l_r, z_r   log-sum-exp and output over the other keys
    S          scores of the columns                       (edited here at site scores)
    P          exp(S) / (exp(l_r) + sum exp(S))            (edited here at site pattern)
    z          (exp(l_r) / (exp(l_r) + sum exp(S)) z_r + P' V) / mass

``mass`` is what the shares sum to after a renormalising edit of the pattern, else 1. Nothing
cancels, however much of the attention the columns held.
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
from headbench.interventions.edits.sink_window import windowed
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


def fits(inputs: AttentionInputs, found: Sequence[Region]) -> bool:
    """Whether every region of a call can be computed this way.

    Args:
        inputs: The call.
        found: Its regions of many rows.
    """
    rows = inputs.query.shape[2]
    if not inputs.causal or inputs.start or inputs.value.shape[-1] != inputs.query.shape[-1]:
        return False
    taken: dict[int, set[int]] = {}
    for region in found:
        heads = taken.setdefault(region.batch_row, set())
        if heads & set(region.heads) or region.pad or region.high != rows:
            return False
        heads |= set(region.heads)
        if not isinstance(region.op, Visible) and not _orderly(region, rows):
            return False
    return True


def _orderly(region: Region, rows: int) -> bool:
    """Whether the columns are distinct, in few runs, and leave few rows to throw away."""
    columns = sorted(region.columns.tolist())
    if region.held is not None or len(set(columns)) != len(columns) or columns[-1] >= rows:
        return False
    others = region.low - sum(column < region.low for column in columns)
    return others * WASTE <= rows and sum(taken for *_, taken in stretches(columns, rows)) <= (
        MOST_RUNS
    )


def stretches(columns: Sequence[int], rows: int) -> Iterator[tuple[int, int, bool]]:
    """Cut ``[0, rows)`` where sorted ``columns`` begin and end: low, high, whether columns."""
    taken = set(columns)
    edges = {0, rows, *columns, *(column + 1 for column in columns)}
    cuts = [e for e in sorted(edges) if e in (0, rows) or (e in taken) != (e - 1 in taken)]
    yield from ((low, high, low in taken) for low, high in pairwise(cuts))


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
        mine = [replace(region, batch_row=0) for region in found if region.batch_row == batch_row]
        row = inputs.only(batch_row)
        parts.append(_row(row, mine, tally) if mine else unedited(row))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _row(inputs: AttentionInputs, found: Sequence[Region], tally: Tally) -> Tensor:
    """One batch row: each region for its heads, and the other heads as they are."""
    _, heads, rows, dim = inputs.query.shape
    out = inputs.query.new_empty(1, rows, heads, dim)
    edited = {head for region in found for head in region.heads}
    if rest := [head for head in range(heads) if head not in edited]:
        out[:, :, rest] = unedited(inputs.of_heads(rest))
    for region in found:
        mine = inputs.of_heads(region.heads)
        if region.low:
            before = replace(
                mine,
                query=mine.query[:, :, : region.low],
                key=mine.key[:, :, : region.low],
                value=mine.value[:, :, : region.low],
            )
            out[:, : region.low, list(region.heads)] = unedited(before)
        if isinstance(region.op, Visible):
            windowed(out, WidenedInputs(inputs, dim, dim), region, tally)
        else:
            _columns(out, mine, region, tally)
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


def _columns(out: Tensor, inputs: AttentionInputs, region: Region, tally: Tally) -> None:
    """Write the region's heads and rows of ``out``; ``inputs`` holds these heads alone."""
    columns = region.columns
    ratio = inputs.query.shape[1] // inputs.key.shape[1]
    keys = inputs.key[0][:, columns].repeat_interleave(ratio, 0).float().transpose(1, 2)
    values = inputs.value[0][:, columns].repeat_interleave(ratio, 0).float()
    first, last = int(columns.min()), int(columns.max())
    step = max(1, CHUNK_ELEMENTS // (len(region.heads) * columns.numel()))
    heads = slice(None) if len(region.heads) == out.shape[2] else list(region.heads)
    if isinstance(region.op, Bias):
        tally(region, len(region.heads) * region.rows)
    for rest in _rests(inputs, sorted(columns.tolist()), region.low):
        for low in range(rest.low, rest.high, step):
            high = min(low + step, rest.high)
            z = rest.z[:, low - rest.low : high - rest.low]
            if high > first:
                query = inputs.query[0, :, low:high].float() * inputs.scaling
                unseen = None
                if low < last:
                    row = torch.arange(low, high, device=columns.device)[:, None]
                    unseen = columns[None, :] > row
                lse = None if rest.lse is None else rest.lse[:, low - rest.low : high - rest.low]
                chunk = SplitChunk(region.part(low, high), query @ keys, unseen, lse, tally)
                share, pattern = chunk.joined()
                z = (
                    torch.baddbmm(share * z, pattern, values)
                    if lse is not None
                    else (pattern @ values)
                )
            out[0, low:high, heads] = z.transpose(0, 1).to(out.dtype)


def _rests(inputs: AttentionInputs, columns: Sequence[int], start: int) -> Iterator[OtherKeys]:
    """The rows from ``start`` on in stretches, with what they draw from the other keys."""
    rows = inputs.query.shape[2]
    cuts = tuple(stretches(columns, rows))
    others = [torch.arange(low, high) for low, high, taken in cuts if not taken]
    square = _select(inputs, torch.cat(others)) if others else None
    fused = fused_attention(square) if square is not None else None
    seen = 0
    for low, high, taken in cuts:
        count = 0 if taken else high - low
        begin = max(low, start)
        if begin < high:
            if taken:
                yield _run(inputs, square, seen, (begin, high))
            elif fused is not None:
                part = slice(seen + begin - low, seen + high - low)
                yield OtherKeys(
                    begin, high, fused.out[0, :, part], fused.lse[0, :, part, None].float()
                )
        seen += count


def _run(
    inputs: AttentionInputs, square: AttentionInputs | None, seen: int, rows: tuple[int, int]
) -> OtherKeys:
    """Rows that are columns themselves: all see the first ``seen`` of the other keys."""
    low, high = rows
    query = inputs.query[:, :, low:high]
    if square is None or seen == 0:
        return OtherKeys(low, high, torch.zeros_like(query[0]), None)
    key, value = square.key[:, :, :seen], square.value[:, :, :seen]
    extra = {**inputs.extra, "is_causal": False}
    fused = fused_attention(replace(inputs, query=query, key=key, value=value, extra=extra))
    return OtherKeys(low, high, fused.out[0], fused.lse[0, :, :, None].float())


def _select(inputs: AttentionInputs, positions: Tensor) -> AttentionInputs:
    """The call at some positions alone; a tail is a view, anything else a copy."""
    first, rows = int(positions[0]), inputs.query.shape[2]
    if len(positions) == rows - first:
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
        most = scores.amax(-1, keepdim=True)
        if self.lse is not None:
            most = torch.maximum(most, self.lse)
        most = most.clamp(min=torch.finfo(torch.float32).min)
        pattern = (scores - most).exp_()
        total = pattern.sum(-1, keepdim=True)
        share = torch.zeros_like(total) if self.lse is None else (self.lse - most).exp_()
        total += share
        total.clamp_(min=torch.finfo(torch.float32).tiny)
        pattern /= total
        share /= total
        if isinstance(self.region.op, Columns) and self.region.edit.site == "pattern":
            pattern = self._edited(pattern, 0.0)
            if self.region.op.renormalise:
                mass = (share + pattern.sum(-1, keepdim=True)).clamp(
                    min=torch.finfo(torch.float32).tiny
                )
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
