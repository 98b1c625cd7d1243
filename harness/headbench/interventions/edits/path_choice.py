"""Choosing the cheapest exact way to edit scores and patterns of one attention call.

A causal prefill without padding takes the edited columns out of the keys
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
from headbench.interventions.edits.dense_edits import Tally, attend_directly, recompute
from headbench.interventions.edits.extra_dimensions import WidenedInputs, extend
from headbench.interventions.edits.fused_kernels import fused_attention
from headbench.interventions.edits.regions import Region
from headbench.interventions.edits.sink_window import windowed
from headbench.interventions.edits.unedited import unedited

if TYPE_CHECKING:
    from torch import Tensor

FEW = 16
"""Up to this many query rows are computed densely."""


@dataclass
class PathChoice:
    """Regions by path, and all regions of each batch row."""

    bias: list[Region] = field(default_factory=list)
    direct: list[Region] = field(default_factory=list)
    lse: list[Region] = field(default_factory=list)
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
        return attend_directly(inputs, found, tally)
    many = [region for region in found if region.rows > FEW]
    if many and column_split.fits(inputs, many):
        out = column_split.attend_split(inputs, many, tally)
        _recompute_few(out, inputs, found, tally)
        return out
    choice = choose(found)
    fused = bool(choice.bias or choice.lse or choice.merge)
    if not fused and not choice.window:
        out = unedited(inputs)
    else:
        wide = extend(inputs, choice.bias, choice.merge)
        out = _fused(wide, choice, tally) if fused else unedited(inputs)
        for region in choice.window:
            windowed(out, wide, region, tally)
    for region in choice.direct:
        recompute(out, inputs, choice.of_row[region.batch_row], region, tally)
    return out


def _recompute_few(
    out: Tensor, inputs: AttentionInputs, found: Sequence[Region], tally: Tally
) -> None:
    """Overwrite the regions of few rows, under all edits of their batch row."""
    for region in found:
        if region.rows <= FEW:
            mine = [other for other in found if other.batch_row == region.batch_row]
            recompute(out, inputs, mine, region, tally)


def _fused(wide: WidenedInputs, choice: PathChoice, tally: Tally) -> Tensor:
    """One fused pass with biases and pushes, then the columns put right."""
    z, lse = fused_attention(wide.inputs)
    out = z[..., : wide.value_dim].transpose(1, 2).contiguous()
    for region in choice.bias:
        tally(region, len(region.heads) * region.rows)
    for region in choice.lse:
        correct(out, lse, wide, region, tally)
    for region in choice.merge:
        merge(out, lse, wide, region, tally)
    return out


def choose(found: Sequence[Region]) -> PathChoice:
    """Sort regions by path, a batch row at a time."""
    choice = PathChoice()
    for region in found:
        choice.of_row[region.batch_row].append(region)
    for mine in choice.of_row.values():
        biases = [region for region in mine if isinstance(region.op, Bias)]
        few = [r for r in mine if not isinstance(r.op, Bias) and r.rows <= FEW]
        rest = [r for r in mine if not isinstance(r.op, Bias) and r.rows > FEW]
        choice.bias += biases
        choice.direct += few
        _place(rest, choice) if _simple(rest, biases) else choice.direct.extend(rest)
    return choice


def _place(rest: Sequence[Region], choice: PathChoice) -> None:
    for region in rest:
        if isinstance(region.op, Visible):
            choice.window.append(region)
        elif isinstance(region.op, Columns) and (
            region.op.renormalise or region.edit.site == "scores"
        ):
            choice.merge.append(region)
        else:
            choice.lse.append(region)


def _simple(rest: Sequence[Region], biases: Sequence[Region]) -> bool:
    """Whether each region of the row can take its fused path without minding the others."""
    heads: set[int] = set()
    for region in rest:
        if heads & set(region.heads):
            return False
        heads |= set(region.heads)
        early = region.edit.site == "scores" and isinstance(region.op, Columns)
        if early and any(bias.number > region.number for bias in biases):
            return False
    return True
