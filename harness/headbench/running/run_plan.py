"""Plans a run, and refuses what cannot be done before anything runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

from headbench import _extensions
from headbench.errors import ConfigError, DataError, RefusedError
from headbench.interventions.norm_matching import check_matchable
from headbench.interventions.resolve import check_text, control_conditions, resolve
from headbench.jobs import Condition, Job, Model
from headbench.models.base_model import refuse_needs
from headbench.models.preview import ModelPreview
from headbench.nouns import Document, Role
from headbench.results.keys import seed_for
from headbench.results.schema import CodeFacts
from headbench.running import code, neutral
from headbench.running.early_checks import check_interventions
from headbench.running.model_roles import SUBJECT
from headbench.running.planned_cells import (
    BASELINE,
    PlannedCell,
    PlannedIntervention,
    PlannedTask,
    plan_cells,
    plan_task,
)
from headbench.running.respondents import (
    Respondent,
    check_early,
    load_respondents,
    preview_respondents,
)
from headbench.running.spec import RunSpec
from headbench.statistics import smallest_p
from headbench.tasks.all_layers import Models, checkable, with_layers
from headbench.tasks.loader import resolve_names
from headbench.tasks.task import Task

MOST_CONTROLS = 1_000
"""Largest number of control sets that ``--controls all`` enumerates."""


@dataclass(frozen=True)
class RunPlan:
    """A run that passed every check that needs no forward pass.

    Attributes:
        spec: The spec, with the model that was taken.
        tasks: The tasks with their documents, in order.
        respondents: Role -> who answers, bound to the tasks' images; always the subject.
        interventions: Every intervention with its controls; sweeps are spread out.
        notes: What the user should know: which model was taken, which controls are missing.
        code: What the run goes through that is not headbench's own.
    """

    spec: RunSpec
    tasks: tuple[PlannedTask, ...]
    respondents: Mapping[Role, Respondent]
    interventions: tuple[PlannedIntervention, ...]
    notes: tuple[str, ...]
    code: tuple[CodeFacts, ...]

    @property
    def model(self) -> Model:
        """The subject: the model that is evaluated, and that interventions act on."""
        return self.respondents[SUBJECT].model

    @property
    def identity(self) -> Mapping[str, str]:
        """Identity of the subject, part of the key of its answers."""
        return self.respondents[SUBJECT].identity

    @property
    def model_name(self) -> str:
        """Display name of the subject, as folders and tables carry it."""
        return self.respondents[SUBJECT].name

    @property
    def control_notes(self) -> tuple[str, ...]:
        """Those of ``notes`` that say which controls were drawn."""
        drawn = [one for one in self.interventions if one.facts is not None]
        return tuple(note for one in drawn for note in _control_note(one, self.spec))

    @cached_property
    def cells(self) -> tuple[PlannedCell, ...]:
        """Every cell of the run, in the order of its results."""
        return tuple(plan_cells(self.tasks, self.interventions))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The baseline, and every intervention with its controls, whichever tasks they suit."""
        named = ((one.condition, *one.controls) for one in self.interventions)
        return (BASELINE, *(condition for some in named for condition in some))


