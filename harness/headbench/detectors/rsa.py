"""Representational similarity: how far the geometry of a head's outputs is the target's.

With the RDM of head h over the stimuli, 1 - Pearson r of its outputs ``z`` for every pair
(Kriegeskorte, Mur and Bandettini 2008), and that of each subject s of the target::

    score(h) = mean over s of  comparator(RDM_h, RDM_s)                                   -1..1

Comparators and their traps: :mod:`headbench.families.brain.rdm_similarity`. A score is not divided
by a noise ceiling. An untrained model of the same shape (``--model-args untrained=true``) is the
control: its heads score near 0 on ``concepts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from headbench.detectors import alignment
from headbench.detectors.detector import Detector, Measurement, Trials
from headbench.families.brain.rdm import Floats, Integers, constant_rows, rdm
from headbench.families.brain.rdm_similarity import (
    Method,
    prepare,
    refuse_headline,
    weighted_similarity,
)

if TYPE_CHECKING:
    from headbench.models.hf.adapter import HFModel


class RsaParams(alignment.AlignmentParams):
    """The target, and how geometries are compared."""

    method: Method = "pearson"
    """The comparator. Spearman's ranks are taken once over all stimuli, also for their halves."""


def load(params: RsaParams, limit: int | None, seed: int) -> Trials:
    """The target's stimuli (:func:`.alignment.load`), before a model is loaded.

    Raises:
        RefusedError: ``cosine``, which says nothing of such RDMs.
    """
    trials = alignment.load(params, limit, seed)
    _target_rdms(params, trials)
    return trials


def _target_rdms(params: RsaParams, trials: Trials) -> Floats:
    """RDMs of the target that the comparator suits, ``[subject, pair]``."""
    patterns = alignment.patterns_of(alignment.target_of(params.target), trials)
    rdms = np.array([rdm(one) for one in patterns])
    refuse_headline(params.method, rdms)
    return rdms


def run(model: HFModel, trials: Trials, params: RsaParams) -> Measurement:
    """Score every head.

    Raises:
        RefusedError: ``cosine``, which says nothing of such RDMs.
        DataError: Trials and target do not fit, or no head tells the stimuli apart.
    """
    rdms = _target_rdms(params, trials)
    people = prepare(rdms, params.method, "target RDM")

    def scores(features: Floats, sets: Sequence[Integers]) -> Floats:
        if constant_rows(features).any():
            return np.full(len(sets), np.nan)
        own = prepare(rdm(features), params.method, constant="nan")
        weights = np.zeros((len(sets), len(features)))
        for row, chosen in zip(weights, sets, strict=True):
            row[chosen] = 1.0
        return np.asarray(weighted_similarity(own, people, weights)[:, 0].mean(axis=1))

    return alignment.measure(model, trials, params, scores)


DETECTOR = Detector("rsa", RsaParams, run, "needles", 0, data=load)
