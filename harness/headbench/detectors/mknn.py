"""Mutual nearest neighbours: whether stimuli that are near in a head are near in the target.

With N_k(i) the k stimuli of greatest cosine to i (arXiv 2405.07987; per head: 2606.23885)::

    score(h) = mean over subjects s and stimuli i of  |N_k of h (i) and N_k of s (i)| / k     0..1

Chance is k / (n - 1), which the map records. Of equally near stimuli the earlier ones count, which
matters for targets of few features such as ``concepts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from headbench.detectors import alignment
from headbench.detectors.detector import Detector, Measurement, Trials
from headbench.errors import ConfigError
from headbench.families.brain.mutual_neighbours import chance, neighbours, shared_neighbours
from headbench.families.brain.rdm import Floats, Integers, rdm

if TYPE_CHECKING:
    from headbench.detectors.detector import HeadModel


class MknnParams(alignment.AlignmentParams):
    """The target, and how many neighbours count."""

    k: int = Field(10, ge=1)
    """Neighbours of each stimulus among all; fewer than half of the stimuli. A half of the stimuli
    takes the same share, ``k`` / 2, so that chance is about as likely in it."""


def load(params: MknnParams, limit: int | None, seed: int) -> Trials:
    """The target's stimuli (:func:`.alignment.load`), before a model is loaded.

    Raises:
        ConfigError: Half of the stimuli have no ``k`` neighbours.
    """
    trials = alignment.load(params, limit, seed)
    _check_k(params, len(trials.trials))
    return trials


def _check_k(params: MknnParams, stimuli: int) -> None:
    if params.k >= stimuli // 2:
        raise ConfigError(
            f"k={params.k} of {stimuli} stimuli",
            where=f"--set k={params.k}",
            hint=f"choose at most {stimuli // 2 - 1}: halves of the stimuli are compared too",
        )


def run(model: HeadModel, trials: Trials, params: MknnParams) -> Measurement:
    """Score every head.

    Raises:
        ConfigError: Half of the stimuli have no ``k`` neighbours.
        DataError: Trials and target do not fit, or no head tells the stimuli apart.
    """
    patterns = alignment.patterns_of(alignment.target_of(params.target), trials)
    stimuli = patterns.shape[1]
    _check_k(params, stimuli)
    near: dict[bytes, list[np.ndarray]] = {}  # set of stimuli -> neighbours per subject

    def scores(features: Floats, sets: Sequence[Integers]) -> Floats:
        zero = not np.abs(features).sum(axis=1).all()
        if zero or np.ptp(rdm(features, "cosine")) == 0:
            return np.full(len(sets), np.nan)
        found = []
        for chosen in sets:
            k = max(1, round(params.k * len(chosen) / stimuli))
            people = near.get(chosen.tobytes())
            if people is None:
                people = [neighbours(one[chosen], k) for one in patterns]
                near[chosen.tobytes()] = people
            own = neighbours(features[chosen], k)
            found.append(np.mean([shared_neighbours(own, one).mean() for one in people]))
        return np.array(found)

    measured = alignment.measure(model, trials, params, alignment.one_by_one(scores))
    return replace(measured, facts={**measured.facts, "chance": chance(stimuli, params.k)})


DETECTOR = Detector("mknn", MknnParams, run, "needles", 0, data=load, encoders=True)
