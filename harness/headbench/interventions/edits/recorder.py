"""Collecting captured activations: few rows, few layers, and never a whole pattern."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from headbench.errors import RefusedError
from headbench.interventions.edits.dense import CHUNK_ELEMENTS, grouped_scores
from headbench.interventions.edits.dense_edits import edited_pattern
from headbench.interventions.edits.positions import PositionRange, captured_classes
from headbench.interventions.layer_ranges import without_attention
from headbench.nouns import Capture

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.interventions.edits.attention_inputs import AttentionInputs
    from headbench.interventions.edits.model_shape import ModelShape
    from headbench.interventions.edits.regions import Region
    from headbench.interventions.edits.sequence_edits import SequenceEdits

SITES = ("q", "k", "v", "scores", "pattern", "z", "residual", "router", "residual_in")
OUTSIDE = ("residual", "router", "residual_in")
"""Sites whose values come from other modules than attention."""
BY_HEAD = ("scores", "pattern")
"""Sites whose captures hold heads before rows, ``[head, row, key]``."""


class Recorder:
    """Collects captures over the forward passes of one block.

    Args:
        captures: What to record.
        sequences: The sequences of the batch.
        shape: Sizes of the model.
        recorded: Numbers of the sequences that are recorded; ``None``: all of them.
    """

    def __init__(
        self,
        captures: Sequence[Capture],
        sequences: Sequence[SequenceEdits],
        shape: ModelShape,
        recorded: Collection[int] | None = None,
    ) -> None:
        numbers = range(len(sequences)) if recorded is None else sorted(recorded)
        for capture in captures:
            _check(capture, {number: sequences[number] for number in numbers}, shape)
        self.captures, self.sequences = tuple(captures), tuple(sequences)
        self.recorded = None if recorded is None else frozenset(recorded)
        # (sequence, capture, layer) -> parts, one per pass that holds a wanted row, and how many
        # rows each part stands for: pooled at once, so that no state per token is kept.
        self._parts: dict[tuple[int, Capture, int], list[Tensor]] = defaultdict(list)
        self._counts: dict[tuple[int, Capture, int], list[int]] = defaultdict(list)
        self._by_layer: dict[int, list[Capture]] = defaultdict(list)
        for capture in captures:
            for layer in dict.fromkeys(capture.layers):
                self._by_layer[layer].append(capture)

    def wants(self, layer: int, *sites: str) -> bool:
        """Whether a capture of ``layer`` is at one of ``sites``."""
        return any(capture.site in sites for capture in self.captures_of(layer))

    def attention(
        self,
        layer: int,
        positions: PositionRange,
        inputs: AttentionInputs,
        z: Tensor,
        found: Sequence[Region] = (),
    ) -> None:
        """Record from one attention call.

        Args:
            layer: The layer.
            positions: Positions of the call's rows.
            inputs: Its queries, keys and values, edited.
            z: Its head outputs, edited, ``[batch, query, head, dim]``.
            found: Where its scores and its pattern were edited.
        """
        for capture in self.captures_of(layer):
            if capture.site in OUTSIDE:
                continue
            for index, rows in self.wanted_rows(capture, positions):
                columns = self.columns(capture, index)
                part = read_part(capture, inputs, z, index, rows, columns, found)
                self.add(index, capture, layer, self.of_span(capture, index, positions, rows, part))

    def outside(self, site: str, layer: int, positions: PositionRange, hidden: Tensor) -> None:
        """Record what a decoder layer or a router gives, ``[batch, query, width]``."""
        for capture in self.captures_of(layer):
            if capture.site == site:
                for index, (low, high) in self.wanted_rows(capture, positions):
                    # A clone, so that a few rows do not keep the whole batch's tensor alive.
                    part = hidden[index, low:high].clone()
                    part = self.of_span(capture, index, positions, (low, high), part)
                    self.add(index, capture, layer, part)

    def result(self) -> dict[int, dict[Capture, Tensor]]:
        """Sequence -> capture -> tensor, layers stacked in front."""
        numbers = range(len(self.sequences)) if self.recorded is None else sorted(self.recorded)
        found: dict[int, dict[Capture, Tensor]] = {number: {} for number in numbers}
        for index in found:
            for capture in self.captures:
                by_layer = [self._join(index, capture, layer) for layer in capture.layers]
                # A capture whose rows never came (a prompt without its last token) is left out.
                if all(part is not None for part in by_layer):
                    joined = torch.stack([part for part in by_layer if part is not None])
                    found[index][capture] = joined
        return found

    def _join(self, index: int, capture: Capture, layer: int) -> Tensor | None:
        """The parts of one layer in order of rows, pooled if the capture says so."""
        parts = self._parts.get((index, capture, layer))
        if not parts:
            return None
        if capture.site in BY_HEAD and capture.keys is None:
            # Each decoding step sees one key more; shorter rows did not see the later keys.
            width, lost = max(part.shape[-1] for part in parts), _lost(capture)
            parts = [
                torch.nn.functional.pad(p, (0, width - p.shape[-1]), value=lost) for p in parts
            ]
        axis = _row_axis(capture)
        counts = self._counts[index, capture, layer]
        if capture.pool == "last":
            return parts[-1]
        if capture.pool == "mean":
            if len(parts) == 1:
                return parts[0]
            weighted = [part.float() * count for part, count in zip(parts, counts, strict=True)]
            return (torch.stack(weighted).sum(0) / sum(counts)).to(parts[0].dtype)
        return torch.cat(parts, axis)

    def captures_of(self, layer: int) -> Sequence[Capture]:
        """The captures of a layer."""
        return self._by_layer.get(layer, ())

    def add(self, index: int, capture: Capture, layer: int, part: Tensor) -> None:
        """Add one sequence's part of a capture, pooled if the capture says so."""
        axis = _row_axis(capture)
        rows = part.shape[axis]
        if capture.pool == "mean":
            part = part.mean(axis, keepdim=True)
        elif capture.pool == "last":
            part = part.narrow(axis, rows - 1, 1).clone()
        self._parts[index, capture, layer].append(part)
        self._counts[index, capture, layer].append(rows)

    def of_span(
        self,
        capture: Capture,
        index: int,
        positions: PositionRange,
        rows: tuple[int, int],
        part: Tensor,
    ) -> Tensor:
        """The rows of a span out of the range that holds them, ``[row, ...]``."""
        span = self._span(capture, index)
        if span is None:
            return part
        low, high = rows
        inside = [at - positions.start - low for at in span]
        wanted = [at for at in inside if 0 <= at < high - low]
        if len(wanted) == high - low:
            return part
        return part[torch.tensor(wanted, device=part.device)]

    def _span(self, capture: Capture, index: int) -> list[int] | None:
        """Padded positions of the span that the capture's rows name; ``None``: they name none."""
        if captured_classes(capture.rows) is not None:
            return None
        sequence = self.sequences[index]
        return [position + sequence.pad for position in sequence.spans[capture.rows]]

    def wanted_rows(
        self, capture: Capture, positions: PositionRange
    ) -> list[tuple[int, tuple[int, int]]]:
        """Sequences with the part of the pass, relative to its start, that is wanted."""
        if capture.site in OUTSIDE or len(positions.bounds) == len(self.sequences):
            touched = captured_classes(capture.rows)
            found = []
            for index, bounds in enumerate(positions.bounds):
                if self.recorded is not None and index not in self.recorded:
                    continue
                if touched is not None:
                    low, high = bounds.span(touched, positions.start, positions.stop)
                else:
                    span = self._span(capture, index) or []
                    inside = [at for at in span if positions.start <= at < positions.stop]
                    low, high = (min(inside), max(inside) + 1) if inside else (0, 0)
                if high > low:
                    found.append((index, (low - positions.start, high - positions.start)))
            return found
        raise RefusedError("captures need one batch row per prompt: no beams, no several samples")

    def columns(self, capture: Capture, index: int) -> list[int] | None:
        """Padded positions of the captured keys; ``None``: all of them."""
        if capture.keys is None or capture.site not in BY_HEAD:
            return None
        sequence = self.sequences[index]
        span = range(sequence.prompt) if capture.keys == "prompt" else sequence.spans[capture.keys]
        return [position + sequence.pad for position in span]


