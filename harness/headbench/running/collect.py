"""From a plan to one answered row a (task, condition, document), step after step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from headbench.errors import RefusedError
from headbench.jobs import Condition, Job
from headbench.nouns import Answer, Document, Request
from headbench.results.schema import NeutralLoss
from headbench.running import neutral
from headbench.running.ask import Asker, Reply
from headbench.running.outputs import output_text
from headbench.running.run_plan import BASELINE, RunPlan

FirstStep = Mapping[str, Sequence[tuple[Request, ...]]]
"""Task name -> the requests of its first step, one tuple a document."""
UNKNOWN_LIMIT = 0.01
"""Largest share of a task's prompt tokens that may be the unknown token."""


@dataclass
class Row:
    """One document under one condition, filled step by step.

    Attributes:
        document: The document.
        requests: What was asked so far, in step order.
        replies: What came, in the same order.
        earlier: Step -> its outputs, for later steps.
    """

    document: Document
    requests: list[Request] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    earlier: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Raw outputs, one a request, in step order."""
        return tuple(text for texts in self.earlier.values() for text in texts)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The answers, one a request."""
        return tuple(reply.answer for reply in self.replies)


@dataclass(frozen=True)
class Collected:
    """Every answer of a run.

    Attributes:
        rows: (task name, condition name) -> its rows, in document order.
        losses: Condition name -> its losses on each neutral text that the model can score;
        controls on
            the first passages only.
    """

    rows: Mapping[tuple[str, str], Sequence[Row]]
    losses: Mapping[str, tuple[NeutralLoss, ...]]


def collect(plan: RunPlan, first: FirstStep, asker: Asker) -> Collected:
    """Ask everything; steps that read earlier answers come after them.

    All tasks' steps of one number are planned together, so that a batch may mix tasks and
    conditions.

    Args:
        plan: What is asked.
        first: The requests of each task's first step.
        asker: Puts them to the model.
    """
    rows = {
        (task.name, condition.name): [Row(document) for document in plan.documents[task.name]]
        for task in plan.tasks
        for condition in plan.conditions(task)
    }
    losses: dict[str, tuple[NeutralLoss, ...]] = {}
    texts = neutral_texts(plan)
    for number in range(max(len(task.steps) for task in plan.tasks)):
        asked = _requests(plan, first, rows, number)
        jobs = [Job(request, condition) for _, request, condition in asked]
        beside = _neutral_jobs(plan, texts) if number == 0 else []
        replies = asker.ask(jobs + beside, f"step {number + 1}")
        for (row, request, _), reply in zip(asked, replies, strict=False):
            row.requests.append(request)
            row.replies.append(reply)
        _read_step(plan, rows, number)
        losses |= _losses(texts, beside, replies[len(jobs) :])
    return Collected(rows, losses)


def first_step(plan: RunPlan) -> FirstStep:
    """The requests of every task's first step, rendered once: all conditions share them."""
    return {
        task.name: [
            task.requests(document, task.steps[0].name, {}, plan.spec.seed)
            for document in plan.documents[task.name]
        ]
        for task in plan.tasks
    }


def check_known_words(plan: RunPlan, first: FirstStep) -> None:
    """Refuse a model whose tokenizer does not know the words of a task.

    Raises:
        RefusedError: more than 1 % of a task's prompt tokens are the unknown token.
    """
    share = getattr(plan.model, "unknown_share", None)
    if share is None:
        return
    for task in plan.tasks:
        shares = [share(request) for requests in first[task.name] for request in requests]
        mean = sum(shares) / max(len(shares), 1)
        if mean > UNKNOWN_LIMIT:
            raise RefusedError(
                f"{mean:.1%} of the prompt tokens of task {task.name!r} are unknown to the "
                f"tokenizer of {plan.model_name}",
                where=f"task {task.name}; at most {UNKNOWN_LIMIT:.0%} is let through",
                hint="choose a model whose vocabulary covers the task's language",
            )


