"""The positions of a pass: phases and rows by position, never by tensor shape.

Every position of a sequence falls into one of four classes. An edit's ``phase`` and ``rows`` name a
set of classes, so that tables indexed by class serve prefill, teacher forcing and decoding alike.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from headbench.interventions.edits.sequence_edits import SequenceEdits
from headbench.nouns import Phase, Rows

EARLY, BODY, LAST, DECODE = range(4)
"""Up to the last image token; after it and before the last prompt token; the last prompt token;
after the prompt."""
CLASSES = 4

_PREFILL: dict[Rows, frozenset[int]] = {
    "all": frozenset({EARLY, BODY, LAST}),
    "after_image": frozenset({BODY, LAST}),
    "last": frozenset({LAST}),
}


def captured_classes(rows: str) -> frozenset[int] | None:
    """The classes of the rows that a capture names; ``None``: it names a span of the prompt.

    ``last`` and ``all`` hold every decoded position too, so that steps can be recorded.
    """
    if rows == "answer":
        return frozenset({DECODE})
    return _PREFILL[rows] | {DECODE} if rows in _PREFILL else None


def position_classes(phase: Phase, rows: Rows) -> frozenset[int]:
    """The position classes that an edit touches."""
    if phase == "from_last":  # the last prompt token belongs to every choice of rows
        return frozenset({LAST, DECODE})
    touched = frozenset() if phase == "decode" else _PREFILL[rows]
    return touched if phase == "prefill" else touched | {DECODE}


@dataclass(frozen=True)
class RowBounds:
    """Where one batch row's classes begin, in padded coordinates.

    Attributes:
        pad: First position that is not padding: class ``EARLY`` begins.
        body: First position after the image, or after ``pad`` without one.
        last: The last prompt token.
        decode: First position after the prompt.
        end: Position after the row's last token; unbounded where nothing follows the row.
    """

    pad: int
    body: int
    last: int
    decode: int
    end: int = sys.maxsize

    @classmethod
    def of(cls, sequence: SequenceEdits) -> RowBounds:
        """Read the boundaries of a sequence."""
        last = sequence.pad + sequence.prompt - 1
        image = sequence.spans.get("image", ())
        # An image that ends the prompt leaves no body: the last prompt token is LAST all the same.
        body = min(sequence.pad + (max(image) + 1 if image else 0), last)
        end = sys.maxsize if sequence.length is None else sequence.pad + sequence.length
        return cls(sequence.pad, body, last, last + 1, end)

    def span(self, touched: frozenset[int], start: int, stop: int) -> tuple[int, int]:
        """The contiguous part of ``[start, stop)`` whose classes are in ``touched``.

        Every set that :func:`position_classes` makes is contiguous. Padding is never included.

        Returns:
            First and last-plus-one padded position; equal where there is nothing.
        """
        edges = (self.pad, self.body, self.last, self.decode)  # by class, ascending
        low = max(min((edges[c] for c in touched), default=stop), start)
        high = min(self.end if DECODE in touched else self.decode, stop)
        return low, max(low, high)


class PositionRange:
    """The padded positions of one forward pass, shared by all its layers.

    Attributes:
        bounds: Where the classes of each batch row begin.
        start: First position.
        count: Number of positions.
    """

    def __init__(self, bounds: Sequence[RowBounds], start: int, count: int) -> None:
        self.bounds, self.start, self.count = tuple(bounds), start, count

    @property
    def stop(self) -> int:
        """The position after the last one."""
        return self.start + self.count

    @cached_property
    def single(self) -> int | None:
        """The class that all positions of all rows share, or ``None``.

        Only decoding is recognised: its steps are many and short, and one class lets them read a
        table without an index tensor.
        """
        if self.start >= max(bound.decode for bound in self.bounds):
            return DECODE
        return None

    @cached_property
    def index(self) -> Tensor:
        """Class of each position, ``[batch, position]``."""
        position = torch.arange(self.start, self.stop)
        edges = torch.tensor([[b.body, b.last, b.decode] for b in self.bounds])  # [batch, edge]
        # The number of edges at or before a position is its class: classes are in order.
        return (position[None, :, None] >= edges[:, None, :]).sum(-1)

    def on(self, device: torch.device) -> Tensor:
        """:attr:`index` on ``device``, copied there once per pass and not once per layer."""
        copies: dict[torch.device, Tensor] = self.__dict__.setdefault("_copies", {})
        if device not in copies:
            copies[device] = self.index.to(device)
        return copies[device]
