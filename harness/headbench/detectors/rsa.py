"""Representational similarity: how far the geometry of a head's outputs is the target's.

With the RDM of head h over the stimuli, 1 - Pearson r of its outputs ``z`` for every pair
(Kriegeskorte, Mur and Bandettini 2008), and that of each subject s of the target::

    score(h) = mean over s of  comparator(RDM_h, RDM_s)                                   -1..1

Comparators and their traps: :mod:`headbench.families.brain.rdm_similarity`. A score is not divided
by the noise ceiling; where the target has subjects, the map states it. Beside the scores stand
their z under random relabelling of the stimuli (``null_z``). An untrained model of the same shape
(``--model-args untrained=true``) is the control: its heads score near 0 on ``concepts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, JsonValue

from headbench.detectors import alignment
from headbench.detectors.detector import Detector, Measurement, Trials
from headbench.detectors.task_alignment import TaskTarget, task_target, task_trials
from headbench.errors import ConfigError
from headbench.families.brain.noise_ceiling import LEAST_SUBJECTS, noise_ceiling
from headbench.families.brain.rdm import Floats, Integers, Kind, constant_rows, rdm
from headbench.families.brain.rdm_similarity import (
    Method,
    null_sd,
    permuted_similarity,
    prepare,
    refuse_headline,
    weighted_similarity,
)

if TYPE_CHECKING:
    from headbench.detectors.detector import HeadModel


REPLACED = ("target", "prompt", "pool", "distance")
"""Parameters whose place a task takes."""


class RsaParams(alignment.AlignmentParams):
    """The target, and how geometries are compared."""

    method: Method = "pearson"
    """The comparator. Spearman's ranks are taken once over all stimuli, also for their halves."""
    distance: Kind = "correlation"
    """Dissimilarity of the target's vectors; ``euclidean`` for ratings, whose level counts. That of
    heads is always 1 - Pearson r."""
    null: int = Field(0, ge=0)
    """Random relabellings of the stimuli, for the p of the best head of all."""
    task: str = ""
    """A task of the scorer ``rsa`` (``rsa``, ``rsa_things``, ``rsa_scenes``, a file of your own),
    whose prompts, pooling, people and comparator are taken. It takes the place of ``target``,
    ``prompt``, ``pool`` and ``distance``; ``method`` may be another."""
    task_args: str = ""
    """Arguments of that task: ``name=value,name=value``."""
    split: str = ""
    """Split of the task's data; by default the one that the task does not score (``train``,
    ``calibration``), so that heads are chosen on other stimuli."""


DEFAULTS = {name: RsaParams.model_fields[name].default for name in REPLACED}


def load(params: RsaParams, limit: int | None, seed: int) -> Trials:
    """The target's stimuli (:func:`.alignment.load`), before a model is loaded.

    Raises:
        RefusedError: ``cosine``, which says nothing of such RDMs.
    """
    target = _task(params)
    if target is None:
        trials = alignment.load(params, limit, seed)
    else:
        trials = task_trials(target, limit, seed)
    _target_rdms(params, target, trials)
    return trials


def _task(params: RsaParams) -> TaskTarget | None:
    """The target that a task names; ``None`` where none is named.

    Raises:
        ConfigError: Parameters of which a task takes the place, or that need one.
    """
    given = params.model_fields_set
    if not params.task:
        alone = [name for name in ("task_args", "split") if getattr(params, name)]
        if alone:
            raise ConfigError(
                f"{alone[0]} belongs to a task",
                where=f"--set {alone[0]}={getattr(params, alone[0])}",
                hint="add --task NAME",
            )
        return None
    own = [name for name in REPLACED if name in given and getattr(params, name) != DEFAULTS[name]]
    if own:
        raise ConfigError(
            f"the task {params.task} brings its own {own[0]}",
            where=f"--set {own[0]}={getattr(params, own[0])}",
            hint="leave it out, or leave out --task; arguments of the task go to --task-args",
        )
    return task_target(params.task, params.task_args, params.split)


def _method(params: RsaParams, target: TaskTarget | None) -> Method:
    """The comparator: the given one, or the task's."""
    if target is None or "method" in params.model_fields_set:
        return params.method
    return target.side.method


def _target_rdms(params: RsaParams, target: TaskTarget | None, trials: Trials) -> Floats:
    """RDMs of the target that the comparator suits, ``[subject, pair]``."""
    if target is not None:
        rdms = target.side.geometry.over([trial.request.document for trial in trials.trials])
    else:
        patterns = alignment.patterns_of(alignment.target_of(params.target), trials)
        rdms = np.array([rdm(one, params.distance) for one in patterns])
    refuse_headline(_method(params, target), rdms)
    return rdms


def run(model: HeadModel, trials: Trials, params: RsaParams) -> Measurement:
    """Score every head.

    Raises:
        RefusedError: ``cosine``, which says nothing of such RDMs.
        DataError: Trials and target do not fit, or no head tells the stimuli apart.
    """
    target = _task(params)
    method = _method(params, target)
    rdms = _target_rdms(params, target, trials)
    people = prepare(rdms, method, "target RDM")

    random = np.random.default_rng(0)
    orders = np.array([random.permutation(people.stimuli) for _ in range(params.null)])

    def scores(features: Floats, sets: Sequence[Integers]) -> alignment.HeadScores:
        own = prepare(np.array([_head_rdm(one) for one in features]), method, constant="nan")
        weights = np.zeros((len(sets), people.stimuli))
        for row, chosen in zip(weights, sets, strict=True):
            row[chosen] = 1.0
        values = weighted_similarity(own, people, weights).mean(axis=2)  # [set, head]
        relabelled = np.empty((0, len(features)))
        if params.null:
            relabelled = permuted_similarity(own, people, orders).mean(axis=2)  # [draw, head]
        return alignment.HeadScores(values.T, null_sd(own, people), relabelled.T)

    like = None if target is None else target.capture
    measured = alignment.measure(model, trials, params, scores, like)
    facts = {**measured.facts, **_ceiling(rdms, method)}
    if target is not None:
        facts |= {"method": method, "rows": target.capture.rows, "pool": target.capture.pool}
    return replace(measured, facts=facts)


def _head_rdm(features: Floats) -> Floats:
    """1 - Pearson r of a head's outputs; constant, so undefined, where the head does not vary."""
    if constant_rows(features).any():
        return np.zeros(len(features) * (len(features) - 1) // 2)
    return rdm(features)


def _ceiling(rdms: Floats, method: Method) -> dict[str, JsonValue]:
    """Noise ceiling of the target's subjects, or why there is none."""
    if len(rdms) < LEAST_SUBJECTS:
        why = "the target has one RDM: averages over raters say nothing of how far raters agree"
        return {"noise_ceiling": None, "no_ceiling": why}
    found = noise_ceiling(rdms, method)
    lower, upper = (round(float(bound), alignment.DIGITS) for bound in (found.lower, found.upper))
    return {"noise_ceiling": {"lower": lower, "upper": upper}}


DETECTOR = Detector("rsa", RsaParams, run, "needles", 0, data=load, encoders=True)
