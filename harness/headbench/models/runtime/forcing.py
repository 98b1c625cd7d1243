"""Teacher-forced log-probabilities: ``score`` and ``nexttoken`` requests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from headbench.models.runtime.decoding import combined, encode_groups
from headbench.models.runtime.logits import log_probability, not_a_number, top_entries
from headbench.models.runtime.sequence import SequenceGroup

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.models.runtime.runtime import Runtime


@dataclass(eq=False)
class Forced:
    """A prompt and what is forced to follow it.

    Continuations of one request that feed the same ids (choices of one token each) are one row with
    several ``endings``: the last token of a continuation is predicted, never fed.

    Attributes:
        group: The prompt; its sequences do not hold ``fed`` yet.
        fed: All ids of the continuation but the last.
        endings: Ids that may come last.
        where: Document and condition, for errors.
        logprobs: For each ending: one log-probability per token of the continuation.
        first: Top entries of the distribution after the prompt.
    """

    group: SequenceGroup
    fed: tuple[int, ...]
    endings: tuple[int, ...]
    where: str
    logprobs: list[tuple[float, ...]] = field(default_factory=list)
    first: dict[int, float] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """Tokens of each continuation."""
        return len(self.fed) + 1


def force(runtime: Runtime, asked: Sequence[Forced], placeholders: frozenset[int]) -> None:
    """Fill in the log-probabilities of all continuations.

    Args:
        runtime: Drives the model.
        asked: The continuations; the sequences of their groups receive what is fed.
        placeholders: Ids that stand for image patches. A continuation that feeds one is fed after
            its prompt, not with it: the model would look for a picture of its own.

    Raises:
        HeadbenchError: the logits of a row are not numbers.
    """
    separate = [one for one in asked if placeholders & set(one.fed)]
    together = [one for one in asked if one not in separate]
    for one in together:
        for row in one.group.rows:
            row.tokens.extend(one.fed)
    for part in runtime.parts([one.group for one in together]):
        _pass(runtime, [together[number] for number in part])
    for one in separate:
        _after_prompt(runtime, one)


def _pass(runtime: Runtime, asked: Sequence[Forced]) -> None:
    """Prompts and continuations in one pass."""
    rows = [row for one in asked for row in one.group.prompt_rows]
    keep = max(one.length for one in asked)
    batch = runtime.encode(rows, keep=keep, cache=False)
    runtime.finish(batch)
    at = 0  # batch.logits: [row, kept position, vocabulary], ends aligned as the rows are
    for one in asked:
        count = len(one.group.sequences)  # a companion of the prompt's pass follows, unread
        _read(one, batch.logits[at : at + count, -one.length :], runtime)
        at += len(one.group.prompt_rows)


def _after_prompt(runtime: Runtime, one: Forced) -> None:
    """The prompt first, then the continuation on its cache."""
    prefix = encode_groups(runtime, [one.group])
    grown = one.group.continued(one.fed)
    logits = prefix.logits[:, -1:]  # [row, 1, vocabulary]: what predicts the first token
    picks = list(range(len(grown.rows)))
    for _, part in runtime.fork_parts(prefix, picks, grown.rows):
        # All rows have one tail, so there is one part, with its rows in order.
        logits = torch.cat([logits, part.logits], dim=1)  # [row, 1 + fed, vocabulary]
        runtime.finish(part)
    for row, new in zip(one.group.rows, grown.rows, strict=True):
        row.visited, row.changed, row.chosen = new.visited, new.changed, new.chosen
        row.passes, row.tokens = new.passes, new.tokens
    _read(one, logits, runtime)


def _read(one: Forced, logits: Tensor, runtime: Runtime) -> None:
    """Read one continuation's log-probabilities off ``[sequence, position, vocabulary]``."""
    joined = combined([one.group], logits, forced=True)[0]  # [position, vocabulary]
    fed = torch.tensor(one.fed, device=joined.device, dtype=torch.long)  # [position - 1]
    # Position i predicts token i + 1; only the last position serves several endings.
    body = log_probability(joined[:-1], fed).tolist()
    last = joined[-1].log_softmax(dim=-1)[list(one.endings)].tolist()  # [ending]
    if any(math.isnan(value) for value in (*body, *last)):
        raise not_a_number(one.where, runtime)
    one.logprobs = [(*body, value) for value in last]
    one.first = top_entries(joined[0])
