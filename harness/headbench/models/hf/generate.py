"""Greedy decoding of many rows at once; a row that ends leaves the batch.

An own loop, because `generate` of the library keeps finished rows until the last one ends, gives
no log-probabilities without keeping all logits, and knows nothing of per-row limits and stops.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from headbench.errors import ConfigError, HeadbenchError, RefusedError, nearest
from headbench.models.hf.forward import Line, Runner, State, join

if TYPE_CHECKING:
    from torch import Tensor

TOP = 20
"""How many entries of the first distribution are reported."""
DEFAULT_NEW_TOKENS = 64
LOOK_BACK = 12
"""Generated tokens that are decoded in search of a stop text, beside the stop's own length."""
KNOWN = (
    "max_new_tokens",
    "max_gen_toks",
    "until",
    "do_sample",
    "temperature",
    "top_p",
    "top_k",
    "num_beams",
    "num_return_sequences",
)


@dataclass(frozen=True)
class Limits:
    """When one row stops.

    Attributes:
        new_tokens: Most tokens to generate.
        until: Texts that end the answer; the answer is cut before them.
    """

    new_tokens: int
    until: tuple[str, ...] = ()

    @classmethod
    def read(cls, ask: Mapping[str, object], where: str) -> Limits:
        """Read generation settings.

        Raises:
            ConfigError: an unknown setting, or a value out of range.
            RefusedError: sampling, beams, or several samples.
        """
        for name in ask:
            if name not in KNOWN:
                raise ConfigError(
                    f"unknown generation setting {name!r}",
                    where=where,
                    mend=nearest(name, KNOWN),
                )
        _refuse(bool(ask.get("do_sample")), "sampling (do_sample)", where)
        sampled = [name for name in ("top_p", "top_k") if name in ask]
        _refuse(bool(sampled), f"sampling ({', '.join(sampled)})", where)
        _refuse(ask.get("temperature", 0) not in (0, None), "a temperature above 0", where)
        _refuse(ask.get("num_beams", 1) != 1, "beam search (num_beams)", where)
        _refuse(ask.get("num_return_sequences", 1) != 1, "several samples", where)
        limit = ask.get("max_new_tokens", ask.get("max_gen_toks", DEFAULT_NEW_TOKENS))
        if not isinstance(limit, int) or limit < 1:
            raise ConfigError(f"max_new_tokens cannot be {limit!r}", where=where, mend="at least 1")
        until = ask.get("until") or ()
        stops = (until,) if isinstance(until, str) else until
        if not isinstance(stops, Sequence) or not all(isinstance(s, str) and s for s in stops):
            raise ConfigError(
                f"until cannot be {until!r}", where=where, mend="a text or a list of texts"
            )
        return cls(limit, tuple(stops))


@dataclass
class Growing:
    """One row's answer while it grows.

    Attributes:
        limits: When to stop.
        where: Document and arm, for errors.
        tokens: Generated ids.
        logprobs: Their log-probabilities.
        first: Top entries of the first distribution.
        text: The decoded answer, once the row has ended.
        truncated: The limit came before an end.
        steps: Forward passes of the row.
    """

    limits: Limits
    where: str
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    first: dict[int, float] = field(default_factory=dict)
    text: str | None = None
    truncated: bool = False
    steps: int = 0


Attach = Callable[[Sequence[int], int], AbstractContextManager[object]]
"""Row numbers, padded length -> a context in which these rows, in this order and padded on the left
to this length, run under their edits."""


