"""Bringing activations home: few rows, few layers, and never a whole pattern."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from headbench.errors import RefusedError
from headbench.interventions.depth import without_attention
from headbench.interventions.engine.dense import CHUNK_ELEMENTS, grouped_scores, normalise
from headbench.interventions.engine.places import Call, classes
from headbench.nouns import Capture

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.interventions.engine.inputs import Inputs
    from headbench.interventions.engine.rows import Row
    from headbench.interventions.engine.stages import Shape

SITES = ("q", "k", "v", "scores", "pattern", "z", "residual", "router")
OUTSIDE = ("residual", "router")
"""Sites whose values other modules than attention bring."""


class Recorder:
    """Collects captures over the forward passes of one block.

    Args:
        captures: What to bring home, for every row.
        rows: The rows of the batch.
        shape: Sizes of the model.
    """

    def __init__(self, captures: Sequence[Capture], rows: Sequence[Row], shape: Shape) -> None:
        for capture in captures:
            _check(capture, rows, shape)
        self.captures, self.rows = tuple(captures), tuple(rows)
        self._parts: dict[tuple[int, Capture, int], list[Tensor]] = defaultdict(list)
        self._by_layer: dict[int, list[Capture]] = defaultdict(list)
        for capture in captures:
            for layer in dict.fromkeys(capture.layers):
                self._by_layer[layer].append(capture)

    def wants(self, layer: int, *sites: str) -> bool:
        """Whether a capture of ``layer`` is at one of ``sites``."""
        return any(capture.site in sites for capture in self.captures_of(layer))

    def attention(self, layer: int, call: Call, inputs: Inputs, z: Tensor) -> None:
        """Record from one attention call: its (edited) inputs and its head outputs."""
        for capture in self.captures_of(layer):
            if capture.site in OUTSIDE:
                continue
            for index, (low, high) in self.places(capture, call):
                columns = self.columns(capture, index)
                part = read_part(capture, inputs, z, index, low, high, columns)
                self.add(index, capture, layer, part)

    def outside(self, site: str, layer: int, call: Call, hidden: Tensor) -> None:
        """Record what a decoder layer or a gate gives, ``[batch, query, width]``."""
        for capture in self.captures_of(layer):
            if capture.site == site:
                for index, (low, high) in self.places(capture, call):
                    self.add(index, capture, layer, hidden[index, low:high].clone())

    def result(self) -> dict[int, dict[Capture, Tensor]]:
        """Row -> capture -> tensor, layers stacked in front."""
        found: dict[int, dict[Capture, Tensor]] = {i: {} for i in range(len(self.rows))}
        for index in found:
            for capture in self.captures:
                stacks = [self._join(index, capture, layer) for layer in capture.layers]
                if all(stack is not None for stack in stacks):
                    joined = torch.stack([stack for stack in stacks if stack is not None])
                    found[index][capture] = joined
        return found

    def _join(self, index: int, capture: Capture, layer: int) -> Tensor | None:
        parts = self._parts.get((index, capture, layer))
        if not parts:
            return None
        by_row = capture.site in ("pattern", "scores")
        if by_row and capture.keys is None:
            width, lost = max(part.shape[-1] for part in parts), _lost(capture)
            parts = [
                torch.nn.functional.pad(p, (0, width - p.shape[-1]), value=lost) for p in parts
            ]
        axis = 1 if by_row else 0
        joined = torch.cat(parts, axis)
        return joined.mean(axis, keepdim=True) if capture.pool == "mean" else joined

    def captures_of(self, layer: int) -> Sequence[Capture]:
        """The captures of a layer."""
        return self._by_layer.get(layer, ())

    def add(self, index: int, capture: Capture, layer: int, part: Tensor) -> None:
        """Add one row's part of a capture."""
        self._parts[index, capture, layer].append(part)

    def places(self, capture: Capture, call: Call) -> list[tuple[int, tuple[int, int]]]:
        """Rows of the batch with the part of the call, relative to its start, that is wanted."""
        if capture.site in OUTSIDE or len(call.bounds) == len(self.rows):
            touched = classes("both", capture.rows)
            spans = [bound.span(touched, call.start, call.stop) for bound in call.bounds]
            return [
                (index, (low - call.start, high - call.start))
                for index, (low, high) in enumerate(spans)
                if high > low
            ]
        raise RefusedError("captures need one batch row a prompt: no beams, no several samples")

    def columns(self, capture: Capture, index: int) -> list[int] | None:
        """Padded positions of the keys that a capture wants; ``None``: all, or not a pattern."""
        if capture.keys is None or capture.site not in ("pattern", "scores"):
            return None
        row = self.rows[index]
        span = range(row.prompt) if capture.keys == "prompt" else row.spans[capture.keys]
        return [position + row.pad for position in span]


def _check(capture: Capture, rows: Sequence[Row], shape: Shape) -> None:
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
    if capture.site not in ("pattern", "scores"):
        return
    if capture.keys is None and capture.rows != "last":
        raise RefusedError(
            "a pattern is never captured whole", hint="name a span in keys=, or take rows='last'"
        )
    for index, row in enumerate(rows):
        if capture.keys not in (None, "prompt") and capture.keys not in row.spans:
            raise RefusedError(f"row {index} has no span {capture.keys!r}")


def _lost(capture: Capture) -> float:
    """What a column holds that a row does not see."""
    return 0.0 if capture.site == "pattern" else float("-inf")


def read_part(
    capture: Capture,
    inputs: Inputs,
    z: Tensor,
    index: int,
    low: int,
    high: int,
    columns: list[int] | None,
) -> Tensor:
    """One row's part of a capture: ``[row, head, dim]``, or ``[head, row, key]`` of a pattern."""
    match capture.site:
        case "z":
            return z[index, low:high].clone()
        case "q":
            return inputs.query[index, :, low:high].transpose(0, 1).clone()
        case "k" | "v":
            source = inputs.key if capture.site == "k" else inputs.value
            offset = inputs.own_key
            return source[index, :, offset + low : offset + high].transpose(0, 1).clone()
        case _:
            row = inputs.only(index)
            step = max(1, CHUNK_ELEMENTS // max(1, inputs.query.shape[1] * inputs.key.shape[2]))
            return torch.cat(
                [
                    _pattern(capture, row, (start, min(start + step, high)), columns)
                    for start in range(low, high, step)
                ],
                1,
            )


def _pattern(
    capture: Capture, inputs: Inputs, rows: tuple[int, int], columns: list[int] | None
) -> Tensor:
    """``[head, row, key]`` of a few rows of one batch row: scores, or the pattern they make."""
    scores = grouped_scores(inputs, *rows)
    sink = inputs.extra.get("s_aux")
    found = normalise(scores, sink) if capture.site == "pattern" else scores
    return whole_rows(found[0], inputs.key_offset, columns, _lost(capture))


def whole_rows(found: Tensor, offset: int, columns: list[int] | None, lost: float) -> Tensor:
    """Rows ``[head, row, key]`` by padded position, or the columns that are wanted.

    Args:
        found: Keys from padded position ``offset`` on.
        offset: Keys before it have left a sliding window's cache.
        columns: Padded positions; ``None``: all.
        lost: What a key holds that the cache has dropped.
    """
    if columns is None:
        return torch.nn.functional.pad(found, (offset, 0), value=lost)
    held = torch.tensor(columns, device=found.device) - offset
    return found[..., held.clamp(min=0)].masked_fill(held < 0, lost)
