"""Effective ranks, spectral decay and mutual neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from headbench.errors import DataError
from headbench.families.brain.mutual_neighbours import (
    chance,
    mutual_knn,
    mutual_knn_of_heads,
    neighbours,
)
from headbench.families.brain.spectrum import (
    alpha_req,
    covariance_eigenvalues,
    rankme_eigenvalues,
    rankme_singular,
)
from headbench.families.brain.word_similarity import word_similarity

RANDOM = np.random.default_rng(0)


def power_law(alpha: float, units: int = 60) -> np.ndarray:
    """Features whose covariance eigenvalues are exactly i^-alpha."""
    left = np.linalg.qr(RANDOM.standard_normal((400, units)))[0]
    left -= left.mean(axis=0)
    left = np.linalg.qr(left)[0]
    return left * np.sqrt(400 * np.arange(1, units + 1.0) ** -alpha)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_alpha_of_an_exact_power_law(alpha: float) -> None:
    assert alpha_req(power_law(alpha), 5, 60) == pytest.approx(alpha, abs=1e-6)


def test_ranks_of_known_spectra() -> None:
    flat = power_law(0.0, units=20)
    assert rankme_eigenvalues(flat) == pytest.approx(20)
    assert rankme_singular(flat) == pytest.approx(20, rel=1e-4)
    steep = power_law(2.0)
    shares = np.arange(1, 61.0) ** -2 / (np.arange(1, 61.0) ** -2).sum()
    assert rankme_eigenvalues(steep) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert rankme_singular(steep) > 1.6 * rankme_eigenvalues(steep)  # not the same figure
    np.testing.assert_allclose(
        covariance_eigenvalues(steep + 3), np.arange(1, 61.0) ** -2, rtol=1e-8
    )


def test_units_of_features_do_not_matter_and_centring_does() -> None:
    features = RANDOM.standard_normal((50, 8))
    assert rankme_eigenvalues(7 * features + 2) == pytest.approx(rankme_eigenvalues(features))
    assert rankme_singular(7 * features) == pytest.approx(rankme_singular(features))
    assert rankme_singular(features + 20) < rankme_singular(features + 20, centred=True)


def test_spectra_that_are_not_there_are_refused() -> None:
    with pytest.raises(DataError, match="11 to 200 of 8 eigenvalues"):
        alpha_req(RANDOM.standard_normal((50, 8)))
    with pytest.raises(DataError, match="smaller rank"):
        alpha_req(np.outer(RANDOM.standard_normal(50), np.ones(8)), 1, 4)
    with pytest.raises(DataError, match="without variance"):
        rankme_eigenvalues(np.ones((5, 3)))


def test_neighbours_are_the_k_of_greatest_cosine() -> None:
    features = RANDOM.standard_normal((30, 4))
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    near = unit @ unit.T - 3 * np.eye(30)
    expected = np.argsort(-near, axis=1)[:, :5]
    found = neighbours(features, 5)
    assert [set(np.flatnonzero(row)) for row in found] == [set(row) for row in expected]
    assert not found.diagonal().any()
    assert (neighbours(np.ones((6, 2)), 2).sum(axis=1) == 2).all()  # ties do not add any


def test_mutual_neighbours_of_the_same_and_of_unrelated_features() -> None:
    features = RANDOM.standard_normal((200, 6))
    assert mutual_knn(features, 3 * features @ np.diag([1, 1, 1, 1, 1, 1])) == 1
    unrelated = [mutual_knn(features, RANDOM.standard_normal((200, 6)), 10) for _ in range(20)]
    assert np.mean(unrelated) == pytest.approx(chance(200, 10), abs=0.005)
    order = RANDOM.permutation(200)
    other = features + RANDOM.standard_normal((200, 6))
    assert mutual_knn(features[order], other[order]) == pytest.approx(mutual_knn(features, other))


def test_a_map_of_heads_finds_the_related_one_and_marks_the_dead() -> None:
    target = RANDOM.standard_normal((100, 6))
    heads = [RANDOM.standard_normal((100, 3)) for _ in range(4)]
    heads[2], heads[3] = target[:, :3], np.zeros((100, 3))
    found = mutual_knn_of_heads(heads, target)
    assert np.nanargmax(found) == 2
    assert np.isnan(found[3])
    with pytest.raises(DataError, match="zero vector has no neighbours"):
        neighbours(heads[3], 5)
    with pytest.raises(DataError, match="100 neighbours among 100"):
        neighbours(target, 100)


def test_rated_pairs_of_words() -> None:
    vectors = {"cat": [1, 0.2], "dog": [1, 0.3], "car": [0, 1], "bus": [-1, 10]}
    pairs = [("cat", "dog", 9.0), ("car", "bus", 8.5), ("cat", "car", 2.0), ("dog", "tram", 3.0)]
    found = word_similarity(vectors, pairs)
    assert (found.spearman, found.n, found.missing) == (pytest.approx(1), 3, 1)
    with pytest.raises(DataError, match="1 of 2 pairs have vectors"):
        word_similarity(vectors, [pairs[0], pairs[3]])
