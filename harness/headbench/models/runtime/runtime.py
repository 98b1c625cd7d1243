"""The one piece of code that drives forward passes.

What comes out of a verb is an ordinary batch (:mod:`headbench.models.runtime.batch`): step it, drop
rows, fork it again.

Verbs: :meth:`Runtime.encode`, :meth:`~Runtime.step`, :meth:`~Runtime.select` (drop, repeat or
reorder rows), :meth:`~Runtime.join`, :meth:`~Runtime.fork`. Loops over them live in ``decoding``
and ``forcing``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import torch

from headbench.edits import Objective
from headbench.errors import RefusedError
from headbench.interventions.edits.edit_session import EditSession
from headbench.models.runtime.batch import (
    Batch,
    Captured,
    check_alive,
    check_distinct,
    engine_rows,
    laid_out,
)
from headbench.models.runtime.call_layout import CallLayout
from headbench.models.runtime.sequence import SequenceGroup, TokenSequence
from headbench.models.runtime.threads import threads
from headbench.nouns import Capture

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.models.hf.engine import Engine
    from headbench.models.runtime.backend_protocol import Backend

PREFILL_TOKENS = 1024
"""Rows x padded length of one prefill pass on a CPU.

Activations of a larger pass leave the processor's cache, and rows of one length need no padding:
a batch of 16 prompts of 400 tokens runs faster in several passes than in one.
"""


class Runtime:
    """Drives one model.

    Args:
        backend: The model.
        engine: Carries edits and captures; ``None`` refuses them.
        threads: Threads of the numerical library during a pass; ``None`` leaves them as they are.
    """

    def __init__(
        self, backend: Backend, engine: Engine | None = None, threads: int | None = None
    ) -> None:
        self.backend = backend
        self.engine = engine
        self.threads = threads
        self.passes = 0

    # ------------------------------------------------------------------ verbs

    @torch.inference_mode()
    def encode(
        self,
        rows: Sequence[TokenSequence],
        *,
        keep: int = 1,
        cache: bool = True,
        captures: Sequence[Capture] = (),
        recorded: Collection[int] | None = None,
        layout: CallLayout | None = None,
    ) -> Batch:
        """Feed whole rows in one pass.

        Args:
            rows: The rows; shorter ones are padded on the left.
            keep: Positions at the end whose logits are wanted.
            cache: Whether anything may follow; without it this is a probe or a forced pass.
            captures: What to record.
            recorded: Numbers of the rows that are recorded; ``None``: all of them. Companions of a
                prompt need not have the spans that its captures name.
            layout: Where the rows stand, if the backend feeds them as another library laid them
                out; only with ``cache=False``.

        Returns:
            The batch, with the logits of the last ``keep`` positions.
        """
        batch = laid_out(rows, layout)
        batch.cache = self.backend.new_cache() if cache else None
        self._pass(batch, 0, keep, captures, recorded)
        return batch

    def gradients(
        self,
        rows: Sequence[TokenSequence],
        captures: Sequence[Capture],
        objective: Objective,
        layout: CallLayout | None = None,
    ) -> Captured:
        """Differentiate a figure of each row's last distribution by what captures name.

        Args:
            rows: Whole prompts, fed in one pass that keeps no cache.
            captures: What to differentiate by; shapes as in a capture of values.
            objective: Logits ``[vocabulary]`` of the last position -> scalar.
            layout: As in :meth:`encode`.

        Returns:
            Row -> capture -> gradient, float32.
        """
        batch = laid_out(rows, layout)
        engine = self.check_engine()
        session = self._compiled(batch)
        with engine.running(session), engine.gradients(captures, session.sequences) as recorder:
            logits = self._forward(batch, 0, 1)[:, -1]  # [row, vocabulary]
            # Rows do not read each other: the gradient of the sum is each row's own gradient.
            recorder.differentiate(torch.stack([objective(row) for row in logits]).sum())
        self._settle(batch)
        return recorder.result()

    @torch.inference_mode()
    def step(self, batch: Batch, tokens: Sequence[int], captures: Sequence[Capture] = ()) -> None:
        """Feed one more token to each row; the batch moves on in place.

        Args:
            batch: A batch with a cache.
            tokens: One per row.
            captures: What to record at this position, for every row.
        """
        check_alive(batch)
        for row, token in zip(batch.rows, tokens, strict=True):
            row.tokens.append(int(token))
        batch.seen += 1
        self._pass(batch, batch.seen - 1, 1, captures)

    @torch.inference_mode()
    def select(
        self, batch: Batch, picks: Sequence[int], rows: Sequence[TokenSequence] | None = None
    ) -> Batch:
        """Rows in a new order, with repeats: drop, beams, samples.

        Args:
            batch: The source.
            picks: Row numbers of the source.
            rows: The new batch's sequences, e.g. ``batch.rows[p].continued(())``; the source then
                stays usable. Without them the source's own sequences are handed over, and it is
                spent.
        """
        check_alive(batch)
        self._settle(batch)
        kept = [batch.rows[pick] for pick in picks] if rows is None else list(rows)
        check_distinct(kept)
        cache = None if batch.cache is None else self.backend.take_rows(batch.cache, picks)
        index = torch.tensor(list(picks), device=batch.logits.device)  # [new row]
        selected = Batch(kept, batch.seen, cache, batch.logits[index])
        if rows is None:
            batch.spend()
        return selected

    @torch.inference_mode()
    def join(self, batches: Sequence[Batch], order: Sequence[int] | None = None) -> Batch:
        """One batch of several, padded on the left to one length.

        The sources are spent; a single one, in its own order, comes back as it is.

        Args:
            batches: The parts, all with a cache and the logits of one position.
            order: Place in the new batch of each row, parts one after the other; by default as they
                stand.
        """
        for batch in batches:
            check_alive(batch)
            self._settle(batch)
        rows = [row for batch in batches for row in batch.rows]
        place = list(range(len(rows))) if order is None else list(order)
        straight = place == list(range(len(rows)))
        if len(batches) == 1 and straight:
            batches[0].logits = batches[0].logits[:, -1:]
            return batches[0]
        check_distinct(rows)
        cache = self.backend.join_caches([b.cache for b in batches], [b.seen for b in batches])
        logits = torch.cat([batch.logits[:, -1:] for batch in batches])  # [row, 1, vocabulary]
        seen = max(batch.seen for batch in batches)
        for batch in batches:
            batch.spend()
        if not straight:
            source = sorted(range(len(rows)), key=place.__getitem__)  # the inverse of `place`
            cache = self.backend.take_rows(cache, source)
            logits = logits[torch.tensor(source, device=logits.device)]
            rows = [rows[number] for number in source]
        return Batch(rows, seen, cache, logits)

    @torch.inference_mode()
    def fork(
        self,
        batch: Batch,
        picks: Sequence[int],
        rows: Sequence[TokenSequence],
        *,
        captures: Sequence[Capture] = (),
    ) -> Batch:
        """Continue rows of an encoded prefix: one encoding, many continuations.

        Tails of one length share a pass, and the parts are then joined: nothing is recomputed, so
        windows, recurrent states and image tokens inside the prefix are as safe as plain caches,
        and no position is counted twice.

        Args:
            batch: The encoded prefixes; it stays usable.
            picks: For each new row, the row of ``batch`` that it continues.
            rows: ``batch.rows[pick].continued(tail, ...)``: each at least one token longer.
            captures: What to record of the tails, for every row.

        Returns:
            A batch of ``rows`` in their order, with the logits of each row's last position.

        Raises:
            RefusedError: A tail without tokens, or with pictures; or a model that forgets its state
                when several tokens follow a cache.
        """
        parts, order = [], []
        captured: dict[int, Mapping[Capture, Tensor]] = {}
        for numbers, part in self.fork_parts(batch, picks, rows, keep=1, captures=captures):
            captured |= {numbers[place]: found for place, found in part.captured.items()}
            parts.append(part)
            order += numbers
        joined = self.join(parts, order)
        joined.captured = captured
        return joined

    def fork_parts(
        self,
        batch: Batch,
        picks: Sequence[int],
        rows: Sequence[TokenSequence],
        *,
        keep: int | None = None,
        captures: Sequence[Capture] = (),
    ) -> Iterator[tuple[list[int], Batch]]:
        """As :meth:`fork`, before its parts are joined.

        Args:
            batch: The encoded prefixes.
            picks: For each new row, the row of ``batch`` that it continues.
            rows: The continuations.
            keep: Positions at the end whose logits are wanted; ``None``: all of the tail.
            captures: What to record.

        Yields:
            Numbers of the rows whose tails have one length, and their batch.
        """
        check_alive(batch)
        check_distinct(rows)
        tails = [self._tail(batch.rows[pick], row) for pick, row in zip(picks, rows, strict=True)]
        self._settle(batch)
        for row, pick in zip(rows, picks, strict=True):
            source = batch.rows[pick]
            row.visited, row.changed, row.passes = source.visited, source.changed, source.passes
            row.chosen, row.shift = dict(source.chosen), source.shift
        for length in sorted(set(tails)):
            numbers = [number for number, tail in enumerate(tails) if tail == length]
            with torch.inference_mode():
                part = Batch(
                    [rows[number] for number in numbers],
                    batch.seen + length,
                    self.backend.take_rows(batch.cache, [picks[number] for number in numbers]),
                )
                self._pass(part, batch.seen, length if keep is None else keep, captures)
            yield numbers, part

    def parts(self, groups: Sequence[SequenceGroup]) -> list[list[int]]:
        """Numbers of the groups of each prefill pass, longest first; on an accelerator it is one.

        A group stays whole: its rows may read each other.
        """
        if not groups:
            return []
        if self.backend.device.type != "cpu" or not self.backend.joins:
            return [list(range(len(groups)))]
        length = [max(len(row.tokens) for row in group.prompt_rows) for group in groups]
        order = sorted(range(len(groups)), key=lambda number: -length[number])
        parts: list[list[int]] = []
        rows = 0
        for number in order:
            count = len(groups[number].prompt_rows)
            longest = length[parts[-1][0]] if parts else 0
            if parts and (rows + count) * longest <= PREFILL_TOKENS:
                parts[-1].append(number)
                rows += count
            else:
                parts.append([number])
                rows = count
        return parts

    @contextmanager
    def follow(self, rows: Sequence[TokenSequence], layout: CallLayout) -> Iterator[EditSession]:
        """Put rows' edits in charge of the model while another library feeds them.

        Args:
            rows: The prompts.
            layout: Where they stand.

        Yields:
            EditSession: Tell its ``begin`` of every pass: batch rows, a multiple of ``rows`` under
            beams and samples, and the padded position where the pass starts.
        """
        session = self._compiled(laid_out(rows, layout))
        with self.check_engine().running(session, announce=False):
            yield session

    def finish(self, batch: Batch) -> None:
        """Add to the rows' accounts what their edits did since the batch was laid out."""
        self._settle(batch)

    def check_engine(self) -> Engine:
        """The engine.

        Raises:
            RefusedError: The model was loaded without it.
        """
        if self.engine is None:
            raise RefusedError(
                "the model was loaded without the intervention engine",
                where="--model-args attn=sdpa",
                hint="use attn=headbench",
            )
        return self.engine

    # ------------------------------------------------------------------ inside

    def _pass(
        self,
        batch: Batch,
        start: int,
        keep: int,
        captures: Sequence[Capture],
        recorded: Collection[int] | None = None,
    ) -> None:
        """Feed padded positions ``[start, seen)``, under the rows' edits."""
        edited = any(row.plan.edits for row in batch.rows)
        with ExitStack() as stack:
            found: Captured = {}
            if edited or captures:
                found = stack.enter_context(self._watching(batch, captures, recorded))
            logits = self._forward(batch, start, keep)
        batch.logits, batch.captured = logits, found

    def _forward(self, batch: Batch, start: int, keep: int) -> Tensor:
        """Feed padded positions ``[start, seen)`` and count the pass."""
        self.passes += 1
        with threads(self.threads):
            logits = self.backend.forward(batch.rows, start, batch.seen, batch.cache, keep)
        for row in batch.rows:
            row.passes += 1
        return logits

    @contextmanager
    def _watching(
        self, batch: Batch, captures: Sequence[Capture], recorded: Collection[int] | None
    ) -> Iterator[Captured]:
        """Put the batch's compiled edits in charge of the model for one pass."""
        engine = self.check_engine()
        session = self._compiled(batch)
        with ExitStack() as stack:
            stack.enter_context(engine.running(session))
            found: Captured = {}
            if captures:
                found = stack.enter_context(engine.capture(captures, session.sequences, recorded))
            yield found

    def _compiled(self, batch: Batch) -> EditSession:
        """The edits of a batch; they are compiled once for each layout."""
        if batch._session is None:
            batch._session = EditSession(engine_rows(batch), self.check_engine().shape)
            batch._accounted = [0] * len(batch.rows)
        return batch._session

    def _settle(self, batch: Batch) -> None:
        """Move what the engine counted for this layout into the rows; harmless when repeated."""
        if batch._session is None:
            return
        report = batch._session.report
        for number, row in enumerate(batch.rows):
            if not row.plan.edits:
                continue
            changed = report.changed(number)
            row.account(
                report.visited(number),
                changed - batch._accounted[number],
                report.chosen(number),
            )
            batch._accounted[number] = changed

    def _tail(self, prefix: TokenSequence, row: TokenSequence) -> int:
        """How many tokens a row adds to a prefix.

        Raises:
            RefusedError: None, or pictures among them, or more than the model can take at once.
        """
        length = len(row.tokens) - len(prefix.tokens)
        if length < 1 or row.tokens[: len(prefix.tokens)] != prefix.tokens:
            raise RefusedError(
                "a continuation adds at least one token to its prefix",
                hint="read the last token's distribution from the prefix itself",
            )
        if row.image and max(row.image) >= len(prefix.tokens):
            raise RefusedError(
                "a continuation brings pictures of its own", hint="end the prefix behind them"
            )
        if length > 1 and not self.backend.extends:
            raise RefusedError(
                f"{self.backend.name} forgets its state when several tokens follow a cache",
                hint="encode the whole prompt at once",
            )
        return length
