"""Asks a model a run's requests, batch by batch, and stores every answer as it arrives.

Batches are planned over all conditions and tasks of a step together. A batch whose answers are all
in the store is served from it; any other is run again WHOLE, because a row's last bits depend on
the rows beside it. An answer that was known before keeps its stored form, and a new one is used in
the form in which it was stored. So a run that was killed, or is repeated, ends in the same bytes.

Interventions that rewrite requests come first, in batches of their own: a rewritten request is
stored like an answer, and then asked in the place of the given one, under a key that names its
images by content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from headbench.errors import GuardError
from headbench.interventions.rewriting import rewriter
from headbench.jobs import Job, Model
from headbench.nouns import Answer, Request
from headbench.results.canonical import digest
from headbench.results.derived import DerivedImages
from headbench.results.keys import ResponseKeys
from headbench.results.store import BATCH_DIGITS, ResponseStore
from headbench.running import rewrites

Answering = Callable[[Sequence[Job]], Iterator[tuple[int, Answer]]]
"""Answers one planned batch: index of the job, answer."""


class Ticker(Protocol):
    """Receives the progress of a run, as tqdm's bar does."""

    def update(self, n: int) -> object:
        """Report that many further answers."""
        ...


@dataclass(frozen=True)
class Reply:
    """An answer with its identity.

    Attributes:
        key: Response key.
        answer: What the model said.
        rewrite: For a request that an intervention rewrites: the stored rewrite, with its own key.
        asked: What was asked in place of the task's request, where an intervention changed it.
    """

    key: str
    answer: Answer
    rewrite: Reply | None = None
    asked: Request | None = None


@dataclass
class Tally:
    """Cost of asking; never part of a result."""

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
        images: Where images go that interventions make.
    """

    model: Model
    store: ResponseStore
    progress: bool = False
    tally: Tally = field(default_factory=Tally)
    identity: Mapping[str, str] | None = None
    images: DerivedImages | None = None

    def ask(self, jobs: Sequence[Job], what: str) -> list[Reply]:
        """Answer all jobs.

        Jobs with one identity are asked once: equal prompts under equal conditions.

        Args:
            jobs: All requests of a step, under all conditions.
            what: Name of the step, for the bar.

        Returns:
            One reply per job, in order.

        Raises:
            HeadbenchError: the model refuses or fails; all answers before that are stored.
        """
        rewritten = self._rewrites(jobs, what)
        asked = [
            replace(
                job, request=rewrites.decode(job.request, rewrite.answer.text or ""), rewritten=True
            )
            if rewrite
            else job
            for job, rewrite in zip(jobs, rewritten, strict=True)
        ]
        identify = ResponseKeys(self.identity or self.model.identity)
        keys = [identify.key(self.model.key(job), job) for job in asked]
        answers = self._all(keys, asked, what, self.model.answer)
        return [
            Reply(key, answers[key], rewrite, now.request if now.request != job.request else None)
            for key, job, now, rewrite in zip(keys, jobs, asked, rewritten, strict=True)
        ]

    def _rewrites(self, jobs: Sequence[Job], what: str) -> list[Reply | None]:
        """The stored rewrite of each request that an intervention rewrites."""
        places = [at for at, job in enumerate(jobs) if rewriter(job.condition, job.request)]
        replies: list[Reply | None] = [None] * len(jobs)
        if not places:
            return replies
        mine = [jobs[at] for at in places]
        identify = ResponseKeys(self.identity or self.model.identity)
        # A stage of its own in the key: a rewrite is never served as an answer.
        keys = [identify.key({"rewrite": self.model.key(job)}, job) for job in mine]
        images = self._images()

        def rewrite(batch: Sequence[Job]) -> Iterator[tuple[int, Answer]]:
            return rewrites.rewrite_jobs(self.model, batch, images)

        def whole(job: Job, answer: Answer) -> bool:
            """Whether every image of a stored rewrite is still there."""
            shown = rewrites.decode(job.request, answer.text or "").images
            return all(one in job.request.images or one in images for one in shown)

        answers = self._all(keys, mine, f"{what}, rewrites", rewrite, whole)
        for at, key in zip(places, keys, strict=True):
            replies[at] = Reply(key, answers[key])
        return replies

    def _images(self) -> DerivedImages:
        """Folder of images that interventions make; by default next to the stored answers."""
        if self.images is None:
            self.images = DerivedImages(self.store.path.parent)
        return self.images

    def _all(
        self,
        keys: Sequence[str],
        jobs: Sequence[Job],
        what: str,
        answer: Answering,
        usable: Callable[[Job, Answer], bool] | None = None,
    ) -> dict[str, Answer]:
        """Key -> answer; jobs of one key are asked once."""
        self._refuse(jobs)
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
                asked = [first[key] for key in members]
                known = self._known(members, asked, usable)
                answers.update(self._batch(members, asked, known, bar, answer))
        return answers

    def _refuse(self, jobs: Sequence[Job]) -> None:
        """Let the adapter refuse any job; its plan sees only the first of each key."""
        refuse = getattr(self.model, "refuse", None)  # of ``BaseModel``, not of the protocol
        if refuse is not None:
            for job in jobs:
                refuse(job)

    def _known(
        self,
        keys: Sequence[str],
        jobs: Sequence[Job],
        usable: Callable[[Job, Answer], bool] | None,
    ) -> dict[str, Answer]:
        """The stored answers of a batch that can be reused; others are withdrawn."""
        known: dict[str, Answer] = {}
        for key, job in zip(keys, jobs, strict=True):
            answer = self.store.get(key)
            if answer is None:
                continue
            if usable is None or usable(job, answer):
                known[key] = answer
            else:
                self.store.withdraw(key)
        return known

    def _batch(
        self,
        keys: Sequence[str],
        jobs: Sequence[Job],
        whole: Mapping[str, Answer],
        bar: Ticker,
        answering: Answering,
    ) -> Mapping[str, Answer]:
        if len(whole) == len(keys):
            self.tally.reused += len(keys)
            bar.update(len(keys))
            return whole
        batch_name = digest(list(keys))[:BATCH_DIGITS]
        fresh: dict[str, Answer] = {}
        for index, answer in answering(jobs):
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
            hint="correct the adapter's plan()",
        )


@contextmanager
def _bar(total: int, what: str, shown: bool) -> Iterator[Ticker]:
    """A tqdm bar; none where the output is not a terminal."""
    from tqdm import tqdm

    with tqdm(total=total, desc=what, unit="answer", disable=not shown) as bar:
        yield bar
