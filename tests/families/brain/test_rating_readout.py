"""Ratings read from log-probabilities, and pairs rated in both orders."""

from __future__ import annotations

import numpy as np
import pytest

from headbench.errors import DataError
from headbench.families.brain.rating_readout import (
    expected_rating,
    likeliest_rating,
    norm_agreement,
    pair_ratings,
    scale_mass,
)

SCALE = [1, 2, 3, 4, 5]


def test_expected_and_likeliest_rating() -> None:
    chances = np.array([[0.1, 0.2, 0.0, 0.0, 0.1], [0.05, 0.05, 0.05, 0.05, 0.3]])
    with np.errstate(divide="ignore"):
        scores = np.log(chances)
    np.testing.assert_allclose(expected_rating(scores, SCALE), [(0.1 + 0.4 + 0.5) / 0.4, 4.0])
    assert likeliest_rating(scores, SCALE).tolist() == [2, 5]
    np.testing.assert_allclose(scale_mass(scores), [0.4, 0.5])
    np.testing.assert_allclose(expected_rating(scores - 700, SCALE), [2.5, 4.0])


def test_answers_may_be_listed_in_any_order() -> None:
    scores = np.log(np.random.default_rng(0).dirichlet(np.ones(5), size=6))
    turned = expected_rating(scores[:, ::-1], SCALE[::-1])
    np.testing.assert_allclose(turned, expected_rating(scores, SCALE))


def test_pairs_rated_in_both_orders_become_an_rdm() -> None:
    ratings = np.array([[0, 7, 4], [6, 0, 1], [4, 3, 0]])
    found = pair_ratings(ratings, highest=7)
    np.testing.assert_allclose(found.rdm, [0.5, 3.0, 5.0])
    assert found.order_asymmetry == pytest.approx(1.0)


def test_agreement_of_norms_and_its_ceiling() -> None:
    human = np.array([1.0, 2.0, 3.0, 7.0])
    found = norm_agreement(human**3, human, human_reliability=0.81)
    assert found.spearman == pytest.approx(1)
    assert found.pearson < 1
    assert found.ceiling == pytest.approx(0.9)
    assert np.isnan(norm_agreement(human, human).ceiling)


def test_missing_ratings_are_refused() -> None:
    with pytest.raises(DataError, match="for a scale of 5 answers"):
        expected_rating(np.zeros(4), SCALE)
    with pytest.raises(DataError, match="no answer of the scale is possible"):
        expected_rating(np.full(5, -np.inf), SCALE)
    with pytest.raises(DataError, match="a pair has no rating"):
        pair_ratings([[0, np.nan], [1, 0]], highest=7)
    with pytest.raises(DataError, match="above the scale"):
        pair_ratings([[0, 9], [1, 0]], highest=7)
