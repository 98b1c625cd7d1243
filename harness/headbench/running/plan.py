"""What a run will do, decided and refused before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headbench.errors import ConfigError, DataError, RefusedError
from headbench.interventions.registry import load_include
from headbench.interventions.resolve import control_arms, resolve
from headbench.models.registry import create
from headbench.results.keys import seed_for
from headbench.results.schema import CodeFacts
from headbench.running import code
from headbench.running.spec import RunSpec
from headbench.tasks.loader import resolve_names
from headbench.tasks.task import Task
from headbench.types import Arm, Controls, Document, Model

BASELINE = Arm("baseline")


@dataclass(frozen=True)
class Toggle:
    """A toggle arm with its controls.

    Attributes:
        arm: The resolved intervention.
        controls: Its control arms, possibly fewer than asked for.
        facts: What was drawn; ``None`` where the method declares no control.
    """

    arm: Arm
    controls: tuple[Arm, ...]
    facts: Controls | None

    @property
    def needs_image(self) -> bool:
        """Whether it can act on documents with images only."""
        return any("image" in part.needs for part in self.arm.interventions)


@dataclass(frozen=True)
class RunPlan:
    """A run that passed every check that needs no forward pass.

    Attributes:
        spec: The spec, with the model that was taken.
        tasks: Loaded tasks, in order.
        documents: Documents by task name.
        model: The adapter, bound to the tasks' images.
        toggles: Every toggle arm; sweeps are spread out.
        notes: What the user should know: which model was taken, which controls are missing.
        identity: What the model's answers are known by.
        code: What the run goes through that is not headbench's own.
    """

    spec: RunSpec
    tasks: tuple[Task, ...]
    documents: Mapping[str, tuple[Document, ...]]
    model: Model
    toggles: tuple[Toggle, ...]
    notes: tuple[str, ...]
    identity: Mapping[str, str]
    code: tuple[CodeFacts, ...]

    @property
    def model_name(self) -> str:
        """Display name of the model, as folders and tables carry it."""
        if self.model.info is not None:
            return self.model.info.name
        return self.model.identity.get("name", str(self.spec.model))

    def arms(self, task: Task) -> tuple[Arm, ...]:
        """Baseline, toggles and controls of one task.

        A toggle that the task gives nothing to act on still runs, so that ``inert`` is seen and
        not assumed; its controls would say nothing and do not.
        """
        arms = [BASELINE]
        for toggle in self.toggles:
            arms.append(toggle.arm)
            if meets(toggle, task):
                arms.extend(toggle.controls)
        return tuple(arms)


def meets(toggle: Toggle, task: Task) -> bool:
    """Whether a task's documents hold what a toggle acts on."""
    return task.needs_images or not toggle.needs_image


def make_plan(spec: RunSpec) -> RunPlan:
    """Load the tasks and the model, resolve the toggles, and refuse what cannot be done.

    Raises:
        HeadbenchError: an unknown name, broken data, a model that cannot answer the tasks, or a
            toggle that none of the tasks gives anything to act on.
    """
    include = [Path(folder) for folder in spec.include]
    tasks = tuple(resolve_names(spec.tasks, include))
    spec, notes = _with_model(spec, tasks)
    documents = {task.name: _documents(task, spec) for task in tasks}
    model = _create(spec)
    _check_model(model, tasks)
    toggles, more = _toggles(spec, model)
    _check_needs(toggles, tasks)
    _bind(model, tasks, documents)
    told = getattr(model, "notes", ())  # what a recorded log was read from, and how it was joined
    return RunPlan(
        spec,
        tasks,
        documents,
        model,
        toggles,
        (*notes, *told, *more),
        identity=code.identity_of(spec, model),
        code=tuple(code.used(spec, model, [toggle.arm for toggle in toggles], tasks)),
    )


def _with_model(spec: RunSpec, tasks: Sequence[Task]) -> tuple[RunSpec, list[str]]:
    """Fill in the default model: one model a run."""
    if spec.model is not None:
        return spec, []
    seeing = [task.name for task in tasks if task.needs_images]
    asking = [task for task in tasks if task.config.metadata.reference]
    if seeing:
        name, reason = "ref-vlm", f"{', '.join(seeing)} needs images"
    elif asking:
        name = asking[0].config.metadata.reference
        reason = f"{', '.join(task.name for task in asking)} asks for it"
    else:
        name, reason = "ref-lm", "no task needs images"
    note = f"no --model was given: taking the shipped {name}, because {reason}"
    return spec.model_copy(update={"model": name}), [note]


