"""Where a call's query rows stand: phases and rows by position, never by tensor shape.

Every position of a row falls into one of four classes. An edit's ``phase`` and ``rows`` name a set
of classes, so that tables indexed by class serve prefill, teacher forcing and decoding alike.
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
"""Up to the last image token; after it and before t0; t0; after the prompt."""
CLASSES = 4

_PREFILL: dict[Rows, frozenset[int]] = {
    "all": frozenset({EARLY, BODY, LAST}),
    "after_image": frozenset({BODY, LAST}),
    "last": frozenset({LAST}),
}


def position_classes(phase: Phase, rows: Rows) -> frozenset[int]:
    """The position classes that an edit touches."""
    if phase == "from_last":  # the last prompt row belongs to every choice of rows
        return frozenset({LAST, DECODE})
    touched = frozenset() if phase == "decode" else _PREFILL[rows]
    return touched if phase == "prefill" else touched | {DECODE}


@dataclass(frozen=True)
class RowBounds:
    """Where one batch row's classes begin, in padded coordinates."""

    pad: int
    body: int
    last: int
    decode: int
    end: int = sys.maxsize

    @classmethod
    def of(cls, row: SequenceEdits) -> RowBounds:
        """Read the boundaries of ``row``."""
        last = row.pad + row.prompt - 1
        image = row.spans.get("image", ())
        body = min(row.pad + (max(image) + 1 if image else 0), last)
        end = sys.maxsize if row.length is None else row.pad + row.length
        return cls(row.pad, body, last, last + 1, end)

    def span(self, touched: frozenset[int], start: int, stop: int) -> tuple[int, int]:
        """The contiguous part of ``[start, stop)`` whose classes are in ``touched``.

        Every set that :func:`classes` makes is contiguous. Padding is never included.

        Returns:
            First and last-plus-one padded position; equal where there is nothing.
        """
        edges = (self.pad, self.body, self.last, self.decode)
        low = max(min((edges[c] for c in touched), default=stop), start)
        high = min(self.end if DECODE in touched else self.decode, stop)
        return low, max(low, high)


class PositionRange:
    """The query rows of one forward pass, shared by all its layers.

    Attributes:
        start: Padded position of the first query row.
        rows: Query rows of the call.
    """

    def __init__(self, bounds: Sequence[RowBounds], start: int, rows: int) -> None:
        self.bounds, self.start, self.rows = tuple(bounds), start, rows

    @property
    def stop(self) -> int:
        """Padded position after the last query row."""
        return self.start + self.rows

    @cached_property
    def single(self) -> int | None:
        """The class that all rows of the call share, or ``None``."""
        if self.start >= max(bound.decode for bound in self.bounds):
            return DECODE
        return None

    @cached_property
    def index(self) -> Tensor:
        """Class of each query position, ``[batch, query]``."""
        position = torch.arange(self.start, self.stop)
        edges = torch.tensor([[b.body, b.last, b.decode] for b in self.bounds])
        return (position[None, :, None] >= edges[:, None, :]).sum(-1)

    def on(self, device: torch.device) -> Tensor:
        """:attr:`index` on ``device``, copied there once a call."""
        copies: dict[torch.device, Tensor] = self.__dict__.setdefault("_copies", {})
        if device not in copies:
            copies[device] = self.index.to(device)
        return copies[device]
