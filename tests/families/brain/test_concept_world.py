"""The packaged concepts bracket the family: their own features above, random weights below."""

from __future__ import annotations

import numpy as np
import pytest

from headbench.errors import ConfigError
from headbench.families.brain.concept_world import (
    concept_world,
    expected_ceiling,
    simulated_subjects,
)
from headbench.families.brain.noise_ceiling import noise_ceiling
from headbench.families.brain.rdm import rdm
from headbench.families.brain.rdm_similarity import similarity

WORLD = concept_world()


def test_concepts_and_their_categories() -> None:
    assert WORLD.features.shape == (193, 23)
    place = {word: at for at, word in enumerate(WORLD.words)}
    found = {WORLD.categories[at] for at in np.flatnonzero(WORLD.features[place["orange"]])}
    assert found == {"colors", "fruits"}
    assert (WORLD.features.sum(axis=1) >= 1).all()


@pytest.mark.parametrize(("subjects", "reliability"), [(8, 0.3), (3, 0.6), (4, 1.0)])
def test_simulated_subjects_have_the_ceiling_of_the_formula(
    subjects: int, reliability: float
) -> None:
    rdms = simulated_subjects(WORLD.truth, subjects, reliability, seed=0)
    ceiling = noise_ceiling(rdms, "pearson")
    lower, upper, truth = expected_ceiling(subjects, reliability)
    assert ceiling.lower == pytest.approx(lower, abs=0.01)
    assert ceiling.upper == pytest.approx(upper, abs=0.01)
    assert similarity(WORLD.truth, rdms, "pearson").mean() == pytest.approx(truth, abs=0.01)


def test_own_features_reach_the_ceiling_and_random_ones_stay_at_zero() -> None:
    rdms = simulated_subjects(WORLD.truth, 8, 0.3, seed=1)
    ceiling = noise_ceiling(rdms, "pearson")
    own = similarity(rdm(WORLD.features), rdms, "pearson").mean()
    assert ceiling.lower < own < ceiling.upper
    random = np.random.default_rng(2).standard_normal((193, 128))
    assert abs(similarity(rdm(random), rdms, "pearson").mean()) < 0.02


def test_noise_without_a_share_is_refused() -> None:
    with pytest.raises(ConfigError, match="a reliability above 0"):
        simulated_subjects(WORLD.truth, 8, 0.0, seed=0)
