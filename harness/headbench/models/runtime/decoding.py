"""Decoding of many groups at once, greedy or sampled; a group that ends leaves the batch.

An own loop, because `generate` of the library keeps finished rows until the last one ends, gives
no log-probabilities without keeping all logits, and knows nothing of per-row limits and stops.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from headbench.errors import ConfigError, RefusedError, nearest
from headbench.models.runtime.logits import log_probability, not_a_number, top_entries
from headbench.models.runtime.sampling import SHAPING, Sampler, Sampling
from headbench.models.runtime.sequence import SequenceGroup

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.models.runtime.batch import Batch
    from headbench.models.runtime.runtime import Runtime

DEFAULT_NEW_TOKENS = 64
LOOK_BACK = 12
"""Generated tokens that are decoded in search of a stop text, beside the stop's own length."""
KNOWN = (
    "max_new_tokens",
    "max_gen_toks",
    "until",
    "do_sample",
    *SHAPING,
    "num_beams",
    "num_return_sequences",
)


@dataclass(frozen=True)
class DecodingSettings:
    """How one answer is decoded, and when it stops.

    Attributes:
        new_tokens: Most tokens to generate.
        until: Texts that end the answer; the answer is cut before them.
        sampling: What tokens are drawn from; ``None`` takes the most likely token.
    """

    new_tokens: int
    until: tuple[str, ...] = ()
    sampling: Sampling | None = None

    @classmethod
    def read(cls, ask: Mapping[str, object], where: str) -> DecodingSettings:
        """Read generation settings.

        Raises:
            ConfigError: an unknown setting, or a value out of range.
            RefusedError: beams, or several samples.
        """
        for name in ask:
            if name not in KNOWN:
                raise ConfigError(
                    f"unknown generation setting {name!r}",
                    where=where,
                    hint=nearest(name, KNOWN),
                )
        _refuse(ask.get("num_beams", 1) != 1, "beam search (num_beams)", where)
        _refuse(ask.get("num_return_sequences", 1) != 1, "several samples", where)
        limit = ask.get("max_new_tokens", ask.get("max_gen_toks", DEFAULT_NEW_TOKENS))
        if not isinstance(limit, int) or limit < 1:
            raise ConfigError(f"max_new_tokens cannot be {limit!r}", where=where, hint="at least 1")
        until = ask.get("until") or ()
        stops = (until,) if isinstance(until, str) else until
        if not isinstance(stops, Sequence) or not all(isinstance(s, str) and s for s in stops):
            raise ConfigError(
                f"until cannot be {until!r}", where=where, hint="a text or a list of texts"
            )
        return cls(limit, tuple(stops), Sampling.read(ask, where))


@dataclass
class Generation:
    """One answer while it is generated.

    Attributes:
        settings: How to decode, and when to stop.
        where: Document and condition, for errors.
        seed: The request's seed; read where the answer is sampled.
        tokens: Generated ids.
        logprobs: Their log-probabilities under the model, whatever shaped the draw, so that they
            are those that scoring the answer gives.
        first: Top entries of the first distribution.
        text: The decoded answer, once it has ended.
        truncated: The limit came before an end.
    """

    settings: DecodingSettings
    where: str
    seed: int = 0
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    first: dict[int, float] = field(default_factory=dict)
    text: str | None = None
    truncated: bool = False
    sampler: Sampler | None = field(init=False)

    def __post_init__(self) -> None:
        sampling = self.settings.sampling
        self.sampler = None if sampling is None else Sampler(sampling, self.seed)


