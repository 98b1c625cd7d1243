"""Where a pattern edit applies within one call: rows, heads and key columns of one batch row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from headbench.edits import Bias, Columns, Edit, Op, View, Visible
from headbench.errors import RefusedError
from headbench.interventions.edits.column_mass import column_mass
from headbench.interventions.edits.layer_programs import PatternEdit
from headbench.interventions.edits.positions import PositionRange, position_classes
from headbench.nouns import Positions

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.interventions.edits.attention_inputs import AttentionInputs
    from headbench.interventions.edits.sequence_edits import SequenceEdits


@dataclass(frozen=True)
class Region:
    """An edit's part of one call.

    Attributes:
        batch_row: Row of the batch.
        edit: The edit.
        heads: Query heads.
        low: First query row, relative to the call.
        high: Last query row plus one.
        columns: Key indices of the call, ``[key]``, on the call's device (empty for ``Visible``).
        head_index: The heads as an index, on the call's device.
        view: What callbacks may read; its ``start`` is the position of row ``low``.
        pad: Padding of the batch row.
        number: Order of the edit in its plan.
        sequence: Index of the sequence that the edit belongs to.
        cached: Which of the edit's columns the cache still holds, bool; ``None`` is all.
    """

    batch_row: int
    edit: Edit
    heads: tuple[int, ...]
    low: int
    high: int
    columns: Tensor
    head_index: Tensor
    view: View
    pad: int
    number: int
    sequence: int
    cached: Tensor | None = None

    def new(self, columns: Tensor) -> Tensor:
        """The edit of ``columns`` ``[head, row, key]``; unseen keys are the caller's care.

        The operation always gets all of its columns, in its own order: those that a sliding cache
        has dropped as 0 (pattern) or -inf (scores).
        """
        if not isinstance(self.op, Columns):
            raise TypeError(f"{self.op!r} has no columns")
        if self.cached is None:
            return self.op.new(self.view, columns)
        lost = 0.0 if self.edit.site == "pattern" else float("-inf")
        # [head, row, every key of the edit], with the dropped ones filled in
        all_columns = columns.new_full((*columns.shape[:-1], self.cached.shape[0]), lost)
        all_columns[..., self.cached] = columns
        return self.op.new(self.view, all_columns)[..., self.cached]

    @property
    def op(self) -> Op:
        """The operation."""
        return self.edit.op

    @property
    def rows(self) -> int:
        """How many query rows."""
        return self.high - self.low

    def part(self, low: int, high: int) -> Region:
        """The region's rows that lie in ``[low, high)``, relative to the call."""
        start = max(self.low, low)
        # Callbacks index by position, so the view's first position moves along with the rows.
        view = replace(self.view, start=self.view.start + start - self.low)
        return replace(self, low=start, high=max(start, min(self.high, high)), view=view)

    def hidden(self, inputs: AttentionInputs) -> Tensor:
        """For ``Visible``: keys the heads may not see, bool ``[row, key]``."""
        if not isinstance(self.op, Visible):
            raise TypeError(f"{self.op!r} hides nothing")
        device = self.columns.device
        # Positions in the unpadded prompt, which ``first`` and spans count in: [key] and [row, 1].
        key = torch.arange(inputs.key.shape[2], device=device) + inputs.key_offset - self.pad
        row = self.view.start + torch.arange(self.rows, device=device)[:, None]
        hidden = torch.zeros(self.rows, key.shape[0], dtype=torch.bool, device=device)
        if self.op.recent is not None:
            hidden |= (key >= self.op.first) & (key <= row - self.op.recent)
        for reader, read in _both_ways(self.op.mutual):
            if reader in self.view.spans and read in self.view.spans:
                reader_at, read_at = (
                    torch.tensor(self.view.spans[name], device=device) for name in (reader, read)
                )
                hidden |= torch.isin(row, reader_at) & torch.isin(key, read_at)
        return hidden


def _both_ways(mutual: tuple[str, str] | None) -> tuple[tuple[str, str], ...]:
    return () if mutual is None else (mutual, mutual[::-1])