def make_plan(spec: RunSpec) -> RunPlan:
    """Load the tasks and the model, resolve the interventions, and refuse what cannot be done.

    Raises:
        HeadbenchError: an unknown name, broken data, a model that cannot answer the tasks, or an
            intervention that none of the tasks gives anything to act on.
    """
    include = [Path(folder) for folder in spec.include]
    # Once, and first: editing a file meanwhile must not give one run two versions of code.
    _extensions.include(include)
    for text in spec.interventions:
        check_text(text)
    check_early(spec)
    tasks = tuple(resolve_names(spec.tasks, include, spec.task_args, spec.changes))
    for task in tasks:
        checkable(task).check_scorer()
    spec, notes = _with_model(spec, tasks)
    check_interventions(spec, tasks)
    documents = [_documents(task, spec) for task in tasks]
    seen = preview_respondents(spec, tasks)
    # Weights take minutes to read, and the configuration shows much of what is impossible.
    shapes: Models = {role: look.info for role, look in seen.items()}
    tasks = tuple(with_layers(task, shapes) for task in tasks)
    for task in tasks:
        checkable(task, shapes).check_scorer(shapes)
    planned = tuple(
        plan_task(task, asked, spec.seed) for task, asked in zip(tasks, documents, strict=True)
    )
    if SUBJECT in seen:
        conditions = _resolved(spec, seen[SUBJECT])
        _check_needs(conditions, tasks)
        _check_jobs(seen[SUBJECT], conditions, planned)
    respondents = load_respondents(spec, tasks)
    shapes = {role: one.model.info for role, one in respondents.items()}
    counted = tuple(with_layers(task, shapes, final=True) for task in tasks)
    planned = tuple(
        one if task is one.task else plan_task(task, one.documents, spec.seed)
        for task, one in zip(counted, planned, strict=True)
    )
    tasks = counted
    for task in tasks:  # adapters without a preview, such as the shipped models
        task.check_scorer(shapes)
    model = respondents[SUBJECT].model
    interventions, more = _interventions(spec, model)
    _check_needs([one.condition for one in interventions], tasks)
    for one in respondents.values():
        one.model.bind(image_reader(planned))
    # What a recorded log was read from, and how it was joined.
    told = [note for one in respondents.values() for note in getattr(one.model, "notes", ())]
    return RunPlan(
        spec,
        planned,
        respondents,
        interventions,
        (*notes, *told, *more),
        code=tuple(
            code.used(respondents.values(), [one.condition for one in interventions], tasks)
        ),
    )


def _with_model(spec: RunSpec, tasks: Sequence[Task]) -> tuple[RunSpec, list[str]]:
    """Fill in the default subject."""
    if spec.model is not None:
        return spec, []
    with_images = [task.name for task in tasks if task.needs_images]
    with_wish = [task for task in tasks if task.config.metadata.reference]
    if with_images:
        name, reason = "ref-vlm", f"{', '.join(with_images)} needs images"
    elif with_wish:
        name = with_wish[0].config.metadata.reference
        reason = f"{', '.join(task.name for task in with_wish)} asks for it"
    else:
        name, reason = "ref-lm", "no task needs images"
    note = f"no --model was given: taking the shipped {name}, because {reason}"
    return spec.model_copy(update={"model": name}), [note]


def _documents(task: Task, spec: RunSpec) -> tuple[Document, ...]:
    if isinstance(spec.limit, float):
        whole = task.documents(spec.seed)
        documents = whole[: math.ceil(len(whole) * spec.limit)]
    else:
        documents = task.documents(spec.seed, spec.limit)
    if not documents:
        raise DataError("the task has no documents", where=f"task {task.name}")
    return documents


def _interventions(
    spec: RunSpec, model: Model
) -> tuple[tuple[PlannedIntervention, ...], list[str]]:
    """Resolve every intervention against the model's shapes, and draw its controls."""
    found: dict[str, PlannedIntervention] = {}
    notes: list[str] = []
    for condition in _resolved(spec, model):
        found[condition.name] = _with_controls(condition, spec)
        notes.extend(_control_note(found[condition.name], spec))
    if found:
        _check_controls(tuple(found.values()), spec, model)
    return tuple(found.values()), notes


def _resolved(spec: RunSpec, model: Model | ModelPreview) -> list[Condition]:
    """The conditions of a run's interventions, which the model can take."""
    if not spec.interventions:
        return []
    if model.info is None or not model.sites:
        raise RefusedError(
            "this model takes no interventions: its heads cannot be reached",
            where=f"--model {spec.model}",
            hint="leave --intervention out, or load the weights with --model hf",
        )
    found: dict[str, Condition] = {}
    for text in spec.interventions:
        for condition in map(code.with_code, resolve(text, model.info)):
            if condition.name in found or condition.role == "baseline":
                raise ConfigError(
                    f"the condition {condition.name!r} is given twice",
                    where=f"--intervention {text}",
                    hint="every run includes the baseline; name each intervention once",
                )
            for part in condition.interventions:
                refuse_needs(model, part, condition.name)
            found[condition.name] = condition
    return list(found.values())


