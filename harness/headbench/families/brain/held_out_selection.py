"""Choose a layer or head on one part of the data, report its score on the other.

The best of many candidates, scored where it was chosen, is too good: of 24 layers without any
relation to the target the best "differs from 0" in two thirds of the runs. The parts are stimuli or
subjects. The *optimism gap* is the naive best score less the mean held-out score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.rdm import Floats, Integers, check_rdms, stimulus_count, subset
from headbench.families.brain.rdm_similarity import Method, similarity

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Scores = Callable[[Integers], Floats]
"""Indices of stimuli or subjects -> score of each candidate on them: ``[candidate]``."""


@dataclass(frozen=True)
class Split:
    """Where a candidate is chosen, and where it is scored.

    Attributes:
        choose: Indices.
        score: Indices; none is also in ``choose``.
    """

    choose: Integers
    score: Integers


@dataclass(frozen=True)
class HeldOut:
    """A selection and what it costs.

    Attributes:
        chosen: ``[split]``, index of the candidate chosen.
        scores: ``[split]``, its score on the other part.
        score: Mean of ``scores``: the figure to report.
        naive: Greatest score over all data: chosen and scored in one place.
        best: The candidate that has it.
        optimism_gap: ``naive - score``. With halves of the stimuli a part of it is that a half is
            noisier.
        agreement: Share of splits that chose the most frequent candidate.
    """

    chosen: tuple[int, ...]
    scores: Floats
    score: float
    naive: float
    best: int
    optimism_gap: float
    agreement: float


def select(scores: Scores, splits: Sequence[Split], everything: int) -> HeldOut:
    """Choose the best candidate on one part and score it on the other, for every split.

    Args:
        scores: Gives the score of every candidate on some indices; NaN for an undefined one, which
            is never chosen.
        splits: From :func:`halves` or :func:`folds`.
        everything: How many stimuli or subjects there are.

    Raises:
        DataError: No split, or a part on which no candidate has a score.
    """
    if not splits:
        raise DataError("no split to select on", where="splits", hint="use halves or folds")
    chosen, found = [], []
    for split in splits:
        best = _best(scores(split.choose))
        chosen.append(best)
        found.append(float(scores(split.score)[best]))
    whole = scores(np.arange(everything))
    best = _best(whole)
    score = float(np.mean(found))
    naive = float(whole[best])
    share = Counter(chosen).most_common(1)[0][1] / len(chosen)
    return HeldOut(tuple(chosen), np.array(found), score, naive, best, naive - score, share)


def over_stimuli(models: ArrayLike, target: ArrayLike, method: Method = "rho_a") -> Scores:
    """Candidates scored on some of the stimuli.

    Args:
        models: ``[candidate, pair]``; one that is constant on the chosen stimuli has no score.
        target: ``[subject, pair]`` or ``[pair]``; scores are averaged over subjects.
        method: The comparator; ranks are taken anew among the chosen stimuli.
    """
    left, right = check_rdms(models, "model RDM"), check_rdms(target)
    if stimulus_count(left.shape[1]) != stimulus_count(right.shape[1]):
        raise DataError(
            "candidates and target are of different stimuli",
            where=f"{left.shape[1]} and {right.shape[1]} pairs",
            hint="keep the stimuli that both sides share, in one order",
        )

    def scores(stimuli: Integers) -> Floats:
        parts = subset(left, stimuli), subset(right, stimuli)
        return np.asarray(similarity(*parts, method, constant="nan").mean(axis=1))

    return scores


def over_subjects(table: ArrayLike, median: bool = False) -> Scores:
    """Candidates scored on some of the subjects.

    Args:
        table: ``[candidate, subject]``: similarity, or normalised score, NaN where undefined.
        median: Take the median over subjects instead of the mean.
    """
    values = np.asarray(table, dtype=np.float64)

    def scores(subjects: Integers) -> Floats:
        part = values[:, subjects]
        known = np.isfinite(part).any(axis=1)
        found = np.full(len(part), np.nan)
        average = np.nanmedian if median else np.nanmean
        found[known] = average(part[known], axis=1)
        return found

    return scores


def halves(count: int, seed: int, repeats: int = 10) -> list[Split]:
    """Random halves, each used once to choose and once to score: ``2 * repeats`` splits.

    Args:
        count: Stimuli or subjects.
        seed: Of the halves.
        repeats: How many times to halve.
    """
    random = np.random.default_rng(seed)
    found = []
    for _ in range(repeats):
        order = random.permutation(count)
        one, two = np.sort(order[: count // 2]), np.sort(order[count // 2 :])
        found += [Split(one, two), Split(two, one)]
    return found


def folds(groups: ArrayLike, count: int, seed: int) -> list[Split]:
    """Folds that keep groups whole: score on one, choose on the others.

    Args:
        groups: ``[index]``, the group of each stimulus or subject; all different for plain folds.
        count: Folds, at least 2 and at most the number of groups.
        seed: Of the order of the groups.

    Raises:
        DataError: More folds than groups.
    """
    labels = np.unique(np.asarray(groups), return_inverse=True)[1]
    total = int(labels.max()) + 1 if len(labels) else 0
    if not 2 <= count <= total:
        raise DataError(
            f"{count} folds of {total} groups",
            where="folds",
            hint="give between 2 and as many folds as there are groups",
        )
    return list(_folds(labels, count, np.random.default_rng(seed).permutation(total)))


def _folds(labels: Integers, count: int, order: Integers) -> Iterator[Split]:
    """Groups go, largest first, to the fold with the fewest members so far."""
    sizes = np.bincount(labels)
    filled = np.zeros(count, dtype=np.int64)
    place = np.empty(len(sizes), dtype=np.int64)
    for group in sorted(order.tolist(), key=lambda one: -sizes[one]):
        place[group] = int(np.argmin(filled))
        filled[place[group]] += sizes[group]
    fold = place[labels]
    for one in range(count):
        yield Split(np.flatnonzero(fold != one), np.flatnonzero(fold == one))


def _best(scores: Floats) -> int:
    if not np.isfinite(scores).any():
        raise DataError(
            "no candidate has a score on a part",
            where="selection",
            hint="larger parts, or fewer folds",
        )
    return int(np.nanargmax(scores))