def regions(
    edits: Sequence[PatternEdit],
    sequences: Sequence[SequenceEdits],
    positions: PositionRange,
    inputs: AttentionInputs,
    layer_input: Tensor | None,
    layer: int,
) -> list[Region]:
    """The regions that pattern edits of one layer have in one call; empty ones are left out.

    Args:
        edits: Edits of the layer.
        sequences: The sequences they belong to.
        positions: Positions of the query rows.
        inputs: The attention call.
        layer_input: ``[batch, query, width]`` of this call, where an edit reads it.
        layer: The layer.
    """
    found = []
    for item in edits:
        bound, sequence = positions.bounds[item.batch_row], sequences[item.sequence]
        touched = position_classes(item.edit.phase, item.edit.rows)
        low, high = bound.span(touched, positions.start, positions.stop)
        if high <= low:
            continue  # no position of this pass is edited
        # Only the prompt's first pass holds the whole prompt; what a method reads of it then, it
        # keeps in its memory.
        prompt_input = None
        if layer_input is not None and positions.start == 0:
            prompt_input = layer_input[
                item.batch_row, bound.pad : bound.decode
            ]  # [position, width]
        view = View(
            layer,
            low - bound.pad,  # positions of a view count from the first token, padding left out
            sequence.prompt,
            sequence.spans,
            prompt_input,
            sequence.memory,
            sequence.probes,
        )
        if positions.start == 0 and "column_mass" in getattr(item.edit.op, "reads", ()):
            view = replace(view, column_mass=column_mass(inputs, item.batch_row, bound))
        columns, cached = _columns(item, view, bound.pad, inputs)
        if isinstance(item.edit.op, Visible) or columns.numel() > 0:
            found.append(
                Region(
                    item.batch_row,
                    item.edit,
                    item.heads,
                    low - positions.start,
                    high - positions.start,
                    columns,
                    _head_index(item, inputs),
                    view,
                    bound.pad,
                    item.number,
                    item.sequence,
                    cached,
                )
            )
    return found


def _head_index(item: PatternEdit, inputs: AttentionInputs) -> Tensor:
    if "heads" not in item.index:
        item.index["heads"] = torch.tensor(item.heads, device=inputs.key.device)
    return item.index["heads"]


def _columns(
    item: PatternEdit, view: View, pad: int, inputs: AttentionInputs
) -> tuple[Tensor, Tensor | None]:
    """Key indices of an edit's columns, and which of them a sliding cache still holds.

    ``None`` means all.
    """
    # From the unpadded prompt to padded positions, and from there to indices of the cache.
    indices = _prompt_positions(item, view, inputs) + pad
    if inputs.key_offset == 0 and not callable(getattr(item.edit.op, "keys", None)):
        return indices, None  # fixed columns of a whole cache: no look at the data, no waiting
    indices = indices - inputs.key_offset
    cached = (indices >= 0) & (indices < inputs.key.shape[2])
    return (indices, None) if bool(cached.all()) else (indices[cached], cached)


def _prompt_positions(item: PatternEdit, view: View, inputs: AttentionInputs) -> Tensor:
    """Positions of an edit's columns in the unpadded prompt; fixed ones are made once."""
    device, op = inputs.key.device, item.edit.op
    if isinstance(op, Columns) and callable(op.keys):
        return op.keys(view).to(device)  # may change with the layer and with what is remembered
    if "positions" in item.index:
        return item.index["positions"]
    keys: Positions = ()
    if isinstance(op, Bias | Columns):
        keys = _span(op.keys, view) if isinstance(op.keys, str) else op.keys  # type: ignore[assignment]
    item.index["positions"] = torch.tensor(keys, dtype=torch.long, device=device)
    return item.index["positions"]


def _span(name: str, view: View) -> Positions:
    if name not in view.spans:
        raise RefusedError(
            f"the prompt marks no span {name!r}",
            hint=f"spans of this prompt: {', '.join(sorted(view.spans)) or 'none'}",
        )
    return view.spans[name]
