"""Stimuli, pooling and people of a task of the scorer ``rsa``, for the detector of that name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headbench.detectors.alignment import check_count
from headbench.detectors.detector import Trial, Trials
from headbench.errors import ConfigError, RefusedError
from headbench.families.brain.human_sides import HumanSide, human_side
from headbench.models.base_model import digest_of
from headbench.nouns import Capture, Document
from headbench.tasks.arguments import parse_task_args
from headbench.tasks.loader import load
from headbench.tasks.task import Task

if TYPE_CHECKING:
    from pydantic import JsonValue

SCORER = "rsa"
OTHER_SPLITS = ("train", "calibration")
"""Splits to choose heads on: none of their stimuli is scored by the task."""


@dataclass(frozen=True)
class TaskTarget:
    """What heads are compared with.

    Attributes:
        task: The task over the stimuli that are shown.
        split: Of its data.
        people: Name of the human side.
    """

    task: Task
    split: str
    people: str

    @property
    def side(self) -> HumanSide:
        """People's geometry, and the comparator."""
        return human_side(self.people)

    @property
    def capture(self) -> Capture:
        """How the task pools the states of a stimulus."""
        return self.task.steps[0].captures[0]


def task_target(name: str, args: str, split: str) -> TaskTarget:
    """The target that a task names.

    Args:
        name: A task, or a YAML file.
        args: Its arguments, ``name=value,name=value``.
        split: Of its data; empty: the first of :data:`OTHER_SPLITS` that it has.

    Raises:
        ConfigError: No such task, argument or split, or nothing to choose heads on.
        RefusedError: A task of another scorer, or one that keeps many states per stimulus.
    """
    given = parse_task_args(args)
    task = load(Path(name) if name.endswith((".yaml", ".yml")) else name, args=given)
    people = task.config.scorer_options.get("people")
    if task.scorer != SCORER or not isinstance(people, str) or human_side(people).kind == "given":
        raise RefusedError(
            f"the task {task.name} compares no states with people's geometry",
            where=f"--task {name}: scorer {task.scorer}",
            hint="take rsa, rsa_things, rsa_things_last or rsa_scenes; "
            "a table of your own is --set target=FILE",
        )
    capture = task.steps[0].captures[0]
    if capture.pool == "none" and capture.rows != "last":
        raise RefusedError(
            f"the task {task.name} keeps the states of all rows {capture.rows!r}",
            where=f"--task {name}: captures",
            hint="pool them: pool=mean, or rows=last",
        )
    last: ConfigError | None = None
    for one in (split,) if split else OTHER_SPLITS:
        config = task.config.model_copy(update={"test_split": one})
        other = Task.build(config, task.merged)
        try:
            other.documents(limit=1)
        except ConfigError as error:
            last = error
            continue
        return TaskTarget(other, one, people)
    raise ConfigError(
        f"the data of {task.name} has no split {split!r}"
        if split
        else f"the data of {task.name} has no stimuli to choose heads on",
        where=f"--task {name}: {last.what if last else 'no split'}",
        hint="--set split=NAME names one of its splits; heads that are chosen on the stimuli that "
        "are scored look too good",
    )


def task_trials(target: TaskTarget, limit: int | None, seed: int) -> Trials:
    """The task's stimuli that people have seen, or a random sample of them.

    Raises:
        DataError: Too few stimuli, or data that is absent or broken.
    """
    known = frozenset(target.side.geometry.stimuli)
    documents = [one for one in target.task.documents() if one.id in known]
    if limit is not None and limit < len(documents):
        chosen = np.sort(np.random.default_rng(seed).permutation(len(documents))[:limit])
        documents = [documents[at] for at in chosen.tolist()]
    check_count(len(documents), f"task {target.task.name}, split {target.split}")
    trials = tuple(_trial(target.task, one) for one in documents)
    images = {sha256 for trial in trials for sha256 in trial.request.images}
    asked = [[dict(turn) for turn in one.request.messages] for one in trials]
    facts: dict[str, JsonValue] = {
        "target": target.people,
        "task": target.task.name,
        "task_version": target.task.version,
        "split": target.split,
        "documents": len(trials),
        "subjects": len(target.side.geometry.rdms),
        "sha256": digest_of([asked, sorted(images)]),
    }
    return Trials(trials, facts, images={one: target.task.image(one) for one in sorted(images)})


def _trial(task: Task, document: Document) -> Trial:
    (request,) = task.requests(document, task.steps[0], {}, 0)
    return Trial(request, "")
