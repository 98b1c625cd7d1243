"""Sequences and groups: what a forward pass is made of, and all that outlives one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from headbench.edits import Combine, Plan
from headbench.nouns import Capture, Heads, Positions

if TYPE_CHECKING:
    from torch import Tensor

OPEN = 2**40
"""Prompt length of a sequence whose prompt has not ended yet: a prefix that others continue.

Larger than any position, so that no position of a prefix counts as the last prompt token.
"""


@dataclass(eq=False)
class TokenSequence:
    """One row of tokens, with everything that must survive a change of the batch.

    Two rows of a batch never share one object: a step appends to :attr:`tokens`.

    Attributes:
        tokens: Ids without padding: those in the cache, and those about to be fed.
        prompt: Prompt length. Positions from here on are decode positions, teacher-forced or not.
            :data:`OPEN` for a prefix.
        image: Positions of image tokens.
        pixels: The processor's tensors, one mapping per image.
        plan: The edits under which this row runs.
        spans: Span name -> positions in the unpadded prompt.
        probes: What the row's probes captured, by probe name.
        memory: What edits must remember (chosen heads, the first token's value). A companion may
            share it; a continuation gets a copy.
        companion: The sequence of the same batch whose ``z`` selections of this row read. Outside a
            group's named sequences it is a row of the prompt's pass only.
        shift: For multi-part rotary positions: the next token's position minus :attr:`tokens`'s
            length.
        visited: Attention modules that the edits reached.
        changed: Query positions x heads that the edits altered.
        chosen: Layer -> heads that selections picked.
        passes: Forward passes that this row took part in.
    """

    tokens: list[int]
    prompt: int
    image: Positions = ()
    pixels: tuple[Mapping[str, Tensor], ...] = ()
    plan: Plan = field(default_factory=Plan)
    spans: Mapping[str, Positions] = field(default_factory=dict)
    probes: Mapping[str, Mapping[Capture, Tensor]] = field(default_factory=dict)
    memory: dict[str, Tensor] = field(default_factory=dict)
    companion: TokenSequence | None = None
    shift: int = 0
    visited: int = 0
    changed: int = 0
    chosen: dict[int, Heads] = field(default_factory=dict)
    passes: int = 0

    def continued(
        self,
        tail: Sequence[int],
        *,
        prompt: int | None = None,
        plan: Plan | None = None,
        spans: Mapping[str, Positions] | None = None,
    ) -> TokenSequence:
        """A new sequence that goes on where this one stands; this one stays as it is.

        Args:
            tail: Tokens to append.
            prompt: Prompt length of the new sequence; by default this one's.
            plan: Edits of the new sequence; by default this one's.
            spans: Spans of the new sequence; by default this one's.
        """
        return replace(
            self,
            tokens=[*self.tokens, *tail],
            prompt=self.prompt if prompt is None else prompt,
            plan=self.plan if plan is None else plan,
            spans=self.spans if spans is None else spans,
            memory=dict(self.memory),
            chosen=dict(self.chosen),
        )

    def account(self, visited: int, changed: int, chosen: Mapping[int, Heads]) -> None:
        """Add what the edits of one layout did: modules reached, rows x heads altered, choices."""
        self.visited = max(self.visited, visited)
        self.changed += changed
        for layer, heads in chosen.items():
            self.chosen[layer] = tuple(sorted({*self.chosen.get(layer, ()), *heads}))


MAIN = "main"
"""Name of a group's main sequence."""


@dataclass(eq=False)
class SequenceGroup:
    """A main sequence and its companions: one answer. A group is never split over batches.

    Attributes:
        sequences: Name -> sequence; :data:`MAIN` first. Every token that is decoded or forced is
            appended to all of them.
        combine: Joins the logits of all sequences after each step; ``None`` takes the main one's.
        altered: Distributions that ``combine`` made different from the main sequence's.
    """

    sequences: dict[str, TokenSequence]
    combine: Combine | None = None
    altered: int = 0

    @classmethod
    def of(cls, sequence: TokenSequence) -> SequenceGroup:
        """A group of one."""
        return cls({MAIN: sequence})

    def continued(
        self,
        tail: Sequence[int],
        *,
        prompt: int | None = None,
    ) -> SequenceGroup:
        """A new group whose sequences go on where these stand; see :meth:`TokenSequence.continued`.

        Args:
            tail: Tokens to append to every sequence.
            prompt: Prompt length of the new main sequence; that of companions grows by as much.
        """
        grown = 0 if prompt is None else prompt - self.main.prompt
        new = {
            name: row.continued(tail, prompt=None if prompt is None else row.prompt + grown)
            for name, row in self.sequences.items()
        }
        renewed = {id(row): new[name] for name, row in self.sequences.items()}
        for row in new.values():
            if row.companion is not None:  # one of the prompt's pass only has done its work
                row.companion = renewed.get(id(row.companion))
        return SequenceGroup(new, self.combine)

    @property
    def main(self) -> TokenSequence:
        """The sequence that answers."""
        return self.sequences[MAIN]

    @property
    def rows(self) -> list[TokenSequence]:
        """The sequences in batch order."""
        return list(self.sequences.values())

    @property
    def prompt_rows(self) -> list[TokenSequence]:
        """All rows of the pass that reads the prompt: :attr:`rows`, then their other companions.

        Those are read by selections at the last prompt token, and have left the batch before the
        first step. They come last: the row that selects must meet its choice first.
        """
        found = {id(row): row for row in self.rows}
        for row in self.rows:
            if row.companion is not None:
                found.setdefault(id(row.companion), row.companion)
        return list(found.values())

    def combined(self, logits: Tensor, *, forced: bool) -> Tensor:
        """The logits the answer is read from.

        Args:
            logits: ``[sequence, ..., vocabulary]``, in the order of :attr:`sequences`.
            forced: Whether tokens are given (``score``) rather than chosen.

        Returns:
            ``[..., vocabulary]``.
        """
        if self.combine is None:
            return logits[0]
        if logits.ndim > 2:  # a combination is a function of single distributions
            joined = [self.combined(part, forced=forced) for part in logits.unbind(1)]
            return torch.stack(joined)
        named = dict(zip(self.sequences, logits, strict=True))
        found = self.combine(named, forced)
        self.altered += not torch.equal(found, logits[0])
        return found
