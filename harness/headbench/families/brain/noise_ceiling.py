"""What a perfect model could reach, given how much subjects differ (Nili et al. 2014).

Lower bound: each subject against the mean of the others. Upper bound: against the mean of all, the
subject included; that mean is the RDM with the greatest average similarity to the subjects, for
Kendall's tau only nearly. RDMs are ranked or scaled per subject before they are averaged, as the
comparator asks.

The ceiling is an estimate, not a bound: models exceed it on small samples. Scores are therefore
divided by the *lower* bound and never clipped; values above 1 are marked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headbench.errors import RefusedError
from headbench.families.brain.ranks import average_ranks
from headbench.families.brain.rdm import Booleans, Floats, check_rdms
from headbench.families.brain.rdm_similarity import (
    Method,
    PreparedRdms,
    prepare,
    prepared_similarity,
    weighted_similarity,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LEAST_SUBJECTS = 2
MAD_TO_SD = 1.4826
"""Times the median absolute deviation: the standard deviation of a normal distribution."""


@dataclass(frozen=True)
class NoiseCeiling:
    """Noise ceiling of a group, on the scale of its comparator.

    Attributes:
        lower: Mean over subjects of ``lower_by_subject``.
        upper: Mean over subjects of ``upper_by_subject``.
        lower_by_subject: ``[subject]``, against the mean of the others.
        upper_by_subject: ``[subject]``, against the mean of all.
    """

    lower: float
    upper: float
    lower_by_subject: Floats
    upper_by_subject: Floats


@dataclass(frozen=True)
class Normalised:
    """A score as a share of its ceiling.

    Attributes:
        value: score / lower bound; NaN where that bound is not above 0.
        above_one: The score exceeds the bound.
        note: Why there is no value; empty otherwise.
    """

    value: float
    above_one: bool
    note: str = ""


@dataclass(frozen=True)
class SubjectScores:
    """Scores of one model against each subject, each divided by that subject's own ceiling.

    Attributes:
        values: ``[subject]``, not clipped; NaN where the subject's ceiling is not above 0.
        median: Over subjects with a value; NaN for none.
        spread: Median absolute deviation times 1.4826.
        undefined: Subjects without a value.
        beyond_one: Share of the values outside -1..1: what a clip would have hidden.
    """

    values: Floats
    median: float
    spread: float
    undefined: int
    beyond_one: float


def noise_ceiling(subjects: ArrayLike, method: Method = "rho_a") -> NoiseCeiling:
    """Lower and upper noise ceiling of subjects' RDMs.

    Args:
        subjects: ``[subject, pair]``, at least two.
        method: The comparator that scores the models.

    Raises:
        RefusedError: One subject has no ceiling.
        DataError: RDMs that cannot be compared.
    """
    own, others, group = _pooled(subjects, method)
    lower = np.array(
        [prepared_similarity(others.pick(slice(s, s + 1)), own.pick(slice(s, s + 1)))[0, 0]
         for s in range(len(own))]
    )  # fmt: skip
    upper = prepared_similarity(group, own)[0]
    return NoiseCeiling(float(lower.mean()), float(upper.mean()), lower, upper)


def weighted_ceiling(
    subjects: ArrayLike, weights: ArrayLike, method: Method = "rho_a"
) -> tuple[Floats, Floats]:
    """The ceiling of each subject under weights per stimulus.

    Means over other subjects are formed once, over all subjects and the full sample of stimuli.

    Args:
        subjects: ``[subject, pair]``, at least two.
        weights: ``[draw, stimulus]``.
        method: The comparator.

    Returns:
        Lower and upper bounds, ``[draw, subject]`` each: average them with a draw's weights per
        subject.
    """
    own, others, group = _pooled(subjects, method)
    lower = [
        weighted_similarity(others.pick(slice(s, s + 1)), own.pick(slice(s, s + 1)), weights)
        for s in range(len(own))
    ]
    return np.concatenate([one[:, 0] for one in lower], axis=1), weighted_similarity(
        group, own, weights
    )[:, 0]


def normalise(score: float, ceiling: float) -> Normalised:
    """A score over the lower noise ceiling, not clipped.

    Args:
        score: On the comparator's scale.
        ceiling: The lower bound, on the same scale.
    """
    if not ceiling > 0:
        note = f"the lower noise ceiling is {ceiling:.3f}: subjects share no geometry"
        return Normalised(float("nan"), False, note)
    value = score / ceiling
    return Normalised(value, value > 1)


def normalise_subjects(scores: ArrayLike, ceilings: ArrayLike) -> SubjectScores:
    """Each subject's score over the subject's own lower ceiling.

    Args:
        scores: ``[subject]``, the model against each subject.
        ceilings: ``[subject]``, lower bounds (``NoiseCeiling.lower_by_subject``).
    """
    raw, bound = np.asarray(scores, np.float64), np.asarray(ceilings, np.float64)
    usable: Booleans = bound > 0
    values = np.full(raw.shape, np.nan)
    values[usable] = raw[usable] / bound[usable]
    known = values[np.isfinite(values)]
    if not len(known):
        return SubjectScores(values, np.nan, np.nan, len(values), np.nan)
    median = float(np.median(known))
    spread = MAD_TO_SD * float(np.median(np.abs(known - median)))
    beyond = float((np.abs(known) > 1).mean())
    return SubjectScores(values, median, spread, len(values) - len(known), beyond)


def pool(subjects: ArrayLike, method: Method) -> Floats:
    """Subjects' RDMs on the scale on which they are averaged.

    Args:
        subjects: ``[subject, pair]``.
        method: The comparator: ranks for rank comparators, z-scores for ``pearson`` and
            ``corr_cov``, division by the root mean square for the cosines.

    Returns:
        ``[subject, pair]``; their mean is the group's RDM.
    """
    table = check_rdms(subjects, "subject's RDM")
    if method in ("spearman", "rho_a", "tau_a"):
        return np.array([average_ranks(row) for row in table])
    if method in ("pearson", "corr_cov"):
        table = table - table.mean(axis=1, keepdims=True)
    return np.asarray(table / np.sqrt((table**2).mean(axis=1, keepdims=True)))


def _pooled(subjects: ArrayLike, method: Method) -> tuple[PreparedRdms, PreparedRdms, PreparedRdms]:
    """Each subject; the mean of the others of each; the mean of all."""
    own = prepare(subjects, method, "subject's RDM")
    if len(own) < LEAST_SUBJECTS:
        raise RefusedError(
            "one subject has no noise ceiling",
            where=f"{len(own)} subject",
            hint="give at least two, or repeats of this one as if they were subjects",
        )
    scaled = pool(subjects, method)
    total = scaled.sum(axis=0)
    others = (total - scaled) / (len(scaled) - 1)
    return own, prepare(others, method), prepare(total / len(scaled), method)
