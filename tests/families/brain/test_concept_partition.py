"""Information, distortion, chance-corrected agreement and typicality of categories."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score

from headbench.errors import DataError
from headbench.families.brain.concept_partition import (
    adjusted_mutual_information,
    distortion,
    information,
    kmeans,
    partition,
    recovered_categories,
    typicality,
)

RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.standard_normal((24, 5))


def test_unit_checks_of_the_paper() -> None:
    singletons = partition(VECTORS, np.arange(24))
    assert singletons.information == pytest.approx(np.log2(24))
    assert singletons.distortion == pytest.approx(0, abs=1e-12)
    one = partition(VECTORS, ["all"] * 24, beta=2.0)
    assert one.information == pytest.approx(0)
    assert one.objective == pytest.approx(2 * VECTORS.var(axis=0).sum())
    assert one.distortion_share == pytest.approx(1)


def test_information_sees_sizes_only() -> None:
    labels = np.repeat([0, 1, 2], [12, 8, 4])
    entropy = -sum(n / 24 * np.log2(n / 24) for n in (12, 8, 4))
    assert information(labels) == pytest.approx(entropy)
    assert information(RANDOM.permutation(labels)) == pytest.approx(entropy)


def test_distortion_is_the_mean_square_within() -> None:
    labels = np.repeat([0, 1], [6, 18])
    parts = [VECTORS[labels == c].var(axis=0).sum() * n for c, n in ((0, 6), (1, 18))]
    assert distortion(VECTORS, labels) == pytest.approx(sum(parts) / 24)
    assert distortion(3 * VECTORS - 1, labels) == pytest.approx(9 * distortion(VECTORS, labels))
    scaled = partition(3 * VECTORS - 1, labels).distortion_share
    assert scaled == pytest.approx(partition(VECTORS, labels).distortion_share)


@pytest.mark.parametrize("seed", range(6))
def test_adjusted_information_is_that_of_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    one = random.integers(1 + seed, size=60)
    two = np.where(random.random(60) < 0.5, one, random.integers(4, size=60))
    expected = adjusted_mutual_info_score(one, two)
    assert adjusted_mutual_information(one, two) == pytest.approx(expected, abs=1e-9)


def test_names_of_clusters_do_not_matter_and_chance_is_zero() -> None:
    labels = RANDOM.integers(4, size=80)
    renamed = np.array(list("wxyz"))[labels]
    assert adjusted_mutual_information(labels, renamed) == pytest.approx(1)
    assert adjusted_mutual_information(range(5), range(5)) == 1
    by_chance = [adjusted_mutual_information(labels, RANDOM.permutation(labels)) for _ in range(60)]
    assert abs(np.mean(by_chance)) < 0.01


def test_kmeans_finds_planted_clusters_whatever_the_order() -> None:
    labels = np.repeat(np.arange(4), 10)
    centres = 6 * np.eye(4, 5)
    vectors = centres[labels] + np.random.default_rng(1).standard_normal((40, 5))
    assert adjusted_mutual_information(kmeans(vectors, 4, seed=0), labels) == pytest.approx(1)
    order = RANDOM.permutation(40)
    found = kmeans(vectors[order], 4, seed=3)
    assert adjusted_mutual_information(found, labels[order]) == pytest.approx(1)
    np.testing.assert_array_equal(kmeans(vectors, 4, seed=5), kmeans(vectors, 4, seed=5))


def test_categories_are_recovered_over_several_clusterings() -> None:
    labels = np.repeat(list("abcd"), 10)
    vectors = 6 * np.eye(4, 5)[np.repeat(np.arange(4), 10)]
    vectors += np.random.default_rng(1).standard_normal((40, 5))
    found = recovered_categories(vectors, labels, seed=0, repeats=3)
    assert found.mean > 0.9
    length = np.random.default_rng(3).permutation(2.0 ** np.arange(-20, 20))[:, None]
    assert recovered_categories(length * vectors, labels, seed=0, repeats=3) == found
    noise = recovered_categories(np.random.default_rng(2).standard_normal((40, 5)), labels, seed=0)
    assert abs(noise.mean) < 0.1
    assert noise.deviation > 0
    assert np.isnan(recovered_categories(vectors, labels, seed=0, repeats=1).deviation)


def test_typicality_follows_nearness_to_the_name() -> None:
    names = np.eye(2, 5)
    near = np.linspace(0.1, 0.9, 12)
    items = np.zeros((12, 5))
    labels = np.tile([0, 1], 6)
    items[np.arange(12), labels], items[:, 4] = near, np.sqrt(1 - near**2)
    found = typicality(items, names, labels, near + 3)
    assert found == {0: pytest.approx(1), 1: pytest.approx(1)}
    flipped = typicality(items, names, labels, np.where(labels == 1, -near, near))
    assert flipped[1] == pytest.approx(-1)
    few = typicality(items[:3], names, [0, 0, 1], near[:3])
    assert np.isnan([few[0], few[1]]).all()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="25 clusters of 24 items"):
        kmeans(VECTORS, 25, seed=0)
    with pytest.raises(DataError, match="give the same items"):
        adjusted_mutual_information([0, 1], [0, 1, 1])
    with pytest.raises(DataError, match="for 23 labels"):
        distortion(VECTORS, np.arange(23))
