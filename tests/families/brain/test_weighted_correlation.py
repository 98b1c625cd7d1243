"""Correlations of items under weights, against scipy and against repeating the items."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from headbench.errors import DataError
from headbench.families.brain.kendall import weighted_tau_a
from headbench.families.brain.ranks import average_ranks, ranks_and_tie_variance
from headbench.families.brain.weighted_correlation import (
    partial_pearson,
    pearson,
    reliability,
    spearman,
    weighted_pearson,
)

RANDOM = np.random.default_rng(0)
X = RANDOM.integers(6, size=40).astype(float)
Y = X + RANDOM.standard_normal(40) * 2


def test_plain_correlations_are_those_of_scipy() -> None:
    assert pearson(X, Y) == pytest.approx(stats.pearsonr(X, Y)[0])
    assert spearman(X, Y) == pytest.approx(stats.spearmanr(X, Y)[0])
    np.testing.assert_array_equal(average_ranks(X), stats.rankdata(X))


def test_counts_repeat_items() -> None:
    counts = RANDOM.multinomial(40, np.full(40, 1 / 40), size=5)
    expected = [pearson(np.repeat(X, row), np.repeat(Y, row)) for row in counts]
    np.testing.assert_allclose(weighted_pearson(X, Y, counts), expected, atol=1e-12)


def test_units_of_either_side_do_not_matter() -> None:
    far = weighted_pearson(1e3 * X + 1e10, Y / 7, np.ones((1, 40)))
    assert far[0] == pytest.approx(pearson(X, Y), abs=1e-6)


def test_a_draw_without_variance_is_nan() -> None:
    weights = np.zeros((1, 40))
    weights[0, 3] = 40
    assert np.isnan(weighted_pearson(X, Y, weights)).all()
    assert np.isnan(pearson(np.ones(4), [1, 2, 3, 4]))


def test_variance_of_ties_is_that_of_breaking_them_at_random() -> None:
    ranks, variance = ranks_and_tie_variance([2.0, 1.0, 2.0, 2.0])
    assert ranks.tolist() == [3, 1, 3, 3]
    assert variance is not None
    np.testing.assert_allclose(variance, [2 / 3, 0, 2 / 3, 2 / 3])
    assert ranks_and_tie_variance([3.0, 1.0])[1] is None


def brute_tau_a(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    over = np.triu(np.outer(w, w), 1)
    signs = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    return float((over * signs).sum() / over.sum())


@pytest.mark.parametrize("seed", range(5))
def test_tau_a_is_the_sum_over_all_pairs(seed: int) -> None:
    random = np.random.default_rng(seed)
    size = int(random.integers(2, 60))
    x, y = random.integers(5, size=size) * 1.0, random.integers(9, size=size) * 1.0
    weights = random.integers(4, size=(3, size)) + np.eye(3, size) + np.eye(3, size, 1)
    expected = [brute_tau_a(x, y, row) for row in weights]
    np.testing.assert_allclose(weighted_tau_a(x, y, weights), expected, atol=1e-12)


def test_tau_a_without_ties_is_that_of_scipy() -> None:
    x, y = np.random.default_rng(2).standard_normal((2, 101))
    found = weighted_tau_a(x, y, np.ones((1, 101)))[0]
    assert found == pytest.approx(stats.kendalltau(x, y)[0])


def test_partial_correlation_takes_the_controls_out() -> None:
    control = np.random.default_rng(3).standard_normal(200)
    noise = np.random.default_rng(4).standard_normal((2, 200))
    x, y = control + noise[0] / 5, control + noise[1] / 5
    assert pearson(x, y) > 0.9
    left, right = (v - np.polyval(np.polyfit(control, v, 1), control) for v in (x, y))
    assert partial_pearson(x, y, control) == pytest.approx(pearson(left, right))


def test_reliability_of_simulated_raters() -> None:
    random = np.random.default_rng(5)
    truth = random.standard_normal(4000)
    ratings = truth[:, None] + 2 * random.standard_normal((4000, 16))
    found = reliability(ratings.std(axis=1, ddof=1), np.full(4000, 16), ratings.mean(axis=1))
    assert found == pytest.approx(1 / (1 + 4 / 16), abs=0.02)
    assert pearson(truth, ratings.mean(axis=1)) == pytest.approx(np.sqrt(found), abs=0.01)


def test_what_has_no_correlation_is_refused() -> None:
    with pytest.raises(DataError, match="as many on both"):
        pearson([1, 2, 3], [1, 2])
    with pytest.raises(DataError, match="1 of 3 items"):
        pearson([1, 2, np.nan], [1, 2, 3])
    with pytest.raises(DataError, match=r"give \[draw, item\]"):
        weighted_pearson(X, Y, np.ones((1, 39)))
