"""Answers the cells of a run's plan, one step of the tasks after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from headbench.errors import RefusedError
from headbench.jobs import Condition, Job
from headbench.nouns import Answer, Document, Request, Role
from headbench.results.schema import NeutralLoss
from headbench.running import neutral
from headbench.running.ask import Asker, Reply
from headbench.running.model_roles import SUBJECT
from headbench.running.outputs import output_text
from headbench.running.planned_cells import BASELINE, PlannedCell
from headbench.running.run_plan import RunPlan

UNKNOWN_LIMIT = 0.01
"""Largest share of a task's prompt tokens that may be the unknown token."""


@dataclass
class Exchange:
    """Requests and answers of one document under one condition, filled step by step.

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
        """Raw outputs, one per request, in step order."""
        return tuple(text for texts in self.earlier.values() for text in texts)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The answers, one per request."""
        return tuple(reply.answer for reply in self.replies)


@dataclass(frozen=True)
class Question:
    """A request of a step, with whom it is for.

    Attributes:
        exchange: Where request and reply belong.
        request: What is asked.
        condition: Under which condition; the baseline for all roles but the subject.
        role: Who answers.
    """

    exchange: Exchange
    request: Request
    condition: Condition
    role: Role


@dataclass(frozen=True)
class AnsweredCell:
    """A planned cell with what was asked and answered.

    Attributes:
        planned: The cell.
        exchanges: One per document, in the order of ``planned.documents``.
    """

    planned: PlannedCell
    exchanges: tuple[Exchange, ...]


@dataclass(frozen=True)
class Collected:
    """Every answer of a run.

    Attributes:
        cells: The run's cells, in the order of its plan.
        losses: Condition name -> its losses on each neutral text that the model can score; controls
            on the first passages only.
    """

    cells: tuple[AnsweredCell, ...]
    losses: Mapping[str, tuple[NeutralLoss, ...]]


def collect(plan: RunPlan, askers: Mapping[Role, Asker]) -> Collected:
    """Ask all requests; steps that read earlier answers come after them.

    All tasks' steps of one number and role are planned together, so that a batch may mix tasks and
    conditions.

    Args:
        plan: What is asked.
        askers: Role -> puts requests to its model.
    """
    cells = tuple(
        AnsweredCell(planned, tuple(map(Exchange, planned.documents))) for planned in plan.cells
    )
    losses: dict[str, tuple[NeutralLoss, ...]] = {}
    texts = neutral_texts(plan)
    for number in range(max(len(planned.task.steps) for planned in plan.tasks)):
        questions = _questions(cells, number, plan.spec.seed)
        for role, asker in askers.items():
            asked = [question for question in questions if question.role == role]
            jobs = [Job(one.request, one.condition, role=one.role) for one in asked]
            neutral = _neutral_jobs(plan, texts) if number == 0 and role == SUBJECT else []
            if not jobs and not neutral:
                continue
            what = f"step {number + 1}" + ("" if role == SUBJECT else f", {role}")
            replies = asker.ask(jobs + neutral, what)
            for question, reply in zip(asked, replies[: len(jobs)], strict=True):
                question.exchange.requests.append(question.request)
                question.exchange.replies.append(reply)
            losses |= _losses(texts, neutral, replies[len(jobs) :])
        _read_step(cells, number)
    return Collected(cells, losses)


def check_known_words(plan: RunPlan) -> None:
    """Refuse a model whose tokenizer does not know the words of a task.

    Raises:
        RefusedError: more than 1 % of a task's prompt tokens are the unknown token.
    """
    for planned in plan.tasks:
        first = plan.respondents[planned.task.steps[0].role]
        share = getattr(first.model, "unknown_share", None)
        if share is None:
            continue
        shares = [share(request) for request in planned.all_first_requests]
        mean = sum(shares) / max(len(shares), 1)
        if mean > UNKNOWN_LIMIT:
            raise RefusedError(
                f"{mean:.1%} of the prompt tokens of task {planned.task.name!r} are unknown to the "
                f"tokenizer of {first.name}",
                where=f"task {planned.task.name}; at most {UNKNOWN_LIMIT:.0%} is let through",
                hint="choose a model whose vocabulary covers the task's language",
            )


def neutral_texts(plan: RunPlan) -> tuple[neutral.Neutral, ...]:
    """The neutral texts that suit the run; none where the model cannot score them."""
    if "score" not in plan.model.kinds:
        return ()
    seen = any(planned.task.needs_images for planned in plan.tasks)
    texts: tuple[neutral.Neutral, ...] = (neutral.prose(),)
    if seen:
        texts = (neutral.captions(), *texts)
    share = getattr(plan.model, "unknown_share", None)
    if share is not None:
        texts = tuple(t for t in texts if all(share(r) <= UNKNOWN_LIMIT for r in t.requests))
    beyond = getattr(plan.model, "overrun", None)
    if beyond is not None:  # neutral text is extra: its length must not make a run fail
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


def _questions(cells: Sequence[AnsweredCell], number: int, seed: int) -> list[Question]:
    """The requests of step ``number``; the conditions of one document follow each other."""
    asked: list[Question] = []
    for planned_task, group in groupby(cells, key=lambda cell: cell.planned.planned_task):
        task, same_task = planned_task.task, list(group)
        if number >= len(task.steps):
            continue
        step, peers = task.steps[number], planned_task.all_first_requests
        for place, document in enumerate(planned_task.documents):
            for cell in same_task:
                exchange = cell.exchanges[place]
                requests = (
                    planned_task.first_requests[place]
                    if number == 0
                    else task.requests(document, step, exchange.earlier, seed)
                )
                for request in requests:
                    condition = BASELINE
                    if step.role == SUBJECT:
                        condition = placed(cell.planned.condition, request, peers)
                    asked.append(Question(exchange, request, condition, step.role))
    return asked


def _read_step(cells: Sequence[AnsweredCell], number: int) -> None:
    """Turn the step's answers into texts, for parsers and for later steps."""
    for cell in cells:
        if number >= len(cell.planned.task.steps):
            continue
        step = cell.planned.task.steps[number].name
        for exchange in cell.exchanges:
            exchange.earlier[step] = tuple(
                output_text(request, reply.answer)
                for request, reply in zip(exchange.requests, exchange.replies, strict=True)
                if request.step == step
            )


def _neutral_jobs(plan: RunPlan, texts: Sequence[neutral.Neutral]) -> list[Job]:
    """Every neutral passage under every condition; fewer of them under controls."""
    return [
        Job(request, placed(condition, request, text.requests))
        for text in texts
        for number, request in enumerate(text.requests)
        for condition in plan.conditions
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