class Greedy:
    """Greedy decoding with one runner.

    Args:
        runner: Runs the model.
        decode: Ids -> text.
        ends: Ids that end an answer.
    """

    def __init__(
        self, runner: Runner, decode: Callable[[Sequence[int]], str], ends: frozenset[int]
    ) -> None:
        self.runner = runner
        self.decode = decode
        self.ends = ends

    def run(self, lines: Sequence[Line], rows: Sequence[Growing], attach: Attach) -> None:
        """Let every row grow to its end.

        A row that ends leaves at once, so that it is neither computed nor counted any further. The
        edits are then attached anew for those that stay, which is why a row's memory lives outside
        of an attachment.
        """
        state = self._prefill(lines, attach)
        length = state.seen
        running = self._leave(state, list(range(len(lines))), self._take(state, rows))
        while running:
            alive = [rows[index] for index in running]
            with attach(running, length):
                ended = [False]
                while not any(ended):
                    self.runner.step(state, torch.tensor([row.tokens[-1] for row in alive]))
                    ended = self._take(state, alive)
            running = self._leave(state, running, ended)

    def _prefill(self, lines: Sequence[Line], attach: Attach) -> State:
        parts = self.runner.parts(lines)
        states = []
        for part in parts:
            with attach(part, max(len(lines[index].tokens) for index in part)):
                states.append(self.runner.prefill([lines[index] for index in part]))
        return join(states, [index for part in parts for index in part])

    def _leave(self, state: State, running: list[int], ended: Sequence[bool]) -> list[int]:
        """Drop the rows that have ended; the numbers of those that stay."""
        kept = [place for place, end in enumerate(ended) if not end]
        if kept and len(kept) < len(running):
            self.runner.retire(state, kept)
        return [running[place] for place in kept]

    def _take(self, state: State, rows: Sequence[Growing]) -> list[bool]:
        """Give each row its likeliest token; which rows have ended."""
        logits = state.logits[:, -1]
        best = logits.argmax(dim=-1)
        chosen = log_probability(logits, best)
        ended = []
        for place, (token, logprob) in enumerate(zip(best.tolist(), chosen.tolist(), strict=True)):
            row = rows[place]
            row.steps += 1
            if math.isnan(logprob):
                raise not_a_number(row.where, self.runner)
            if not row.tokens:
                row.first = top_entries(logits[place])
            ended.append(self._append(row, token, logprob))
        return ended

    def _append(self, row: Growing, token: int, logprob: float) -> bool:
        """Add a token; whether the row has ended."""
        if token in self.ends:
            row.text = self.decode(row.tokens)
            return True
        row.tokens.append(token)
        row.logprobs.append(logprob)
        if row.limits.until and self._cut(row):
            return True
        if len(row.tokens) >= row.limits.new_tokens:
            row.text, row.truncated = self.decode(row.tokens), True
            return True
        return False

    def _cut(self, row: Growing) -> bool:
        """Cut the answer before a stop text, if one has appeared."""
        longest = max(len(stop) for stop in row.limits.until)
        tail = self.decode(row.tokens[-(LOOK_BACK + longest) :])
        if not any(stop in tail for stop in row.limits.until):
            return False
        text = self.decode(row.tokens)
        found = [text.find(stop) for stop in row.limits.until if stop in text]
        if not found:
            return False
        row.text = text[: min(found)]
        wanted = len(row.text.rstrip())
        while row.tokens and len(self.decode(row.tokens[:-1]).rstrip()) >= wanted:
            row.tokens.pop()
            row.logprobs.pop()
        return True


def log_probability(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of one token a row.

    Args:
        logits: ``[..., vocabulary]``.
        tokens: ``[...]``.
    """
    chosen = logits.gather(-1, tokens[..., None])[..., 0]
    return chosen - logits.logsumexp(dim=-1)


def top_entries(logits: Tensor, count: int = TOP) -> dict[int, float]:
    """The likeliest tokens of one distribution ``[vocabulary]``: id -> log-probability."""
    values, ids = (logits - logits.logsumexp(dim=-1)).topk(min(count, logits.shape[-1]))
    return dict(zip(ids.tolist(), values.tolist(), strict=True))


def not_a_number(where: str, runner: Runner) -> HeadbenchError:
    """The error for logits that are not numbers."""
    dtype = str(runner.model.dtype).removeprefix("torch.")
    return HeadbenchError(
        "the model's logits are not numbers (NaN)",
        where=f"{where}, dtype {dtype}, {runner.device}",
        mend="run with dtype=float32 (float16 overflows in many models), or lower the "
        "intervention's strength",
    )


def _refuse(found: bool, what: str, where: str) -> None:
    if found:
        raise RefusedError(
            f"{what} is not supported: answers are greedy",
            where=where,
            mend="remove it from `generation_kwargs`",
        )
