"""From a job to its group of sequences: prompt, probes, plan, branches; and what its edits did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from headbench.edits import Branch, Case, Plan, Probe, Rewrite, Rewriter
from headbench.errors import HeadbenchError, RefusedError
from headbench.interventions.rewriting import rewriter
from headbench.jobs import Job
from headbench.models.hf.forward_pass import HFBackend
from headbench.models.hf.joined_plans import alone, check_declared, checked, join, merge
from headbench.models.hf.plan_checks import check_plan
from headbench.models.hf.prompts import Prompt
from headbench.models.hf.tower import capture_tower
from headbench.models.runtime import MAIN, Runtime, SequenceGroup, TokenSequence
from headbench.nouns import Capture, Heads, ModelInfo, Request

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from headbench.models.hf.encoder_pass import EncoderBackend


@dataclass
class PreparedJob:
    """One job, from its prompt to its answer.

    Attributes:
        job: Request and condition.
        prompt: The request as the model sees it; the rewritten one, where a method rewrites.
        case: What interventions read.
        plan: The joined plan of the condition.
        companion: The prompt of a probe that runs in the pass of the request's own prompt, and the
            edits of its row; ``None`` where no intervention has one.
        probes: What the condition's probes captured, by name.
        memory: The engine's memory of this row; lives as long as its answer.
        passes: Forward passes spent on it, probes and branches included.
        visited: Attention modules its edits reached.
        changed: Rows x heads its edits altered.
        chosen: Layer -> heads that were picked for this row.
    """

    job: Job
    prompt: Prompt
    case: Case
    plan: Plan = field(default_factory=Plan)
    companion: tuple[Prompt, Plan] | None = None
    probes: dict[str, dict[Capture, Tensor]] = field(default_factory=dict)
    memory: dict[str, Tensor] = field(default_factory=dict)
    passes: int = 0
    visited: int = 0
    changed: int = 0
    chosen: dict[int, Heads] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """Document, step and condition, for errors."""
        request = self.job.request
        place = f"document {request.document!r}, step {request.step!r}"
        return f"{place}, condition {self.job.condition.name}"


@dataclass(frozen=True)
class ProbedRewrite:
    """A request that is about to be rewritten.

    Attributes:
        work: Job, prompt and case.
        method: What rewrites it; ``None``: it is asked as it is.
        seen: What the method's probes captured.
    """

    work: PreparedJob
    method: Rewriter | None
    seen: Mapping[str, Mapping[Capture, Tensor]]

    def rewritten(self) -> Rewrite:
        """The request to ask instead."""
        if self.method is None:
            return Rewrite(self.work.job.request)
        return replace(self.method.rewrite(self.work.case, self.seen), passes=self.work.passes)


class RequestPreparation:
    """Turns jobs into groups of sequences, and runs their probes.

    Args:
        runtime: Drives the model.
        backend: The model behind it.
        info: Shapes.
        resolve: Request -> prompt.
        pixels: Content hash -> the processor's tensors.
        image: Content hash -> image, for methods that rewrite requests.
    """

    def __init__(
        self,
        runtime: Runtime,
        backend: HFBackend | EncoderBackend,
        info: ModelInfo,
        resolve: Callable[[Request], Prompt],
        pixels: Callable[[str], Mapping[str, Tensor]],
        image: Callable[[str], Image],
    ) -> None:
        self.runtime = runtime
        self.backend = backend
        self.info = info
        self.resolve = resolve
        self.pixels = pixels
        self.image = image

    def sequence(self, prompt: Prompt) -> TokenSequence:
        """A prompt as an unedited row."""
        return TokenSequence(
            tokens=list(prompt.tokens),
            prompt=len(prompt.tokens),
            image=prompt.spans.get("image", ()),
            pixels=tuple(self.pixels(sha256) for sha256 in prompt.images),
            spans=prompt.spans,
        )

    def group(self, job: PreparedJob) -> SequenceGroup:
        """A new group for a job: its prompt under its edits, and its branches."""
        main = self._main(job)
        sequences = {MAIN: main}
        for name, branch in (job.plan.branches or {}).items():
            sequences[name] = self._branch(job, main, branch)
        return SequenceGroup(sequences, job.plan.combine)

    def case(self, request: Request) -> Case:
        """A request as interventions see it."""
        prompt = self.resolve(request)
        return Case(request, prompt.tokens, prompt.spans, self.info, self.image)

    def check_plan(self, job: Job) -> None:
        """Try the plan of a job: see :func:`headbench.models.hf.plan_checks.check_plan`.

        Raises:
            RefusedError: It does not fit the model, or its parts do not fit each other.
        """
        if job.condition.interventions:
            shape = self.runtime.check_engine().shape
            check_plan(job, self.case(job.request), shape, self.resolve, loaded=True)

    def probe_rewrites(self, jobs: Sequence[Job]) -> list[ProbedRewrite]:
        """Run the probes of rewriting methods together."""
        methods = [rewriter(job.condition, job.request) for job in jobs]
        works = [self._prepared(job) for job in jobs]
        asked = [
            [checked(method, method.rewrite_probes(work.case), work.where)]
            if method is not None
            else []
            for method, work in zip(methods, works, strict=True)
        ]
        seen = self._probe(works, asked)
        return [
            ProbedRewrite(work, method, found[0] if found else {})
            for method, work, found in zip(methods, works, seen, strict=True)
        ]

    def open(self, jobs: Sequence[Job]) -> list[PreparedJob]:
        """Resolve prompts, run probes, and ask every intervention for its plan."""
        works = [self._prepared(job) for job in jobs]
        asked = [
            [
                checked(part, part.probes(work.case), work.where)
                for part in work.job.condition.interventions
            ]
            for work in works
        ]
        seen = self._probe(works, asked)
        for work, captured, probes in zip(works, seen, asked, strict=True):
            plans = [
                part.plan(work.case, found)
                for part, found in zip(work.job.condition.interventions, captured, strict=True)
            ]
            for method, plan in zip(work.job.condition.interventions, plans, strict=True):
                if plan.branches:
                    check_declared(method, "branches", "its plan compares branches", work.where)
            work.plan = join(plans, work.where)
            work.probes = merge(captured, work.where)
            work.companion = self._companion_of(probes, plans, work.where)
        return works

    def capture(
        self,
        works: Sequence[PreparedJob],
        captures: Sequence[Capture],
        answers: Sequence[tuple[int, ...]] = (),
    ) -> list[Mapping[Capture, Tensor]]:
        """Run prompts under their edits and record activations, one mapping per row.

        Args:
            works: The prompts.
            captures: What to record.
            answers: Ids that follow each prompt in its pass; by default none do.

        The vision tower is looked into in a pass of its own; no edit reaches it.
        """
        inside = tuple(capture for capture in captures if capture.tower == "vision")
        if not inside:
            return self._capture(works, captures, answers)
        self.runtime.check_engine()
        rest = tuple(capture for capture in captures if capture.tower != "vision")
        texts = self._capture(works, rest, answers)
        return [
            {
                **found,
                **capture_tower(self.backend.model, self.sequence(work.prompt).pixels, inside),
            }
            for work, found in zip(works, texts, strict=True)
        ]

    # ------------------------------------------------------------- inside

    def _prepared(self, job: Job) -> PreparedJob:
        return PreparedJob(job, self.resolve(job.request), self.case(job.request))

    def _main(self, job: PreparedJob) -> TokenSequence:
        """A job's own prompt under its edits."""
        row = replace(
            self.sequence(job.prompt), plan=job.plan, probes=job.probes, memory=job.memory
        )
        return self._accompanied(job, row)

    def _accompanied(self, job: PreparedJob, row: TokenSequence) -> TokenSequence:
        """A row with the companion that its selections read, where the job has one."""
        if job.companion is not None:
            prompt, plan = job.companion
            row.companion = replace(self.sequence(prompt), plan=plan, memory=row.memory)
        return row

    def _branch(self, job: PreparedJob, main: TokenSequence, branch: Branch) -> TokenSequence:
        """A companion of the main sequence."""
        row = (
            self.sequence(job.prompt)
            if branch.request is None
            else self.sequence(self.resolve(branch.request))
        )
        if branch.pixels is not None:
            row = replace(row, pixels=tuple(branch.pixels(image) for image in row.pixels))
        if branch.edits is not None:
            return replace(row, plan=Plan(edits=branch.edits), probes=main.probes)
        return self._accompanied(
            job, replace(row, plan=Plan(edits=main.plan.edits), probes=main.probes)
        )

    def _capture(
        self,
        works: Sequence[PreparedJob],
        captures: Sequence[Capture],
        answers: Sequence[tuple[int, ...]],
    ) -> list[Mapping[Capture, Tensor]]:
        groups = [SequenceGroup.of(self._main(work)) for work in works]
        for group, answer in zip(groups, answers, strict=False):
            group.main.tokens.extend(answer)  # the prompt's length stays: these are its decoding
        arrays: dict[int, Mapping[Capture, Tensor]] = {}
        for part in self.runtime.parts(groups):
            rows = [row for index in part for row in groups[index].prompt_rows]
            place = {id(row): number for number, row in enumerate(rows)}
            # Companions share the pass, but have other spans, and nobody reads their captures.
            mains = {index: place[id(groups[index].main)] for index in part}
            batch = self.runtime.encode(
                rows, cache=False, captures=captures, recorded=tuple(mains.values())
            )
            self.runtime.finish(batch)
            for index in part:
                arrays[index] = batch.captured.get(mains[index], {})
                note(works[index], groups[index])
        return [arrays[index] for index in range(len(works))]

    def _probe(
        self, works: Sequence[PreparedJob], asked: Sequence[Sequence[Sequence[Probe]]]
    ) -> list[list[dict[str, Mapping[Capture, Tensor]]]]:
        """What each intervention of each row saw, by probe name.

        Conditions of one prompt ask for the same probes; each distinct one runs once. Probes that
        run in the pass of their request record nothing.
        """
        distinct: dict[tuple[object, ...], tuple[Probe, PreparedJob]] = {}
        for work, condition in zip(works, asked, strict=True):
            for probe in (probe for part in condition for probe in part if not probe.companion):
                plain = PreparedJob(work.job, self.resolve(probe.request), self.case(probe.request))
                distinct.setdefault(self._probe_key(probe), (probe, plain))
                work.passes += 1
        found = self._run_probes(distinct)
        return [
            [
                {probe.name: found[self._probe_key(probe)] for probe in part if not probe.companion}
                for part in condition
            ]
            for condition in asked
        ]

    def _companion_of(
        self, probes: Sequence[Sequence[Probe]], plans: Sequence[Plan], where: str
    ) -> tuple[Prompt, Plan] | None:
        """The probe that runs in the request's own pass, and its edits.

        Its row runs under the edits of the intervention that asked for it, and under no others,
        numbered as in the request's plan: one choice of heads serves both rows.

        Raises:
            RefusedError: Two interventions ask for one.
        """
        found = [
            (self.resolve(probe.request), alone(plans, number))
            for number, part in enumerate(probes)
            for probe in part
            if probe.companion and plans[number].edits
        ]
        if len(found) > 1:
            raise RefusedError(
                "two interventions select heads by a companion of the request",
                where=where,
                hint="run them one at a time",
            )
        return found[0] if found else None

    def _probe_key(self, probe: Probe) -> tuple[object, ...]:
        prompt = self.resolve(probe.request)
        spans = tuple(sorted(prompt.spans.items()))
        look = (probe.captures, probe.gradient, probe.objective)
        return (look, prompt.tokens, prompt.images, spans)

    def _run_probes(
        self, distinct: Mapping[tuple[object, ...], tuple[Probe, PreparedJob]]
    ) -> dict[tuple[object, ...], Mapping[Capture, Tensor]]:
        """What each distinct probe saw; those that look for the same share passes."""
        found: dict[tuple[object, ...], Mapping[Capture, Tensor]] = {}
        for look in dict.fromkeys(key[0] for key in distinct):
            keys = [key for key in distinct if key[0] == look]
            probe = distinct[keys[0]][0]
            works = [distinct[key][1] for key in keys]
            rows = (
                self._gradients(works, probe)
                if probe.gradient
                else self.capture(works, probe.captures)
            )
            found |= dict(zip(keys, rows, strict=True))
        return found

    def _gradients(
        self, works: Sequence[PreparedJob], probe: Probe
    ) -> list[Mapping[Capture, Tensor]]:
        """Differentiate unedited prompts as a probe asks, one mapping per prompt.

        Raises:
            RefusedError: The probe looks into the vision tower.
        """
        if any(capture.tower == "vision" for capture in probe.captures):
            raise RefusedError(
                "gradients are taken in the text model, not in the vision tower",
                where=f"probe {probe.name!r}",
                hint="capture values there, without gradient",
            )
        rows = [self.sequence(work.prompt) for work in works]
        found: dict[int, Mapping[Capture, Tensor]] = {}
        for part in self.runtime.parts([SequenceGroup.of(row) for row in rows]):
            gradients = self.runtime.gradients(
                [rows[index] for index in part],
                probe.captures,
                probe.objective or likeliest,
            )
            found |= {index: gradients[place] for place, index in enumerate(part)}
        return [found[index] for index in range(len(rows))]


def likeliest(logits: Tensor) -> Tensor:
    """Log-probability of the most likely token of ``[vocabulary]``: what probes differentiate."""
    highest: Tensor = logits.log_softmax(-1).max()
    return highest


def note(work: PreparedJob, group: SequenceGroup) -> None:
    """Add what the edits of a finished group did to its job's account."""
    for row in group.rows:
        work.visited = max(work.visited, row.visited)
        work.changed += row.changed
        for layer, heads in row.chosen.items():
            work.chosen[layer] = tuple(sorted({*work.chosen.get(layer, ()), *heads}))
    work.changed += group.altered
    work.passes += sum(row.passes for row in group.prompt_rows)


def check_visited(work: PreparedJob) -> None:
    """An edited row whose edits reached no module was not edited.

    Raises:
        HeadbenchError: always in that case.
    """
    if edited(work.plan) and work.visited == 0:
        raise HeadbenchError(
            "the edits of a condition reached no attention module",
            where=work.where,
            hint="check the intervention's layers and heads with `headbench show intervention`",
        )


def edited(plan: Plan) -> bool:
    """Whether a plan edits the main pass or a branch."""
    return bool(plan.edits) or any(branch.edits for branch in (plan.branches or {}).values())
