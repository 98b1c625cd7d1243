"""Stepwise decoding: a prompt is encoded up to a point, then read token by token.

A whole pattern is ``[head, query, key]``; the rows that detectors need are few. Everything before
the first of them goes through the fast kernel, and each wanted row is then a pass of one query
whose pattern is ``[head, 1, key]``: contexts of tens of thousands of tokens fit, and what is seen
is exactly what the model used (masks, windows, sinks and soft caps included).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headbench.detectors.detector import engine_of
from headbench.errors import DataError
from headbench.nouns import Capture

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.models.hf.adapter import HFModel
    from headbench.models.hf.prompts import Prompt


@dataclass(frozen=True)
class WatchedSequence:
    """A sequence whose last tokens are fed one at a time, so that their attention can be captured.

    Attributes:
        prompt: The prompt, whose spans captures may name.
        tokens: Ids to feed: the prompt's, or a part of it, and perhaps an answer's.
        start: Position of the first token that is fed by itself; at least 1.
    """

    prompt: Prompt
    tokens: tuple[int, ...]
    start: int

    @property
    def rows(self) -> int:
        """Query rows that are captured before the tokens end."""
        return len(self.tokens) - self.start


@dataclass(frozen=True)
class DecodedStep:
    """One token of every sequence.

    Attributes:
        number: From 0.
        produced: ``[sequence]``: the likeliest next token.
        captured: Sequence -> capture -> tensor, of this one query position.
    """

    number: int
    produced: Tensor
    captured: Mapping[int, Mapping[Capture, Tensor]]


def decode_stepwise(
    model: HFModel, sequences: Sequence[WatchedSequence], captures: Sequence[Capture], steps: int
) -> Iterator[DecodedStep]:
    """Feed a batch of sequences token by token; those whose tokens have ended go on greedily.

    Args:
        model: The adapter.
        sequences: One per row of the batch.
        captures: With ``rows="last"``: each step is one row.
        steps: How many; callers ignore the steps that a shorter sequence does not need.

    Raises:
        DataError: A sequence has no token before its start, or an image token after it.
    """
    for sequence in sequences:
        image = sequence.prompt.spans.get("image", ())
        if sequence.start < 1 or (image and max(image) >= sequence.start):
            raise DataError(
                "the first recorded position must come after a token and after all image tokens",
                where=f"position {sequence.start} of {len(sequence.tokens)}",
                hint="put context and images before the question",
            )
    engine_of(model)  # refuses models without captures
    rows = []
    for sequence in sequences:
        row = model.preparation.sequence(sequence.prompt)
        # The first watched token counts as the last prompt token, so that captures with
        # rows="last" record it and every later one.
        row.tokens, row.prompt = list(sequence.tokens[: sequence.start]), sequence.start + 1
        rows.append(row)
    batch = model.runtime.encode(rows)
    produced = batch.logits[:, -1].argmax(-1).tolist()
    for number in range(steps):
        fed = [
            sequence.tokens[sequence.start + number] if number < sequence.rows else likeliest
            for sequence, likeliest in zip(sequences, produced, strict=True)
        ]
        model.runtime.step(batch, fed, captures)
        next_tokens = batch.logits[:, -1].argmax(-1).cpu()  # [sequence]
        produced = next_tokens.tolist()
        yield DecodedStep(number, next_tokens, batch.captured)
