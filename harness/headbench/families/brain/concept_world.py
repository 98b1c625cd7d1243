"""Concepts whose geometry is known, and subjects whose noise is: nothing is downloaded.

The 193 words of the wall world belong to 23 categories, some of them to two or three. Their own
features are those memberships: they reach the ceiling. ``ref-lm-v2`` learned the categories, a
model with random weights did not: their scores lie below it, and at zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headbench.errors import ConfigError
from headbench.families.brain.rdm import Floats, rdm
from headbench.worlds.walls import CATEGORIES

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class ConceptWorld:
    """Words and what they are.

    Attributes:
        words: ``[concept]``, in alphabetical order; each is one token of the reference models.
        categories: Names of the categories.
        features: ``[concept, category]``: 1 for membership.
        truth: ``[pair]``, 1 - Pearson r of the memberships.
    """

    words: tuple[str, ...]
    categories: tuple[str, ...]
    features: Floats
    truth: Floats


def concept_world() -> ConceptWorld:
    """The concepts of the wall world."""
    words = tuple(sorted({word for members in CATEGORIES.values() for word in members}))
    names = tuple(CATEGORIES)
    features = np.array([[word in CATEGORIES[name] for name in names] for word in words], float)
    return ConceptWorld(words, names, features, rdm(features))


def simulated_subjects(truth: ArrayLike, subjects: int, reliability: float, *, seed: int) -> Floats:
    """RDMs of subjects that share one geometry and differ by noise of a known size.

    Noise is independent per pair, so that the ceiling has a closed form
    (:func:`expected_ceiling`); real noise is shared by the pairs of a stimulus.

    Args:
        truth: ``[pair]``.
        subjects: How many.
        reliability: Share of each subject's variance that is the truth's, above 0 to 1.
        seed: Of the noise.

    Returns:
        ``[subject, pair]``, of mean 0 and variance 1 apart from sampling.
    """
    if not 0 < reliability <= 1 or subjects < 1:
        raise ConfigError(
            "simulated subjects need a reliability above 0 and at most 1",
            where=f"reliability={reliability}, subjects={subjects}",
            hint="e.g. reliability=0.3, subjects=8",
        )
    shared = np.asarray(truth, dtype=np.float64)
    shared = (shared - shared.mean()) / shared.std()
    noise = np.random.default_rng(seed).standard_normal((subjects, len(shared)))
    return np.asarray(np.sqrt(reliability) * shared + np.sqrt(1 - reliability) * noise)


def expected_ceiling(subjects: int, reliability: float) -> tuple[float, float, float]:
    """Pearson noise ceiling of :func:`simulated_subjects`, and what the truth itself scores.

    With reliability p and S subjects, the mean of k of them has variance v(k) = p + (1 - p) / k:
    lower p / sqrt(v(S - 1)), upper sqrt(v(S)), truth sqrt(p).

    Returns:
        Lower bound, upper bound, score of the truth.
    """
    lower = reliability / np.sqrt(reliability + (1 - reliability) / (subjects - 1))
    upper = np.sqrt(reliability + (1 - reliability) / subjects)
    return float(lower), float(upper), float(np.sqrt(reliability))
