"""What the engine is told about each row of a batch, and what it reports back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headbench.edits import Plan
from headbench.nouns import Capture, Positions

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SequenceEdits:
    """The edits of one sequence, and where the sequence stands in the batch.

    A batch may hold ``copies`` adjacent rows per sequence (beams, several samples): batch row ``b``
    belongs to ``sequences[b // copies]``.

    Attributes:
        plan: The edits of this row; ``Plan()`` leaves it alone.
        prompt: Prompt length without padding; position ``prompt - 1`` is row t0, later positions
            are decode rows, teacher-forced or not.
        pad: Padding tokens to the left of the prompt in the batch (0 under right padding).
        length: Under right padding, positions of the row in all (prompt and forced tokens), so
            that padding is not counted; ``None`` where nothing follows the row.
        spans: Span name -> positions in the unpadded prompt, e.g. ``image``, ``question``.
        probes: What the row's probes captured, by probe name.
        memory: Lives as long as this row's answer. Give the same dict again when one answer is
            computed under several :meth:`Engine.attach` calls.
        companion: Index of the companion row: head selection compares this row's z with the
            companion's z. Give both the same memory, and one choice serves both.
    """

    plan: Plan
    prompt: int
    pad: int = 0
    length: int | None = None
    spans: Mapping[str, Positions] = field(default_factory=dict)
    probes: Mapping[str, Mapping[Capture, Tensor]] = field(default_factory=dict)
    memory: dict[str, Tensor] = field(default_factory=dict)
    companion: int | None = None


class EditReport:
    """What the edits of one :meth:`Engine.attach` did, row by row.

    Counts of data-dependent edits stay on the device until they are asked for, so that counting
    never waits for an accelerator.
    """

    def __init__(self, rows: int) -> None:
        self._reached: list[set[tuple[str, int]]] = [set() for _ in range(rows)]
        self._altered = [0] * rows
        self._pending: list[Tensor | None] = [None] * rows
        self._chosen: list[dict[int, tuple[int, ...]]] = [{} for _ in range(rows)]

    def visited(self, row: int) -> int:
        """Modules that the row's edits reached; 0 under an edited row is an error."""
        return len(self._reached[row])

    def changed(self, row: int) -> int:
        """Query positions x heads (x 1 at ``residual``) that the row's edits altered.

        0 is a legal outcome: the edit was inert on this row.
        """
        pending = self._pending[row]
        if pending is not None:
            self._altered[row] += int(pending)
            self._pending[row] = None
        return self._altered[row]

    def chosen(self, row: int) -> dict[int, tuple[int, ...]]:
        """Layer -> heads that a per-sample selection picked for the row."""
        return dict(self._chosen[row])

    def mark_visited(self, row: int, kind: str, layer: int) -> None:
        """Note that an edit of ``row`` ran in module ``kind`` of ``layer``."""
        self._reached[row].add((kind, layer))

    def add_changed(self, row: int, count: int | Tensor) -> None:
        """Add altered positions x heads."""
        if isinstance(count, int):
            self._altered[row] += count
        else:
            pending = self._pending[row]
            self._pending[row] = count if pending is None else pending + count.to(pending.device)

    def mark_chosen(self, row: int, layer: int, heads: tuple[int, ...]) -> None:
        """Note the heads that a selection picked; several selections are united."""
        known = self._chosen[row].get(layer, ())
        self._chosen[row][layer] = tuple(sorted({*known, *heads}))