def _create(spec: RunSpec) -> Model:
    args = dict(spec.model_args)
    if spec.batch_size != "auto":
        args["batch_size"] = str(spec.batch_size)
    if spec.allow_overrun:
        args["allow_overrun"] = "true"
    return create(spec.model or "", args)


def _documents(task: Task, spec: RunSpec) -> tuple[Document, ...]:
    documents = task.documents(spec.seed, spec.limit)
    if not documents:
        raise DataError("the task has no documents", where=f"task {task.name}")
    return documents


def _check_model(model: Model, tasks: Sequence[Task]) -> None:
    for task in tasks:
        if task.needs_images and not model.images:
            raise RefusedError(
                f"task {task.name!r} shows images, and this model takes none",
                where=f"model {model.identity.get('name', '')}",
                mend="choose a vision-language model with --model, or leave the task out",
            )
        for step in task.steps:
            if step.kind not in model.kinds:
                answered = ", ".join(sorted(model.kinds))
                raise RefusedError(
                    f"task {task.name!r} asks {step.kind!r}, which this model does not answer",
                    where=f"step {step.name}",
                    mend=f"it answers: {answered}",
                )
            if step.role != "subject":
                raise RefusedError(
                    f"step {step.name!r} of task {task.name!r} is for the role {step.role!r}",
                    mend="a run has one model, the subject; answer the other role with "
                    "'headbench rescore'",
                )


def _toggles(spec: RunSpec, model: Model) -> tuple[tuple[Toggle, ...], list[str]]:
    """Resolve every toggle against the model's shapes, and draw its controls."""
    if not spec.interventions:
        return (), []
    if model.info is None or not model.sites:
        raise RefusedError(
            "this model takes no interventions: its inside is out of reach",
            where=f"--model {spec.model}",
            mend="leave --intervention out, or load the weights with --model hf",
        )
    # Once for all toggles: a file that is edited meanwhile must not give one run two codes.
    load_include([Path(folder) for folder in spec.include])
    found: dict[str, Toggle] = {}
    notes: list[str] = []
    for text in spec.interventions:
        for arm in map(code.with_code, resolve(text, model.info)):
            if arm.name in found or arm.role == "baseline":
                raise ConfigError(
                    f"the arm {arm.name!r} is given twice",
                    where=f"--intervention {text}",
                    mend="every run has a baseline arm by itself; name each toggle once",
                )
            toggle = _with_controls(arm, spec)
            found[arm.name] = toggle
            notes.extend(_control_note(toggle, spec.controls))
    return tuple(found.values()), notes


def _with_controls(arm: Arm, spec: RunSpec) -> Toggle:
    if spec.controls == 0:
        return Toggle(arm, (), None)
    drawn, facts = control_arms(arm, spec.controls, seed_for(spec.seed, "controls", arm.name))
    return Toggle(arm, tuple(drawn), facts)


def _control_note(toggle: Toggle, asked: int) -> list[str]:
    name = toggle.arm.name
    if asked == 0:
        return []
    if toggle.facts is None:
        return [f"{name}: the method declares no control"]
    kept = "its own heads are kept out" if toggle.facts.excluded else "its own may be among them"
    return [
        f"{name}: {len(toggle.controls)} control draws ({toggle.facts.unit}; "
        f"{toggle.facts.possible:,} possible; {kept})"
    ]


def _check_needs(toggles: Sequence[Toggle], tasks: Sequence[Task]) -> None:
    for toggle in toggles:
        if not any(meets(toggle, task) for task in tasks):
            raise RefusedError(
                f"{toggle.arm.name} acts on images, and none of the tasks shows any",
                where=f"tasks {', '.join(task.name for task in tasks)}",
                mend="add a task with images, e.g. pope",
            )


def _bind(model: Model, tasks: Sequence[Task], documents: Mapping[str, Sequence[Document]]) -> None:
    """Give the model every image of the run by content hash, whichever task holds it."""
    owner: dict[str, Callable[[str], bytes]] = {
        sha256: task.image
        for task in tasks
        for document in documents[task.name]
        for sha256 in document.images.values()
    }

    def read(sha256: str) -> bytes:
        if sha256 not in owner:
            raise DataError("no document of this run has this image", where=f"image {sha256}")
        return owner[sha256](sha256)

    model.bind(read)
