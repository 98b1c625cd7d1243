"""The edits of each sequence of a batch, and the report of what they did."""

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
    """The edits of one sequence, and the place of the sequence in the batch.

    A batch may hold ``copies`` adjacent rows per sequence (beams, several samples): batch row ``b``
    belongs to ``sequences[b // copies]``.

    Attributes:
        plan: The edits of this sequence; ``Plan()`` leaves it alone.
        prompt: Prompt length without padding; position ``prompt - 1`` is the last prompt token,
            later positions count as decoding, teacher-forced or not.
        pad: Padding tokens to the left of the prompt in the batch (0 under right padding).
        length: Under right padding, positions of the sequence in all (prompt and forced tokens), so
            that padding is not counted; ``None`` where nothing follows the sequence.
        spans: Span name -> positions in the unpadded prompt, e.g. ``image``, ``question``.
        probes: What the sequence's probes captured, by probe name.
        memory: Lives as long as this sequence's answer. Give the same dict again when one answer is
            computed under several :meth:`Engine.attach` calls.
        companion: Index of the companion sequence: head selection compares this sequence's z with
            the companion's z. Give both the same memory, and one choice serves both.
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
    """What the edits of one :meth:`Engine.attach` did, by sequence."""

    def __init__(self, sequences: int) -> None:
        self._visited: list[set[tuple[str, int]]] = [set() for _ in range(sequences)]
        self._changed = [0] * sequences
        # Counts of data-dependent edits stay tensors on the device until they are read:
        # int() would make the host wait for the accelerator in every layer of every step.
        self._pending: list[Tensor | None] = [None] * sequences
        self._chosen: list[dict[int, tuple[int, ...]]] = [{} for _ in range(sequences)]

    def visited(self, sequence: int) -> int:
        """Modules that the sequence's edits reached; 0 under an edited sequence is an error."""
        return len(self._visited[sequence])

    def changed(self, sequence: int) -> int:
        """Query positions x heads (x 1 at ``residual``) that the sequence's edits altered.

        0 is a legal outcome: the edit was a no-op on this sequence.
        """
        pending = self._pending[sequence]
        if pending is not None:
            self._changed[sequence] += int(pending)
            self._pending[sequence] = None
        return self._changed[sequence]

    def chosen(self, sequence: int) -> dict[int, tuple[int, ...]]:
        """Layer -> heads that a per-sample selection picked for the sequence."""
        return dict(self._chosen[sequence])

    def mark_visited(self, sequence: int, kind: str, layer: int) -> None:
        """Note that an edit of ``sequence`` ran in module ``kind`` of ``layer``."""
        self._visited[sequence].add((kind, layer))

    def add_changed(self, sequence: int, count: int | Tensor) -> None:
        """Add altered positions x heads."""
        if isinstance(count, int):
            self._changed[sequence] += count
        else:
            pending = self._pending[sequence]
            # The layers of one model may lie on several devices.
            total = count if pending is None else pending + count.to(pending.device)
            self._pending[sequence] = total

    def mark_chosen(self, sequence: int, layer: int, heads: tuple[int, ...]) -> None:
        """Note the heads that a selection picked; several selections are united."""
        known = self._chosen[sequence].get(layer, ())
        self._chosen[sequence][layer] = tuple(sorted({*known, *heads}))
