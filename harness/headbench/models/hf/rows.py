"""One job inside a batch: its prompt, its probes, its plan, and what its edits did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from headbench.errors import HeadbenchError, RefusedError
from headbench.models.hf.forward import Line, Runner
from headbench.models.hf.generate import Attach
from headbench.models.hf.prompts import Prompt
from headbench.models.hf.tower import capture_tower
from headbench.types import (
    Capture,
    Case,
    Edit,
    Heads,
    Job,
    ModelInfo,
    Plan,
    Probe,
    Request,
    Scale,
)

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.interventions.engine import Engine

Seen = Mapping[str, Mapping[Capture, "Tensor"]]


@dataclass
class Work:
    """One job, from its prompt to its answer.

    Attributes:
        job: Request and arm.
        prompt: The request as the model sees it; the rewritten one, where a method rewrites.
        case: What interventions read.
        plan: The joined plan of the arm.
        probes: What the arm's probes captured, by name.
        memory: The engine's memory of this row; lives as long as its answer.
        passes: Forward passes of the row.
        visited: Attention modules its edits reached.
        changed: Rows x heads its edits altered.
        chosen: Layer -> heads that were picked for this row.
    """

    job: Job
    prompt: Prompt
    case: Case
    plan: Plan = field(default_factory=Plan)
    probes: dict[str, dict[Capture, Tensor]] = field(default_factory=dict)
    memory: dict[str, Tensor] = field(default_factory=dict)
    passes: int = 0
    visited: int = 0
    changed: int = 0
    chosen: dict[int, Heads] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """Document, step and arm, for errors."""
        request = self.job.request
        return f"document {request.document!r}, step {request.step!r}, arm {self.job.arm.name}"


class Desk:
    """Prepares rows and runs them under their edits.

    Args:
        runner: Runs the model.
        engine: Carries the edits; ``None`` refuses them.
        info: Shapes.
        resolve: Request -> prompt.
        pixels: Content hash -> the processor's tensors.
    """

    def __init__(
        self,
        runner: Runner,
        engine: Engine | None,
        info: ModelInfo,
        resolve: Callable[[Request], Prompt],
        pixels: Callable[[str], Mapping[str, Tensor]],
    ) -> None:
        self.runner = runner
        self.engine = engine
        self.info = info
        self.resolve = resolve
        self.pixels = pixels

    def line(self, prompt: Prompt, more: Sequence[int] = ()) -> Line:
        """A prompt, and perhaps more tokens, as a row of a batch."""
        return Line(
            tokens=(*prompt.tokens, *more),
            image=prompt.spans.get("image", ()),
            pixels=tuple(self.pixels(sha256) for sha256 in prompt.images),
        )

    def case(self, request: Request) -> Case:
        """A request as interventions see it."""
        prompt = self.resolve(request)
        return Case(request, prompt.tokens, prompt.spans, self.info)

    def open(self, jobs: Sequence[Job]) -> list[Work]:
        """Resolve prompts, run probes, and ask every arm for its plans."""
        works = [Work(job, self.resolve(job.request), self.case(job.request)) for job in jobs]
        asked = [[part.probes(work.case) for part in work.job.arm.interventions] for work in works]
        seen = self._probe(works, asked)
        for work, captured, probes in zip(works, seen, asked, strict=True):
            plans = [
                part.plan(work.case, found)
                for part, found in zip(work.job.arm.interventions, captured, strict=True)
            ]
            work.plan = join(plans, work.where)
            work.probes = merge(captured)
            for number, part in enumerate(probes):
                for probe in part:
                    if probe.beside and plans[number].edits:
                        self._run_beside(work, probe, alone(plans, number))
            if work.plan.request is not None:
                work.prompt = self.resolve(work.plan.request)
                work.case = self.case(work.plan.request)
        return works

    def attach(self, works: Sequence[Work], lines: Sequence[Line]) -> Attach:
        """How rows of this batch run under their edits.

        Args:
            works: The work of each row; several rows may share one.
            lines: The rows.
        """
        if not any(work.plan.edits for work in works):
            return lambda indices, length: nullcontext()
        engine = self._engine()

        @contextmanager
        def attached(indices: Sequence[int], length: int) -> Iterator[object]:
            rows = [self._row(works[i], length - len(lines[i].tokens)) for i in indices]
            if not any(works[index].plan.edits for index in indices):
                yield None
                return
            with engine.attach(rows) as firing:
                yield firing
            for place, index in enumerate(indices):
                note(works[index], firing, place)

        return attached

    def capture(
        self, works: Sequence[Work], captures: Sequence[Capture]
    ) -> list[Mapping[Capture, Tensor]]:
        """Run prompts under their edits and bring activations home, one mapping a row.

        The vision tower is looked into in a pass of its own; no edit reaches it.
        """
        inside = tuple(capture for capture in captures if capture.tower == "vision")
        if not inside:
            return self._capture(works, captures)
        self._engine()
        rest = tuple(capture for capture in captures if capture.tower != "vision")
        texts = self._capture(works, rest)
        return [
            {**found, **capture_tower(self.runner.model, self.line(work.prompt).pixels, inside)}
            for work, found in zip(works, texts, strict=True)
        ]

    # ------------------------------------------------------------- inside

    def _capture(
        self, works: Sequence[Work], captures: Sequence[Capture]
    ) -> list[Mapping[Capture, Tensor]]:
        lines = [self.line(work.prompt) for work in works]
        engine = self._engine()
        arrays: dict[int, Mapping[Capture, Tensor]] = {}
        for part in self.runner.parts(lines):
            length = max(len(lines[index].tokens) for index in part)
            rows = [self._row(works[i], length - len(lines[i].tokens)) for i in part]
            with engine.attach(rows) as firing, engine.capture(captures, rows) as found:
                self.runner.prefill([lines[index] for index in part], cache=False)
            for place, index in enumerate(part):
                arrays[index] = found[place]
                note(works[index], firing, place)
        return [arrays[index] for index in range(len(works))]

    def _engine(self) -> Engine:
        if self.engine is None:
            raise RefusedError(
                f"{self.info.name} was loaded without the intervention engine",
                where="--model-args attn=sdpa",
                mend="use attn=headbench",
            )
        return self.engine

    def _row(self, work: Work, pad: int) -> Any:
        from headbench.interventions.engine import Row

        return Row(
            plan=work.plan,
            prompt=len(work.prompt.tokens),
            pad=pad,
            spans=work.prompt.spans,
            probes=work.probes,
            memory=work.memory,
        )

    def _probe(
        self, works: Sequence[Work], asked: Sequence[Sequence[Sequence[Probe]]]
    ) -> list[list[dict[str, Mapping[Capture, Tensor]]]]:
        """What each intervention of each row saw, by probe name.

        Arms of one prompt ask for the same probes; each distinct one runs once. Probes that run
        beside their request bring nothing home.
        """
        distinct: dict[tuple[object, ...], tuple[Probe, Work]] = {}
        for work, arm in zip(works, asked, strict=True):
            for probe in (probe for part in arm for probe in part if not probe.beside):
                if probe.gradient:
                    raise RefusedError("probes with gradients are not supported", where=work.where)
                plain = Work(work.job, self.resolve(probe.request), self.case(probe.request))
                distinct.setdefault(self._probe_key(probe), (probe, plain))
                work.passes += 1
        found = self._run_probes(distinct)
        return [
            [
                {probe.name: found[self._probe_key(probe)] for probe in part if not probe.beside}
                for part in arm
            ]
            for arm in asked
        ]

    def _run_beside(self, work: Work, probe: Probe, plan: Plan) -> None:
        """Run a request and its probe in one batch; the choices made stay in the row's memory.

        Args:
            work: The request, under all its edits.
            probe: The other prompt.
            plan: What the probe's row runs under, numbered as the request's plan.
        """
        other = Work(work.job, self.resolve(probe.request), self.case(probe.request), plan)
        other.memory = work.memory
        lines = [self.line(part.prompt) for part in (work, other)]
        length = max(len(line.tokens) for line in lines)
        first, second = (
            self._row(part, length - len(line.tokens))
            for part, line in zip((work, other), lines, strict=True)
        )
        with self._engine().attach([replace(first, beside=1), second]):
            self.runner.prefill(lines, cache=False)
        work.passes += 1

    def _probe_key(self, probe: Probe) -> tuple[object, ...]:
        prompt = self.resolve(probe.request)
        spans = tuple(sorted(prompt.spans.items()))
        return (probe.captures, prompt.tokens, prompt.images, spans)

    def _run_probes(
        self, distinct: Mapping[tuple[object, ...], tuple[Probe, Work]]
    ) -> dict[tuple[object, ...], Mapping[Capture, Tensor]]:
        found: dict[tuple[object, ...], Mapping[Capture, Tensor]] = {}
        for captures in dict.fromkeys(probe.captures for probe, _ in distinct.values()):
            keys = [key for key, (probe, _) in distinct.items() if probe.captures == captures]
            rows = self.capture([distinct[key][1] for key in keys], captures)
            found |= dict(zip(keys, rows, strict=True))
        return found


def join(plans: Sequence[Plan], where: str) -> Plan:
    """One plan of several, left to right.

    Raises:
        RefusedError: two parts rewrite the request or combine branches; or branches, which this
            adapter does not run.
    """
    rewrites = [plan.request for plan in plans if plan.request is not None]
    if len(rewrites) > 1:
        raise RefusedError(
            "two interventions rewrite the request", where=where, mend="run them one at a time"
        )
    if any(plan.branches or plan.combine for plan in plans):
        raise RefusedError(
            "the 'hf' adapter does not run contrast branches",
            where=where,
            mend="choose an intervention that edits the forward pass",
        )
    edits = tuple(edit for plan in plans for edit in plan.edits)
    return replace(Plan(), edits=edits, request=rewrites[0] if rewrites else None)


def alone(plans: Sequence[Plan], number: int) -> Plan:
    """The edits of one part of a composition, each in its place; the others' do nothing."""
    nothing = Edit("z", Scale(1.0), {})
    edits = tuple(
        edit if place == number else nothing
        for place, plan in enumerate(plans)
        for edit in plan.edits
    )
    return Plan(edits=edits)


def merge(captured: Sequence[Seen]) -> dict[str, dict[Capture, Tensor]]:
    """Probes of all parts of a composition, by name."""
    merged: dict[str, dict[Capture, Tensor]] = {}
    for part in captured:
        for name, arrays in part.items():
            merged.setdefault(name, {}).update(arrays)
    return merged


def note(work: Work, firing: Any, place: int) -> None:
    """Add what one attachment did to a row's account."""
    work.visited = max(work.visited, firing.visited(place))
    work.changed += firing.changed(place)
    for layer, heads in firing.chosen(place).items():
        work.chosen[layer] = tuple(sorted({*work.chosen.get(layer, ()), *heads}))


def check_visited(work: Work) -> None:
    """An edited row whose edits reached no module was not edited.

    Raises:
        HeadbenchError: always in that case.
    """
    if work.plan.edits and work.visited == 0:
        raise HeadbenchError(
            "the edits of an arm reached no attention module",
            where=work.where,
            mend="check the intervention's layers and heads with `headbench show intervention`",
        )