class Decoder:
    """Decoding with one runtime.

    Args:
        runtime: Drives the model.
        decode: Ids -> text.
        ends: Ids that end an answer.
    """

    def __init__(
        self, runtime: Runtime, decode: Callable[[Sequence[int]], str], ends: frozenset[int]
    ) -> None:
        self.runtime = runtime
        self.decode = decode
        self.ends = ends

    def run(self, groups: Sequence[SequenceGroup], answers: Sequence[Generation]) -> None:
        """Generate every answer to its end.

        Args:
            groups: What each answer is read from; their sequences grow.
            answers: Filled in, one per group.
        """
        self.go_on(self._prefill(groups), groups, answers)

    def go_on(
        self, batch: Batch, groups: Sequence[SequenceGroup], answers: Sequence[Generation]
    ) -> None:
        """As :meth:`run`, from a batch that holds the groups' rows already, such as a fork.

        A group that ends leaves at once, so that it is neither computed nor counted any further.
        """
        running = list(range(len(groups)))
        while running:
            alive = [groups[number] for number in running]
            ended = self._take(batch, alive, [answers[number] for number in running])
            running = [number for number, end in zip(running, ended, strict=True) if not end]
            if not running:
                break
            if any(ended):
                batch = self.runtime.select(batch, _rows_of(alive, ended))
            tokens = [
                answers[number].tokens[-1] for number in running for _ in groups[number].sequences
            ]
            self.runtime.step(batch, tokens)
        self.runtime.finish(batch)

    def _prefill(self, groups: Sequence[SequenceGroup]) -> Batch:
        batches, order = [], []
        first = [0]
        for group in groups:
            first.append(first[-1] + len(group.sequences))
        for part in self.runtime.parts(groups):
            batches.append(encode_groups(self.runtime, [groups[number] for number in part]))
            order += [place for number in part for place in range(first[number], first[number + 1])]
        return self.runtime.join(batches, order)

    def _take(
        self, batch: Batch, groups: Sequence[SequenceGroup], answers: Sequence[Generation]
    ) -> list[bool]:
        """Give each answer its next token; which have ended."""
        logits = combined(groups, batch.logits[:, -1], forced=False)  # [group, vocabulary]
        tokens = logits.argmax(dim=-1)
        for place, answer in enumerate(answers):
            if answer.sampler is not None:
                tokens[place] = answer.sampler.draw(logits[place])
        logprobs = log_probability(logits, tokens).tolist()
        ended = []
        for place, (token, logprob) in enumerate(zip(tokens.tolist(), logprobs, strict=True)):
            answer = answers[place]
            if math.isnan(logprob):
                raise not_a_number(answer.where, self.runtime)
            if not answer.tokens:
                answer.first = top_entries(logits[place])
            ended.append(self._append(answer, token, logprob))
        return ended

    def _append(self, answer: Generation, token: int, logprob: float) -> bool:
        """Add a token; whether the answer has ended."""
        if token in self.ends:
            answer.text = self.decode(answer.tokens)
            return True
        answer.tokens.append(token)
        answer.logprobs.append(logprob)
        if answer.settings.until and self._cut(answer):
            return True
        if len(answer.tokens) >= answer.settings.new_tokens:
            answer.text, answer.truncated = self.decode(answer.tokens), True
            return True
        return False

    def _cut(self, answer: Generation) -> bool:
        """Cut the answer before a stop text, if one has appeared."""
        longest = max(len(stop) for stop in answer.settings.until)
        tail = self.decode(answer.tokens[-(LOOK_BACK + longest) :])
        if not any(stop in tail for stop in answer.settings.until):
            return False
        text = self.decode(answer.tokens)
        found = [text.find(stop) for stop in answer.settings.until if stop in text]
        if not found:
            return False
        answer.text = text[: min(found)]
        wanted = len(answer.text.rstrip())
        while answer.tokens and len(self.decode(answer.tokens[:-1]).rstrip()) >= wanted:
            answer.tokens.pop()
            answer.logprobs.pop()
        return True


def encode_groups(runtime: Runtime, groups: Sequence[SequenceGroup], keep: int = 1) -> Batch:
    """Read the prompts of groups in one pass; a batch of the rows that go on.

    Args:
        runtime: Drives the model.
        groups: They may bring companions that only this pass needs.
        keep: Positions at the end whose logits are wanted.
    """
    rows = [row for group in groups for row in group.prompt_rows]
    batch = runtime.encode(rows, keep=keep)
    staying = {id(row) for group in groups for row in group.rows}
    if len(staying) == len(rows):
        return batch
    return runtime.select(batch, [at for at, row in enumerate(rows) if id(row) in staying])


def combined(groups: Sequence[SequenceGroup], logits: Tensor, *, forced: bool) -> Tensor:
    """One distribution per group.

    Args:
        groups: The groups of a batch.
        logits: ``[row, ..., vocabulary]``, the groups' rows one after the other.
        forced: Whether tokens are given rather than chosen.

    Returns:
        ``[group, ..., vocabulary]``.
    """
    if all(len(group.sequences) == 1 and group.combine is None for group in groups):
        return logits
    found, at = [], 0
    for group in groups:
        count = len(group.sequences)
        found.append(group.combined(logits[at : at + count], forced=forced))
        at += count
    return torch.stack(found)


def _rows_of(groups: Sequence[SequenceGroup], ended: Sequence[bool]) -> list[int]:
    """Row numbers of the groups that have not ended."""
    kept: list[int] = []
    at = 0
    for group, end in zip(groups, ended, strict=True):
        count = len(group.sequences)
        if not end:
            kept += range(at, at + count)
        at += count
    return kept


def _refuse(found: bool, what: str, where: str) -> None:
    if found:
        raise RefusedError(
            f"{what} is not supported",
            where=where,
            hint="remove it from `generation_kwargs`",
        )
