"""Builds results from answered cells: records, figures, and whether the condition did anything."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Literal

from headbench.interventions.strengths import assumed_strengths
from headbench.jobs import Condition
from headbench.nouns import Answer, Document, Record, Request, Role
from headbench.results import provenance
from headbench.results.canonical import Plain, digest, plain
from headbench.results.cell import Cell
from headbench.results.figures import Sampling, figures, split_figures
from headbench.results.files import Entry, as_read
from headbench.results.keys import artefacts_of, result_id, seed_for
from headbench.results.profiles import profiles_of
from headbench.results.reasoning import reasoning_facts
from headbench.results.schema import (
    ArmFacts,
    ControlFacts,
    Coverage,
    Diagnostics,
    ModelFacts,
    NeutralLoss,
    Result,
    RunFacts,
    TaskFacts,
)
from headbench.running import neutral
from headbench.running.ask import Reply
from headbench.running.code import of_task
from headbench.running.collect import AnsweredCell, Collected, Exchange
from headbench.running.model_roles import SUBJECT
from headbench.running.planned_cells import (
    BASELINE,
    PlannedCell,
    PlannedIntervention,
    PlannedTask,
)
from headbench.running.respondents import roles_of
from headbench.running.run_plan import RunPlan
from headbench.running.spec import RunSpec
from headbench.scoring import lookup
from headbench.scoring.thoughts import marks_of
from headbench.statistics import changed_share, mean_first_token_kl, smallest_p
from headbench.statistics.change import first_token_kl
from headbench.statistics.metric import Metric
from headbench.tasks.documents import hash_documents
from headbench.tasks.task import Task


def build_cells(plan: RunPlan, collected: Collected) -> dict[PlannedCell, Cell]:
    """Every cell of a run with its records, in the order of the plan.

    Raises:
        GuardError: a figure is impossible.
    """
    built: dict[PlannedCell, Cell] = {}
    for planned_task, same_task in groupby(
        collected.cells, key=lambda cell: cell.planned.planned_task
    ):
        builder = _Builder(plan, collected, planned_task)
        for cell in same_task:
            built[cell.planned] = builder.build(cell)
    return built


class _Builder:
    """Builds the cells of one task; the baseline first, which the others are compared with."""

    def __init__(self, plan: RunPlan, collected: Collected, planned: PlannedTask) -> None:
        self.plan, self.collected, self.task = plan, collected, planned.task
        self.metrics = task_metrics(self.task)
        self.facts = task_facts(self.task, planned.documents)
        self.marks = marks_of(plan.spec.reasoning_marks)
        self.subject_steps = {step.name for step in self.task.steps if step.role == SUBJECT}
        self.code = of_task(self.task)
        self.baseline: Cell | None = None
        self.baseline_exchanges: Sequence[Exchange] = ()

    def build(self, answered: AnsweredCell) -> Cell:
        condition, exchanges = answered.planned.condition, answered.exchanges
        entries = as_read(self._entries(exchanges))
        records = [entry.record for entry in entries]
        spec, task = self.plan.spec, self.task
        # Control cells only rank their intervention, so their own intervals are not computed.
        seed = seed_for(spec.seed, "interval", task.name)
        sampling = None if condition.role == "control" else Sampling(seed, spec.draws, spec.level)
        where = f"task {task.name}, condition {condition.name}"
        arm_facts = self._condition(answered.planned)
        status, reason = self._status(answered)
        outputs = sum(len(self._subjects(exchange)) for exchange in exchanges)
        result = Result(
            kind="measured",
            id=self._id(arm_facts, exchanges),
            status=status,
            reason=reason,
            task=self.facts,
            model=self.plan.respondents[SUBJECT].facts(),
            roles=self._roles(),
            arm=arm_facts,
            coverage=Coverage(answered=len(records), expected=len(exchanges)),
            headline=None if self._no_headline else self.facts.main_metric,
            metrics=figures(self.metrics, records, sampling, where),
            breakdowns=split_figures(self.metrics, records, task.config.breakdown, sampling),
            profiles=() if sampling is None else profiles_of(task.scorer, records),
            diagnostics=self._diagnostics(condition, exchanges, records),
            reasoning=reasoning_facts(records, outputs, self.marks),
            run=self._run(exchanges),
            source=self._source(),
            withheld=task.config.sensitive,
        )
        cell = Cell(result, entries)
        if condition.role == "baseline":
            self.baseline, self.baseline_exchanges = cell, exchanges
        return cell

    def _entries(self, exchanges: Sequence[Exchange]) -> Iterator[Entry]:
        """One entry per document; cells of a task have their documents in one order."""
        if not self.baseline_exchanges:
            yield from (self._entry(exchange, None) for exchange in exchanges)
        else:
            for before, exchange in zip(self.baseline_exchanges, exchanges, strict=True):
                yield self._entry(exchange, before)

    def _entry(self, exchange: Exchange, before: Exchange | None) -> Entry:
        answers = exchange.answers
        tokens = tuple(answer.tokens for answer in answers)
        record = self.task.record(exchange.document, exchange.outputs, tokens, self.marks)
        facts: dict[str, Plain] = {
            "visited": sum(answer.visited for answer in answers),
            "changed": sum(answer.changed for answer in answers),
        }
        rewritten = [reply.asked for reply in exchange.replies if reply.asked is not None]
        if rewritten:
            facts["rewritten"] = len(rewritten)
            facts["images"] = [image for request in rewritten for image in request.images]
        truncated = sum(answer.truncated for _, answer in self._subjects(exchange))
        if truncated:
            facts["truncated"] = truncated
        if before is not None:
            pairs = zip(self._subjects(before), self._subjects(exchange), strict=False)
            kls = [first_token_kl(a.first, b.first) for (_, a), (_, b) in pairs]
            known = [kl for kl in kls if kl is not None]
            if known:
                facts["kl"] = sum(known) / len(known)
        return Entry(record, facts)

    def _status(self, cell: AnsweredCell) -> tuple[Literal["ok", "inert"], str]:
        name = cell.planned.condition.name
        replies = [reply for exchange in cell.exchanges for reply in exchange.replies]
        acted = any(reply.answer.changed or reply.asked for reply in replies)
        if cell.planned.intervention is None or acted:
            return "ok", ""
        if not cell.planned.suits:
            return "inert", f"{name} acts on images, and {self.task.name} shows none"
        if any(reply.rewrite for reply in replies):
            return "inert", f"{name} left every request as it was"
        visited = sum(reply.answer.visited for reply in replies)
        if visited == 0:
            return "inert", f"{name} asked for no edit: its strength is zero"
        return "inert", f"the edits reached {visited:,} attention calls and altered no head"

    def _condition(self, planned: PlannedCell) -> ArmFacts:
        condition, intervention = planned.condition, planned.intervention
        read = [artefacts_of(part) for part in condition.interventions]
        owner = None if condition.role == "control" else intervention
        return ArmFacts(
            name=condition.name,
            role=condition.role,
            canonical=tuple(part.canonical for part in condition.interventions),
            defaults=assumed_strengths(condition.interventions),
            artefacts={name: sha for found in read for name, sha in found.items()},
            of=condition.of,
            draw=condition.draw,
            controls=control_facts(owner, self.plan.spec) if owner else None,
            baseline=self.baseline.result.id if self.baseline else None,
        )

    def _id(self, condition: ArmFacts, exchanges: Sequence[Exchange]) -> str:
        spec = self.plan.spec
        versions: dict[str, Plain] = {
            "task": self.facts.model_dump(mode="json"),
            "metrics": list(self.metrics),
            "scorer_options": plain(self.task.config.scorer_options),
            "breakdown": list(self.task.config.breakdown),
            "code": {f"{one.kind} {one.name}": one.digest for one in self.code},
            "arm": plain([condition.name, condition.canonical]),
            "sampling": [spec.seed, spec.draws, spec.level],
            "reasoning_marks": list(self.marks),
        }
        if self._no_headline:  # only where there is none, so that other ids stay
            versions["no_headline"] = self._no_headline
        return result_id(
            (reply.key for exchange in exchanges for reply in exchange.replies), versions
        )

    def _roles(self) -> dict[Role, ModelFacts]:
        """The models that answered the steps of other roles."""
        others = [role for role in roles_of(self.task) if role != SUBJECT]
        return {role: self.plan.respondents[role].facts() for role in others}

    def _subjects(self, exchange: Exchange) -> list[tuple[Request, Answer]]:
        """The subject's requests and answers."""
        return [
            (request, answer)
            for request, answer in zip(exchange.requests, exchange.answers, strict=True)
            if request.step in self.subject_steps
        ]

    def _diagnostics(
        self, condition: Condition, exchanges: Sequence[Exchange], records: Sequence[Record]
    ) -> Diagnostics:
        answers = [answer for exchange in exchanges for answer in exchange.answers]
        generated = [
            answer.truncated
            for exchange in exchanges
            for request, answer in self._subjects(exchange)
            if request.kind == "generate"
        ]
        losses = self._neutral(condition)
        before = [
            answer.first for one in self.baseline_exchanges for _, answer in self._subjects(one)
        ]
        after = [answer.first for one in exchanges for _, answer in self._subjects(one)]
        return Diagnostics(
            visited=sum(answer.visited for answer in answers),
            changed=sum(answer.changed for answer in answers),
            changed_share=changed_share(self.baseline.records, records) if self.baseline else None,
            first_token_kl=mean_first_token_kl(zip(before, after, strict=False)),
            # Controls run on fewer passages: only their change can be compared, not their level.
            neutral_loss=losses[0].loss if losses and condition.role != "control" else None,
            neutral_text=losses[0].text if losses and condition.role != "control" else None,
            neutral=losses,
            truncated_share=sum(generated) / len(generated) if generated else None,
            # Documents with equal prompts share one answer, which was computed once.
            passes=sum({r.key: r.answer.passes for one in exchanges for r in _asked(one)}.values()),
            rewritten=_rewritten(exchanges),
            overrun=self._overrun(exchanges),
        )

    def _neutral(self, condition: Condition) -> tuple[NeutralLoss, ...]:
        """The condition's losses on neutral text, with their change against the baseline."""
        found = self.collected.losses.get(condition.name, ())
        if condition.role == "baseline":
            return found
        base = {loss.text: loss for loss in self.collected.losses.get(BASELINE.name, ())}
        level = self.plan.spec.level
        return tuple(neutral.against(base.get(loss.text), loss, level) for loss in found)

    def _overrun(self, exchanges: Sequence[Exchange]) -> int | None:
        beyond = getattr(self.plan.model, "overrun", None)
        if beyond is None:
            return None
        asked = [request for one in exchanges for request, _ in self._subjects(one)]
        return sum(bool(beyond(request)) for request in asked)

    @property
    def _no_headline(self) -> str:
        """Why an adapter's answers may not be quoted alone; recorded ones may lack evidence."""
        models = [self.plan.respondents[role].model for role in roles_of(self.task)]
        return next((str(why) for one in models if (why := getattr(one, "no_headline", ""))), "")

    def _source(self) -> dict[str, str]:
        """Where recorded answers came from, and how they were joined; empty for other models.

        What is not the subject's carries its role: ``judge.joined by``.
        """
        known: dict[str, str] = {}
        for role in roles_of(self.task):
            prefix = "" if role == SUBJECT else f"{role}."
            said: Mapping[str, str] = getattr(self.plan.respondents[role].model, "source", {})
            known |= {f"{prefix}{name}": value for name, value in said.items()}
        return known | ({"no_headline": self._no_headline} if self._no_headline else {})

    def _run(self, exchanges: Sequence[Exchange]) -> RunFacts:
        spec = self.plan.spec
        batches = sorted({answer.batch for exchange in exchanges for answer in exchange.answers})
        torch = sys.modules.get("torch")
        return RunFacts(
            spec=spec.document(),
            digest=spec.digest,
            seed=spec.seed,
            batch_plan=digest(batches),
            batches=len(batches),
            threads=getattr(self.plan.model, "threads", None)
            or (torch.get_num_threads() if torch else None),
            versions=provenance.versions(),
            code=self.plan.code,
            commit=provenance.commit(),
        )


