"""The models of a run: one adapter per role, each with its identity.

Interventions act on the subject alone. The other roles are asked as they are, under the baseline
condition, so that equal prompts share one answer whatever the subject did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headbench.errors import RefusedError
from headbench.jobs import Model
from headbench.models import adapter_catalogue
from headbench.models.adapter_catalogue import code_of, create, preview
from headbench.models.preview import ModelPreview
from headbench.nouns import Role
from headbench.results.schema import ModelFacts
from headbench.running.model_roles import ROLES, SUBJECT
from headbench.running.spec import RunSpec
from headbench.tasks.task import Task


@dataclass(frozen=True)
class Respondent:
    """An adapter in its role.

    Attributes:
        adapter: Its name in the catalogue.
        model: The adapter itself.
        identity: What its answers are known by.
    """

    adapter: str
    model: Model
    identity: Mapping[str, str]

    @property
    def name(self) -> str:
        """Display name, as folders and tables carry it."""
        if self.model.info is not None:
            return self.model.info.name
        return self.model.identity.get("name", self.adapter)

    def facts(self) -> ModelFacts:
        """The facts that a result stores about it."""
        return ModelFacts(
            name=self.name,
            adapter=self.adapter,
            family=self.model.info.family if self.model.info else "",
            identity=dict(self.identity),
        )


AdapterCall = tuple[str, dict[str, str]]
"""Name of an adapter, and its arguments."""


def load_respondents(spec: RunSpec, tasks: Sequence[Task]) -> dict[Role, Respondent]:
    """Load the adapter of every role; one that two roles share is loaded once.

    Raises:
        RefusedError: An adapter cannot answer its steps.
    """
    loaded: list[tuple[AdapterCall, Model]] = []
    respondents: dict[Role, Respondent] = {}
    for role, call in _adapters(spec).items():
        same = [model for other, model in loaded if other == call]
        model = same[0] if same else create(*call)
        loaded.append((call, model))
        _check_answers(role, model, tasks)
        code = code_of(call[0], model)
        identity = {**model.identity, **({"code": code.digest} if code else {})}
        respondents[role] = Respondent(call[0], model, identity)
    return respondents


def check_early(spec: RunSpec) -> None:
    """Refuse models that cannot be had, before any model library is imported.

    Raises:
        ConfigError: A checkpoint is neither here nor to be fetched.
    """
    for call in _adapters(spec).values():
        adapter_catalogue.check_early(*call)


def preview_respondents(spec: RunSpec, tasks: Sequence[Task]) -> dict[Role, ModelPreview]:
    """What is known of the models of a run before their weights are read.

    Raises:
        RefusedError: A step is for a role without a model, a model has a role that no step is for,
            a task asks the subject nothing, or an adapter cannot answer its steps.
    """
    _check_roles(spec, tasks)
    looks = {role: preview(*call) for role, call in _adapters(spec).items()}
    previews = {role: look for role, look in looks.items() if look is not None}
    for role, look in previews.items():
        _check_answers(role, look, tasks)
    return previews


def _adapters(spec: RunSpec) -> dict[Role, AdapterCall]:
    """Name and arguments of the adapter of every role."""
    subject_args = dict(spec.model_args)
    if spec.batch_size != "auto":
        subject_args["batch_size"] = str(spec.batch_size)
    if spec.allow_overrun:
        subject_args["allow_overrun"] = "true"
    subject: AdapterCall = (spec.model or "", subject_args)
    as_written: AdapterCall = (spec.model or "", dict(spec.model_args))
    # The two options are the subject's, and so are those of a role that is the same model: with
    # other arguments, one checkpoint would be loaded twice.
    wanted: dict[Role, AdapterCall] = {SUBJECT: subject}
    for role, told in spec.roles.items():
        other: AdapterCall = (told.model, told.args)
        wanted[role] = subject if other == as_written else other
    return wanted


def roles_of(task: Task) -> tuple[Role, ...]:
    """The roles that a task asks, the subject first."""
    asked = {step.role for step in task.steps}
    return tuple(role for role in ROLES if role in asked)


def _check_roles(spec: RunSpec, tasks: Sequence[Task]) -> None:
    for task in tasks:
        for step in task.steps:
            if step.role != SUBJECT and step.role not in spec.roles:
                raise RefusedError(
                    f"step {step.name!r} of task {task.name!r} is for the role {step.role!r}, "
                    "which this run has no model for",
                    where=f"--model {spec.model or ''}".strip(),
                    hint=f"name one: --model {SUBJECT}={spec.model or 'ADAPTER'},"
                    f"{step.role}=ADAPTER",
                )
        if SUBJECT not in roles_of(task):
            raise RefusedError(
                f"task {task.name!r} asks the subject nothing",
                where=f"steps {', '.join(step.name for step in task.steps)}",
                hint="leave `role` out of a step: the model that is evaluated is the subject",
            )
    for role in spec.roles:
        if not any(role in roles_of(task) for task in tasks):
            raise RefusedError(
                f"no step of these tasks is for the role {role!r}",
                where=f"{role}={spec.roles[role].model}",
                hint="leave it out of --model",
            )


def _check_answers(role: Role, model: Model | ModelPreview, tasks: Sequence[Task]) -> None:
    """Refuse a model that cannot answer the steps of its role."""
    where = f"model {model.identity.get('name', '')}"
    for task in tasks:
        steps = [step for step in task.steps if step.role == role]
        shown = any(step.config.doc_to_image for step in steps)
        if (shown or (role == SUBJECT and task.needs_images)) and not model.images:
            raise RefusedError(
                f"task {task.name!r} shows images, and this model takes none",
                where=where,
                hint="choose a vision-language model with --model, or leave the task out",
            )
        if len(steps) > 1 and getattr(model, "one_step", False):
            named = ", ".join(step.name for step in steps)
            raise RefusedError(
                f"task {task.name!r} asks the {role} in {len(steps)} steps ({named}), and a "
                "recorded row does not say which step its outputs answer",
                where=where,
                hint="score the outputs with `headbench rescore`, or ask a model: --model hf",
            )
        for step in steps:
            if step.kind not in model.kinds:
                answered = ", ".join(sorted(model.kinds))
                raise RefusedError(
                    f"task {task.name!r} asks {step.kind!r}, which this model does not answer",
                    where=f"step {step.name}, {where}",
                    hint=f"it answers: {answered}",
                )
    joined = getattr(model, "source", {}).get("joined by")
    if role != SUBJECT and joined == "id only":
        raise RefusedError(
            f"stored outputs that are joined by id alone cannot answer for the {role}: what it is "
            "asked depends on the subject's answers",
            where=where,
            hint="give a file whose rows say what was asked: question=FIELD",
        )
