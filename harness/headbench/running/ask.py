"""Putting a run's requests to the model, batch by batch, with every answer kept as it comes.

Batches are planned over all conditions and tasks of a step together. A batch whose answers are all
in the store is served from it; any other is run again WHOLE, because a row's last bits depend on
the rows beside it. An answer that was known before keeps its stored form, and a new one is used in
the form in which it was stored. So a run that was killed, or is repeated, ends in the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from headbench.errors import GuardError
from headbench.jobs import Job, Model
from headbench.nouns import Answer
from headbench.results.canonical import digest
from headbench.results.keys import ResponseKeys
from headbench.results.store import BATCH_DIGITS, ResponseStore


class Ticker(Protocol):
    """What is told how far the run is; tqdm's bar is one."""

    def update(self, n: int) -> object:
        """So many more answers are there."""
        ...


@dataclass(frozen=True)
class Reply:
    """An answer with its identity."""

    key: str
    answer: Answer


@dataclass
class Tally:
    """What asking cost; it never enters a result's bytes."""

    answered: int = 0
    reused: int = 0
    batches: int = 0


@dataclass
class Asker:
    """Asks a model through a store.

    Attributes:
        model: The adapter.
        store: Answers of this and of earlier runs.
        progress: Whether a bar is shown.
        tally: What it cost so far.
        identity: What the model's answers are known by, where that is more than the adapter says.
    """

    model: Model
    store: ResponseStore
    progress: bool = False
    tally: Tally = field(default_factory=Tally)
    identity: Mapping[str, str] | None = None

    def ask(self, jobs: Sequence[Job], what: str) -> list[Reply]:
        """Answer all jobs.

        Jobs with one identity are asked once: equal prompts under equal conditions.

        Args:
            jobs: All requests of a step, under all conditions.
            what: Name of the step, for the bar.

        Returns:
            One reply a job, in order.

        Raises:
            HeadbenchError: the model refuses or fails; all answers before that are stored.
        """
        identify = ResponseKeys(self.identity or self.model.identity)
        keys = [identify.key(self.model.key(job), job) for job in jobs]
        first: dict[str, Job] = {}
        for key, job in zip(keys, jobs, strict=True):
            first.setdefault(key, job)
        unique = list(first)
        batches = self.model.plan([first[key] for key in unique])
        _check_partition(batches, len(unique))
        answers: dict[str, Answer] = {}
        with _bar(len(unique), what, self.progress) as bar:
            for batch in batches:
                members = [unique[index] for index in batch]
                answers.update(self._batch(members, [first[key] for key in members], bar))
        return [Reply(key, answers[key]) for key in keys]

    def _batch(self, keys: Sequence[str], jobs: Sequence[Job], bar: Ticker) -> dict[str, Answer]:
        known = {key: self.store.get(key) for key in keys if key in self.store}
        whole = {key: answer for key, answer in known.items() if answer is not None}
        if len(whole) == len(keys):
            self.tally.reused += len(keys)
            bar.update(len(keys))
            return whole
        batch_name = digest(list(keys))[:BATCH_DIGITS]
        fresh: dict[str, Answer] = {}
        for index, answer in self.model.answer(jobs):
            key, represent = keys[index], jobs[index].request.kind == "represent"
            if key in whole:  # of an earlier batch, and results show it already
                fresh[key] = whole[key]
            else:
                name = f"{batch_name}/{answer.batch}" if answer.batch else batch_name
                named = replace(answer, batch=name)
                fresh[key] = self.store.put(batch_name, key, named, arrays=represent)
            bar.update(1)
        if len(fresh) != len(keys):
            raise GuardError(
                f"the model answered {len(fresh)} of the {len(keys)} jobs of a batch",
                where=f"batch {batch_name}",
                hint="an adapter must yield every index of its batch once",
            )
        self.store.commit(batch_name)
        self.tally.answered += len(keys)
        self.tally.batches += 1
        return fresh


def _check_partition(batches: Sequence[Sequence[int]], count: int) -> None:
    if sorted(index for batch in batches for index in batch) != list(range(count)):
        raise GuardError(
            "the model's batch plan does not hold every job exactly once",
            hint="hint the adapter's plan()",
        )


@contextmanager
def _bar(total: int, what: str, shown: bool) -> Iterator[Ticker]:
    """A tqdm bar, or nothing where it would only fill a log."""
    from tqdm import tqdm

    with tqdm(total=total, desc=what, unit="answer", disable=not shown) as bar:
        yield bar