def _asked(exchange: Exchange) -> Iterator[Reply]:
    """Every request of a document, including those that rewrite its requests."""
    for reply in exchange.replies:
        yield from (reply,) if reply.rewrite is None else (reply.rewrite, reply)


def _rewritten(exchanges: Sequence[Exchange]) -> int | None:
    """Requests that were changed before they were asked; ``None``: nothing rewrites them."""
    replies = [reply for exchange in exchanges for reply in exchange.replies]
    if not any(reply.rewrite for reply in replies):
        return None
    return sum(reply.asked is not None for reply in replies)


def task_metrics(task: Task) -> Mapping[str, Metric]:
    """The task's metrics by registry name, the main one first."""
    names = [task.main_metric, *(name for name in task.metrics if name != task.main_metric)]
    return {name: lookup.metric(name) for name in names}


def task_facts(task: Task, documents: Sequence[Document]) -> TaskFacts:
    """What was asked, with the version of everything that turns answers into figures."""
    profile = task.config.scorer_options.get("profile")
    revision = task.config.dataset_kwargs.get("revision")
    return TaskFacts(
        name=task.name,
        version=task.version,
        main_metric=lookup.metric(task.main_metric).name,
        scorer=lookup.scorer(task.scorer).id,
        parser=lookup.parser(task.parser).id,
        profile=None if profile is None else str(profile),
        prompt_hash=task.prompt_hash,
        data_hash=hash_documents(documents),
        data_revision=None if revision is None else str(revision),
    )


def control_facts(intervention: PlannedIntervention, spec: RunSpec) -> ControlFacts | None:
    """Facts about an intervention's control draws; ``None`` without controls."""
    facts = intervention.facts
    if facts is None:
        return None
    drawn = len(intervention.controls)
    return ControlFacts(
        unit=facts.unit,
        drawn=drawn,
        possible=facts.possible,
        excluded=facts.excluded,
        heads=spec.control_heads,
        match=spec.control_match,
        test=facts.test,
        smallest_p=smallest_p(drawn) if facts.test else None,
    )
