"""Rows that share forward passes, and how they are laid out.

All rows of a batch END at the same padded position, always (left padding). The position of a token
is its padded index minus its row's padding, and the padding follows from the batch's length and the
row's tokens. No verb of the runtime leaves this layout, so positions, masks and cache rows are
computed in one place. Only :func:`laid_out` takes another one, of passes that transformers drives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from headbench.errors import HeadbenchError
from headbench.interventions.edits.edit_session import EditSession
from headbench.interventions.edits.sequence_edits import SequenceEdits
from headbench.models.runtime.call_layout import CallLayout
from headbench.models.runtime.sequence import TokenSequence
from headbench.nouns import Capture

if TYPE_CHECKING:
    from torch import Tensor

Captured = Mapping[int, Mapping[Capture, "Tensor"]]
"""Row -> capture -> tensor."""


@dataclass(eq=False)
class Batch:
    """Rows that share forward passes.

    Attributes:
        rows: The sequences; row ``i`` stands at padded positions ``[seen - len(tokens), seen)``.
        seen: Padded length.
        cache: What the model has read; ``None`` where nothing follows.
        right: Padding to the right of each row, where another library laid the batch out.
        logits: ``[row, kept position, vocabulary]`` of the latest pass, float32.
        captured: Captures of the latest pass.
    """

    rows: list[TokenSequence]
    seen: int
    cache: Any | None = None
    logits: Tensor = field(default_factory=lambda: torch.empty(0))
    captured: Captured = field(default_factory=dict)
    right: tuple[int, ...] = ()
    _session: EditSession | None = None
    _accounted: list[int] = field(default_factory=list)
    _alive: bool = True

    def spend(self) -> None:
        """Give up what the batch holds; another one goes on with its rows."""
        self._alive = False
        self.cache, self._session, self.captured = None, None, {}

    @property
    def pads(self) -> list[int]:
        """Padding to the left of each row."""
        right = self.right or (0,) * len(self.rows)
        return [
            self.seen - end - len(row.tokens) for row, end in zip(self.rows, right, strict=True)
        ]


def engine_rows(batch: Batch) -> list[SequenceEdits]:
    """The rows as the engine reads them; companions by their place."""
    place = {id(row): number for number, row in enumerate(batch.rows)}
    return [
        SequenceEdits(
            plan=row.plan,
            prompt=row.prompt,
            pad=pad,
            length=len(row.tokens) if batch.right else None,
            spans=row.spans,
            probes=row.probes,
            memory=row.memory,
            companion=None if row.companion is None else place.get(id(row.companion)),
        )
        for row, pad in zip(batch.rows, batch.pads, strict=True)
    ]


def laid_out(rows: Sequence[TokenSequence], layout: CallLayout | None) -> Batch:
    """A batch that nothing was fed to yet: its ends aligned, or as another library laid it out."""
    check_distinct(rows)
    if layout is None:
        return Batch(list(rows), max(len(row.tokens) for row in rows))
    return Batch(list(rows), layout.padded, right=layout.right)


def check_distinct(rows: Sequence[TokenSequence]) -> None:
    """Two rows that are one object would both receive every token."""
    if len({id(row) for row in rows}) != len(rows):
        raise HeadbenchError(
            "one sequence stands in two rows of a batch", hint="use TokenSequence.continued(())"
        )


def check_alive(batch: Batch) -> None:
    """A batch that another one goes on with must not be used again.

    Raises:
        HeadbenchError: It was handed over.
    """
    if not batch._alive:
        raise HeadbenchError("this batch was handed over to another one")
