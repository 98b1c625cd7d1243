"""Edits of few pattern columns after a fused pass: by log-sum-exp, or by split and merge.

Both work in a left-padded batch, under any mask, where :mod:`column_split` does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from headbench.interventions.edits.dense import visible_keys
from headbench.interventions.edits.dense_edits import CHUNK_ELEMENTS, Tally
from headbench.interventions.edits.extra_dimensions import WidenedInputs
from headbench.interventions.edits.regions import Region


@dataclass(frozen=True)
class ColumnChunk:
    """The columns of some rows of a region, float32, -inf where a row does not see a key.

    Attributes:
        region: The region, cut to the rows.
        scores: ``[head, row, key]``, biases included.
        values: ``[head, key, dim]``.
        lse: Log-sum-exp of the fused pass, ``[head, row, 1]``.
    """

    region: Region
    scores: Tensor
    values: Tensor
    lse: Tensor

    @property
    def unseen(self) -> Tensor:
        """Columns that a row may not see, whatever an edit makes of them."""
        return self.scores == float("-inf")


def correct(out: Tensor, lse: Tensor, widened: WidenedInputs, region: Region, tally: Tally) -> None:
    """Add ``(P' - P) V`` over a region's columns to the fused output, in place.

    Exact where nothing is renormalised: ``P = exp(S - lse)`` is the pattern, ``P'`` its edit.
    Renormalising this sum would cancel where the edit removes nearly all of a row's attention (the
    first token of a sink head): those edits go through :func:`merge`.

    Args:
        out: ``[batch, query, head, dim]``.
        lse: ``[batch, head, query]``.
        widened: The call with its biases.
        region: Rows, heads and columns.
        tally: Counts what is altered.
    """
    for chunk in _chunks(lse, widened, region):
        before = torch.exp(chunk.scores - chunk.lse)  # [head, row, key], no other key is touched
        after = chunk.region.new(before).masked_fill(chunk.unseen, 0.0)
        tally(region, (after != before).any(-1).sum())
        change = (after - before) @ chunk.values  # [head, row, dim]
        _store(out, chunk.region, change, torch.ones_like(chunk.lse))


def merge(out: Tensor, lse: Tensor, widened: WidenedInputs, region: Region, tally: Tally) -> None:
    """Join a fused output that left the columns out with the edited columns, in place.

    With the rest's output ``z_r`` and log-sum-exp ``l_r``, and the columns' scores ``S``::

        l  = logaddexp(l_r, logsumexp S)          (S after the edit at site scores)
        P' = new(exp(S - l))                      (at site pattern), else exp(S - l)
        z  = (exp(l_r - l) z_r + P' V) / (exp(l_r - l) + sum P')

    Args:
        out: ``[batch, query, head, dim]``.
        lse: ``[batch, head, query]`` of the fused pass.
        widened: The call with its biases.
        region: Rows, heads and columns.
        tally: Counts what is altered.
    """
    for chunk in _chunks(lse, widened, region):
        scores = chunk.scores
        if region.edit.site == "scores":
            edited = chunk.region.new(scores)
            scores = edited.masked_fill(chunk.unseen, float("-inf"))
            tally(region, (scores != chunk.scores).any(-1).sum())
        # Denominator of the softmax over both parts, without ever building [query, key].
        total = torch.logaddexp(chunk.lse, scores.logsumexp(-1, keepdim=True))  # [head, row, 1]
        pattern, rest = torch.exp(scores - total), torch.exp(chunk.lse - total)
        if region.edit.site == "pattern":
            before = pattern
            pattern = chunk.region.new(before).masked_fill(chunk.unseen, 0.0)
            tally(region, (pattern != before).any(-1).sum())
        # Nothing is subtracted here, so it stays exact however much the columns held.
        mass = (rest + pattern.sum(-1, keepdim=True)).clamp(min=torch.finfo(torch.float32).tiny)
        _store(out, chunk.region, pattern @ chunk.values / mass, rest / mass)


def _chunks(lse: Tensor, widened: WidenedInputs, region: Region) -> Iterator[ColumnChunk]:
    """Cut a region into row chunks that hold a bounded number of column scores."""
    inputs, b = widened.inputs, region.batch_row
    groups = region.head_index // inputs.group_size  # the key/value head of each query head
    # Up to ``biased``: the scores hold the biases, and not the pushes that hid these columns.
    keys = inputs.key[b, groups][:, region.columns, : widened.biased].float()  # [head, key, dim]
    values = inputs.value[b, groups][:, region.columns, : widened.value_dim].float()
    step = max(1, CHUNK_ELEMENTS // (len(region.heads) * region.columns.numel()))
    row = inputs.only(b)
    for low in range(region.low, region.high, step):
        part = region.part(low, low + step)
        query = inputs.query[b, region.head_index, part.low : part.high, : widened.biased].float()
        scores = query @ keys.transpose(1, 2) * inputs.scaling  # [head, row, key]
        seen = visible_keys(row, part.low, part.high)
        if seen is not None:
            # The kernel says 0 for the log-sum-exp of a row that sees nothing; masking here keeps
            # such a row's weights at 0 all the same.
            scores = scores.masked_fill(~seen[0, :, :, region.columns], float("-inf"))
        yield ColumnChunk(part, scores, values, _lse(lse, part))


def _lse(lse: Tensor, part: Region) -> Tensor:
    """``[head, row, 1]`` of a region's rows and heads."""
    return lse[part.batch_row, part.head_index, part.low : part.high].float()[..., None]


def _store(out: Tensor, region: Region, add: Tensor, keep: Tensor) -> None:
    """``out <- keep * out + add`` at a region.

    Args:
        out: ``[batch, query, head, dim]``.
        region: Where.
        add: ``[head, row, dim]``.
        keep: ``[head, row, 1]``.
    """
    b, rows, heads = region.batch_row, slice(region.low, region.high), region.head_index
    before = out[b, rows][:, heads].float()  # [row, head, dim]
    after = before * keep.transpose(0, 1) + add.transpose(0, 1)
    out[b, rows, heads] = after.to(out.dtype)