def neutral_texts(plan: RunPlan) -> tuple[neutral.Neutral, ...]:
    """The neutral texts that suit the run; none where the model cannot score them."""
    if "score" not in plan.model.kinds:
        return ()
    seen = any(task.needs_images for task in plan.tasks)
    texts: tuple[neutral.Neutral, ...] = (neutral.prose(),)
    if seen:
        texts = (neutral.captions(), *texts)
    share = getattr(plan.model, "unknown_share", None)
    if share is not None:
        texts = tuple(t for t in texts if all(share(r) <= UNKNOWN_LIMIT for r in t.requests))
    beyond = getattr(plan.model, "overrun", None)
    if beyond is not None:  # a run must not fail for the length of what it shows beside the tasks
        texts = tuple(t for t in texts if not any(beyond(r) for r in t.requests))
    return texts


def placed(condition: Condition, request: Request, peers: Sequence[Request]) -> Condition:
    """The condition of one request: controls that borrow from other documents are given one.

    Args:
        condition: A condition of the plan.
        request: What is asked under it.
        peers: Requests of all documents of the same task.
    """
    if not any(hasattr(part, "placed") for part in condition.interventions):
        return condition
    parts = [
        part.placed(request, peers) if hasattr(part, "placed") else part
        for part in condition.interventions
    ]
    if all(one is other for one, other in zip(parts, condition.interventions, strict=True)):
        return condition
    return replace(condition, interventions=tuple(parts))


def _requests(
    plan: RunPlan, first: FirstStep, rows: Mapping[tuple[str, str], Sequence[Row]], number: int
) -> list[tuple[Row, Request, Condition]]:
    """What step ``number`` asks. Conditions of one document stand side by side."""
    asked: list[tuple[Row, Request, Condition]] = []
    for task in plan.tasks:
        if number >= len(task.steps):
            continue
        name, conditions = task.steps[number].name, plan.conditions(task)
        peers = [request for requests in first[task.name] for request in requests]
        for index, document in enumerate(plan.documents[task.name]):
            shared = first[task.name][index] if number == 0 else None
            for condition in conditions:
                row = rows[task.name, condition.name][index]
                requests = shared
                if requests is None:
                    requests = task.requests(document, name, row.earlier, plan.spec.seed)
                asked.extend(
                    (row, request, placed(condition, request, peers)) for request in requests
                )
    return asked


def _read_step(plan: RunPlan, rows: Mapping[tuple[str, str], Sequence[Row]], number: int) -> None:
    """Turn the step's answers into texts, for parsers and for later steps."""
    for task in plan.tasks:
        if number >= len(task.steps):
            continue
        name = task.steps[number].name
        for condition in plan.conditions(task):
            for row in rows[task.name, condition.name]:
                row.earlier[name] = tuple(
                    output_text(request, reply.answer)
                    for request, reply in zip(row.requests, row.replies, strict=True)
                    if request.step == name
                )


def _neutral_jobs(plan: RunPlan, texts: Sequence[neutral.Neutral]) -> list[Job]:
    """Every neutral passage under every condition; fewer of them under controls."""
    conditions = [
        BASELINE,
        *(condition for t in plan.toggles for condition in (t.condition, *t.controls)),
    ]
    return [
        Job(request, placed(condition, request, text.requests))
        for text in texts
        for number, request in enumerate(text.requests)
        for condition in conditions
        if condition.role != "control" or number < neutral.CONTROL_PASSAGES
    ]


def _losses(
    texts: Sequence[neutral.Neutral], jobs: Sequence[Job], replies: Sequence[Reply]
) -> dict[str, tuple[NeutralLoss, ...]]:
    """Condition name -> one measurement of each text."""
    owner = {request.document: text.name for text in texts for request in text.requests}
    answers: dict[tuple[str, neutral.Text], list[Answer]] = {}
    for job, reply in zip(jobs, replies, strict=True):
        place = (job.condition.name, owner[job.request.document])
        answers.setdefault(place, []).append(reply.answer)
    found: dict[str, tuple[NeutralLoss, ...]] = {}
    for (condition, name), given in answers.items():
        loss = neutral.measured(name, given)
        if loss is not None:
            found[condition] = (*found.get(condition, ()), loss)
    return found