def _check(capture: Capture, sequences: Mapping[int, SequenceEdits], shape: ModelShape) -> None:
    if capture.tower != "text":
        raise RefusedError(
            "this engine holds the text model; a vision tower is a model of its own",
            hint="ask by a represent request (docs/interventions.md), or build an Engine on the "
            "tower",
        )
    if capture.site not in SITES:
        raise RefusedError(
            f"nothing is captured at {capture.site!r}", hint=f"sites: {', '.join(SITES)}"
        )
    if wrong := [layer for layer in capture.layers if not 0 <= layer < shape.layers]:
        raise RefusedError(
            f"layer {wrong[0]} does not exist", hint=f"layers run from 0 to {shape.layers - 1}"
        )
    without = [layer for layer in capture.layers if layer not in shape.attending]
    if without and capture.site not in OUTSIDE:
        raise without_attention(shape.model, without[0], shape.attending)
    if capture.site not in BY_HEAD:
        if captured_classes(capture.rows) is None:
            for index, sequence in sequences.items():
                if capture.rows not in sequence.spans:
                    raise RefusedError(f"row {index} has no span {capture.rows!r}")
        return
    if captured_classes(capture.rows) is None:
        raise RefusedError(
            f"rows {capture.rows!r} of {capture.site} cannot be captured",
            hint='take rows="last", or rows="all" with keys=',
        )
    if capture.keys is None and capture.rows != "last":
        raise RefusedError(
            "a pattern is never captured whole", hint="name a span in keys=, or take rows='last'"
        )
    for index, sequence in sequences.items():
        if capture.keys not in (None, "prompt") and capture.keys not in sequence.spans:
            raise RefusedError(f"row {index} has no span {capture.keys!r}")


