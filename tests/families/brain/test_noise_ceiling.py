"""Noise ceilings: against simulation, per subject, and what is done with scores above them."""

from __future__ import annotations

import numpy as np
import pytest

from headbench.errors import RefusedError
from headbench.families.brain.noise_ceiling import (
    noise_ceiling,
    normalise,
    normalise_subjects,
    pool,
    weighted_ceiling,
)
from headbench.families.brain.rdm import rdm
from headbench.families.brain.rdm_similarity import METHODS, Method, similarity


def people(noise: float, count: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The true RDM and noisy subjects'."""
    random = np.random.default_rng(seed)
    truth = random.standard_normal((24, 8))
    noisy = truth + noise * random.standard_normal((count, 24, 8))
    return rdm(truth), np.array([rdm(one) for one in noisy])


@pytest.mark.parametrize("method", ["rho_a", "pearson", "corr_cov"])
def test_the_truth_scores_between_the_bounds(method: Method) -> None:
    truth, subjects = people(0.7)
    ceiling = noise_ceiling(subjects, method)
    score = similarity(truth, subjects, method).mean()
    assert ceiling.lower < score < ceiling.upper


def test_identical_subjects_have_a_ceiling_of_one() -> None:
    truth, _ = people(0.0)
    ceiling = noise_ceiling(np.stack([truth, truth]), "spearman")
    assert ceiling.lower == pytest.approx(1)
    assert ceiling.upper == pytest.approx(1)


def test_bounds_of_the_group_are_means_over_subjects() -> None:
    _, subjects = people(1.0)
    ceiling = noise_ceiling(subjects, "pearson")
    assert ceiling.lower == pytest.approx(ceiling.lower_by_subject.mean())
    for at, subject in enumerate(subjects):
        others = pool(np.delete(subjects, at, axis=0), "pearson").mean(axis=0)
        expected = np.corrcoef(subject, others)[0, 1]
        assert ceiling.lower_by_subject[at] == pytest.approx(expected)
    assert (ceiling.upper_by_subject > ceiling.lower_by_subject).all()


@pytest.mark.parametrize("method", METHODS)
def test_order_of_subjects_only_permutes(method: Method) -> None:
    _, subjects = people(1.0, count=4)
    plain, turned = noise_ceiling(subjects, method), noise_ceiling(subjects[::-1], method)
    np.testing.assert_allclose(turned.lower_by_subject, plain.lower_by_subject[::-1], atol=1e-12)
    assert turned.upper == pytest.approx(plain.upper)


@pytest.mark.parametrize("method", METHODS)
def test_weights_of_one_give_the_plain_ceiling(method: Method) -> None:
    _, subjects = people(1.0, count=4)
    lower, upper = weighted_ceiling(subjects, np.ones((1, 24)), method)
    plain = noise_ceiling(subjects, method)
    np.testing.assert_allclose(lower[0], plain.lower_by_subject, atol=1e-12)
    np.testing.assert_allclose(upper[0], plain.upper_by_subject, atol=1e-12)


def test_scores_above_the_ceiling_are_marked_not_clipped() -> None:
    high = normalise(0.405, 0.359)
    assert high.value == pytest.approx(1.128, abs=1e-3)
    assert high.above_one
    assert not normalise(0.2, 0.4).above_one
    assert normalise(-0.2, 0.4).value == pytest.approx(-0.5)


def test_no_ceiling_no_normalised_score() -> None:
    found = normalise(0.2, -0.01)
    assert np.isnan(found.value)
    assert "share no geometry" in found.note


def test_normalised_subjects_keep_their_values_and_say_what_a_clip_would_hide() -> None:
    found = normalise_subjects([0.2, 0.6, 0.1, 0.3], [0.4, 0.3, -0.1, 0.4])
    np.testing.assert_allclose(found.values, [0.5, 2.0, np.nan, 0.75])
    assert found.median == pytest.approx(0.75)
    assert found.undefined == 1
    assert found.beyond_one == pytest.approx(1 / 3)
    assert found.spread == pytest.approx(1.4826 * 0.25)


def test_one_subject_is_refused() -> None:
    _, subjects = people(1.0, count=1)
    with pytest.raises(RefusedError, match="one subject has no noise ceiling"):
        noise_ceiling(subjects)
