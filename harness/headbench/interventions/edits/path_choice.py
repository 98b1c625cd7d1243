"""Choosing the cheapest exact way to edit scores and patterns of one attention call.

A causal prefill without padding splits the edited columns off from the keys
(:mod:`~headbench.interventions.edits.column_split`). Elsewhere:

================================= ====================================================
the edits of a batch row          path
================================= ====================================================
a bias of columns                 an extra dimension inside the fused kernel
few query rows                    those rows densely, the rest untouched
columns, not renormalised         fused, then z + (P' - P) V over the columns, by log-sum-exp
columns of scores, or renormalised  fused without the columns, merged with them (split and merge)
which keys a head sees            fused over sinks and window, by row chunks
anything composed otherwise       the edited rows and heads densely, in row chunks
================================= ====================================================

A decoding step, and models with soft caps or attention sinks, are dense throughout: one row of
scores is cheaper than any detour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headbench.edits import Bias, Columns, Visible
from headbench.interventions.edits import column_split
from headbench.interventions.edits.attention_inputs import AttentionInputs
from headbench.interventions.edits.column_correction import correct, merge
from headbench.interventions.edits.dense_edits import Tally, attend_densely, recompute
from headbench.interventions.edits.extra_dimensions import WidenedInputs, widen
from headbench.interventions.edits.fused_kernels import fused_attention
from headbench.interventions.edits.regions import Region
from headbench.interventions.edits.sink_window import attend_window
from headbench.interventions.edits.unedited import unedited

if TYPE_CHECKING:
    from torch import Tensor

FEW = 16
"""Up to this many query rows are computed densely."""


@dataclass
class RegionsByPath:
    """Regions by the path they take, and all regions of each batch row.

    Attributes:
        bias: Extra dimensions of the fused pass.
        dense: Computed densely over the fused output.
        correct: The fused output is corrected by log-sum-exp.
        merge: The columns leave the fused pass and are merged in.
        window: Sinks and window only.
        of_row: Batch row -> all of its regions.
    """

    bias: list[Region] = field(default_factory=list)
    dense: list[Region] = field(default_factory=list)
    correct: list[Region] = field(default_factory=list)
    merge: list[Region] = field(default_factory=list)
    window: list[Region] = field(default_factory=list)
    of_row: dict[int, list[Region]] = field(default_factory=lambda: defaultdict(list))


def attend_pattern(inputs: AttentionInputs, found: Sequence[Region], tally: Tally) -> Tensor:
    """Head outputs ``[batch, query, head, dim]`` under edits of scores and pattern.

    Args:
        inputs: The call, with edited queries, keys and values.
        found: The regions of the call.
        tally: Counts what is altered.
    """
    if not found:
        return unedited(inputs)
    if not inputs.plain or inputs.query.shape[2] <= FEW:
        return attend_densely(inputs, found, tally)
    many = [region for region in found if region.rows > FEW]
    if many and column_split.fits(inputs, many):
        out = column_split.attend_split(inputs, many, tally)
        _recompute_few(out, inputs, found, tally)
        return out
    paths = choose_paths(found)
    fused = bool(paths.bias or paths.correct or paths.merge)
    if not fused and not paths.window:
        out = unedited(inputs)  # only dense regions: the kernel's own call, then overwritten
    else:
        # A window is narrow attention too, and honours the biases of its row and heads.
        widened = widen(inputs, paths.bias, paths.merge)
        out = _fused(widened, paths, tally) if fused else unedited(inputs)
        for region in paths.window:
            attend_window(out, widened, region, tally)
    # Last, because a dense region holds all edits of its rows and overwrites what the others left.
    for region in paths.dense:
        recompute(out, inputs, paths.of_row[region.batch_row], region, tally)
    return out


def _recompute_few(
    out: Tensor, inputs: AttentionInputs, found: Sequence[Region], tally: Tally
) -> None:
    """Overwrite the regions of few rows, under all edits of their batch row."""
    for region in found:
        if region.rows <= FEW:
            of_row = [other for other in found if other.batch_row == region.batch_row]
            recompute(out, inputs, of_row, region, tally)


def _fused(widened: WidenedInputs, paths: RegionsByPath, tally: Tally) -> Tensor:
    """One fused pass with biases and pushes, then the columns put right."""
    z, lse = fused_attention(widened.inputs)  # [batch, head, query, width], [batch, head, query]
    # The corrections write into rows and heads, so the output becomes [batch, query, head, dim].
    out = z[..., : widened.value_dim].transpose(1, 2).contiguous()
    for region in paths.bias:
        tally(region, len(region.heads) * region.rows)
    for region in paths.correct:
        correct(out, lse, widened, region, tally)
    for region in paths.merge:
        merge(out, lse, widened, region, tally)
    return out


def choose_paths(found: Sequence[Region]) -> RegionsByPath:
    """Sort regions by path, a batch row at a time."""
    paths = RegionsByPath()
    for region in found:
        paths.of_row[region.batch_row].append(region)
    for of_row in paths.of_row.values():
        biases = [region for region in of_row if isinstance(region.op, Bias)]
        few = [r for r in of_row if not isinstance(r.op, Bias) and r.rows <= FEW]
        rest = [r for r in of_row if not isinstance(r.op, Bias) and r.rows > FEW]
        paths.bias += biases
        paths.dense += few
        if _independent(rest, biases):
            _add_fused(rest, paths)
        else:
            paths.dense += rest
    return paths


def _add_fused(rest: Sequence[Region], paths: RegionsByPath) -> None:
    for region in rest:
        if isinstance(region.op, Visible):
            paths.window.append(region)
        elif isinstance(region.op, Columns) and (
            region.op.renormalise or region.edit.site == "scores"
        ):
            paths.merge.append(region)
        else:
            paths.correct.append(region)


def _independent(rest: Sequence[Region], biases: Sequence[Region]) -> bool:
    """Whether each region of the row can take its fused path without minding the others."""
    heads: set[int] = set()
    for region in rest:
        if heads & set(region.heads):
            return False  # two edits of one head compose, and their order matters
        heads |= set(region.heads)
        # The fused pass adds biases first; an edit of scores that comes before one in its plan
        # would read scores that are biased already.
        reads_scores = region.edit.site == "scores" and isinstance(region.op, Columns)
        if reads_scores and any(bias.number > region.number for bias in biases):
            return False
    return True