def _row_axis(capture: Capture) -> int:
    """Where a part's rows are: ``[head, row, key]`` of a pattern, ``[row, ...]`` elsewhere."""
    return 1 if capture.site in BY_HEAD else 0


def _lost(capture: Capture) -> float:
    """What a column holds that a row does not see."""
    return 0.0 if capture.site == "pattern" else float("-inf")


def read_part(
    capture: Capture,
    inputs: AttentionInputs,
    z: Tensor,
    index: int,
    rows: tuple[int, int],
    columns: list[int] | None,
    found: Sequence[Region] = (),
) -> Tensor:
    """One row's part of a capture: ``[row, head, dim]``, or ``[head, row, key]`` of a pattern.

    Args:
        capture: What is recorded.
        inputs: The attention call.
        z: Its head outputs, ``[batch, query, head, dim]``.
        index: Row of the batch.
        rows: First and last-plus-one query row, relative to the call.
        columns: Padded positions of the keys; ``None``: all.
        found: Where scores and pattern were edited.
    """
    low, high = rows
    match capture.site:
        case "z":
            return z[index, low:high].clone()
        case "q":
            return inputs.query[index, :, low:high].transpose(0, 1).clone()
        case "k" | "v":
            source = inputs.key if capture.site == "k" else inputs.value
            offset = inputs.own_key  # keys of earlier passes come first
            return source[index, :, offset + low : offset + high].transpose(0, 1).clone()
        case _:
            row = inputs.only(index)
            # ``row`` is a batch of one, in which the edits of this sequence have number 0.
            own = [replace(region, batch_row=0) for region in found if region.batch_row == index]
            step = max(1, CHUNK_ELEMENTS // max(1, inputs.query.shape[1] * inputs.key.shape[2]))
            return torch.cat(
                [
                    _pattern(capture, row, (start, min(start + step, high)), columns, own)
                    for start in range(low, high, step)
                ],
                1,
            )


def _pattern(
    capture: Capture,
    inputs: AttentionInputs,
    rows: tuple[int, int],
    columns: list[int] | None,
    found: Sequence[Region],
) -> Tensor:
    """``[head, row, key]`` of a few rows of one batch row: scores, or the pattern they make."""
    low, high = rows
    parts = [part for region in found if (part := region.part(low, high)).rows > 0]
    scores = grouped_scores(inputs, low, high)  # [1, head, row, key]
    pattern = edited_pattern(scores, low, parts, inputs, _uncounted)  # edits the scores in place
    kept = pattern if capture.site == "pattern" else scores
    return whole_rows(kept[0], inputs.key_offset, columns, _lost(capture))


def _uncounted(region: Region, count: int | Tensor) -> None:
    """What a recorder computes again was counted when the model used it."""


def whole_rows(found: Tensor, offset: int, columns: list[int] | None, lost: float) -> Tensor:
    """Rows ``[head, row, key]`` by padded position, or the columns that are wanted.

    Args:
        found: Keys from padded position ``offset`` on.
        offset: Keys before it have left a sliding window's cache, and carry no attention.
        columns: Padded positions; ``None``: all.
        lost: What such a key holds.
    """
    if columns is None:
        # Padding in front makes the last axis count positions again, window or not.
        return torch.nn.functional.pad(found, (offset, 0), value=lost)
    cached = torch.tensor(columns, device=found.device) - offset
    return found[..., cached.clamp(min=0)].masked_fill(cached < 0, lost)