def _with_controls(condition: Condition, spec: RunSpec) -> PlannedIntervention:
    """Draw the controls. One seed for all conditions: a sweep has one set of controls."""
    if spec.controls == 0:
        return PlannedIntervention(condition, (), None)
    every = spec.controls == "all"
    count = MOST_CONTROLS if spec.controls == "all" else spec.controls
    drawn, facts = control_conditions(
        condition, count, seed_for(spec.seed, "controls"), spec.contrast
    )
    if every and facts is not None and len(drawn) < facts.possible:
        raise RefusedError(
            f"{condition.name} has {facts.possible:,} possible controls; all of them are too many",
            where="--controls all",
            hint=f"give a number; 'all' takes at most {MOST_CONTROLS:,} sets",
        )
    return PlannedIntervention(condition, drawn, facts)


def _control_note(intervention: PlannedIntervention, spec: RunSpec) -> list[str]:
    name, facts = intervention.condition.name, intervention.facts
    if spec.controls == 0:
        return []
    if facts is None:
        kind = "" if spec.contrast is None else f" of the kind {spec.control_heads!r}"
        return [f"{name}: the method declares no control{kind}"]
    drawn = len(intervention.controls)
    count = f"all {drawn:,}" if drawn == facts.possible else f"{drawn} of {facts.possible:,}"
    kept = "its own heads are kept out" if facts.excluded else "its own may be among them"
    least = (
        f"the smallest rank p is {smallest_p(drawn):.3f}" if facts.test else "a contrast, without p"
    )
    match = "; strength matched by norm" if spec.control_match == "norm" else ""
    return [f"{name}: {count} possible controls ({facts.unit}; {kept}{match}; {least})"]


def _check_controls(
    interventions: Sequence[PlannedIntervention], spec: RunSpec, model: Model
) -> None:
    """Refuse controls that the user chose and no intervention of the run has."""
    if spec.control_match == "norm":
        if not hasattr(model, "output_weights"):
            raise RefusedError(
                "this model does not expose its output projection, so norms cannot be matched",
                where=f"--control-match norm, --model {spec.model}",
                hint="leave --control-match out",
            )
        for one in interventions:
            check_matchable(one.condition, one.controls)
    chosen = spec.control_heads != "any" and spec.controls != 0
    if chosen and interventions and all(one.facts is None for one in interventions):
        raise RefusedError(
            f"none of the interventions has controls of the kind {spec.control_heads!r}",
            where=f"--control-heads {spec.control_heads}",
            hint="leave it out: each method then takes its own controls",
        )


def _check_needs(conditions: Sequence[Condition], tasks: Sequence[Task]) -> None:
    for condition in conditions:
        if not any(PlannedIntervention(condition, (), None).suits(task) for task in tasks):
            raise RefusedError(
                f"{condition.name} acts on images, and none of the tasks shows any",
                where=f"tasks {', '.join(task.name for task in tasks)}",
                hint="add a task with images: headbench ls tasks marks them",
            )


def _check_jobs(
    look: ModelPreview, conditions: Sequence[Condition], tasks: Sequence[PlannedTask]
) -> None:
    """Try each task, and each condition with the first task that it suits."""
    if look.check_jobs is None:
        return
    asked = [one for one in tasks if one.task.steps[0].role == SUBJECT and one.all_first_requests]
    jobs = [Job(one.all_first_requests[0], BASELINE) for one in asked]
    for condition in conditions:
        suited = (one for one in asked if PlannedIntervention(condition, (), None).suits(one.task))
        jobs += [Job(one.all_first_requests[0], condition) for one in islice(suited, 1)]
    look.check_jobs(jobs, image_reader(tasks))


def image_reader(
    tasks: Sequence[PlannedTask], derived: Callable[[str], bytes] | None = None
) -> Callable[[str], bytes]:
    """Content hash -> encoded bytes of every image of a run, whichever task holds it.

    The scenes of the neutral captions are drawn when a model asks for one.

    Args:
        tasks: The run's tasks with their documents.
        derived: Reads the images that the run's interventions made.
    """
    owner: dict[str, Callable[[str], bytes]] = {
        sha256: planned.task.image
        for planned in tasks
        for document in planned.documents
        for sha256 in document.images.values()
    }

    def read(sha256: str) -> bytes:
        if sha256 in owner:
            return owner[sha256](sha256)
        drawn = neutral.captions().pictures
        if sha256 in drawn:
            return drawn[sha256]()
        if derived is None:
            raise DataError("no document of this run has this image", where=f"image {sha256}")
        return derived(sha256)

    return read
