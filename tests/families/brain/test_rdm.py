"""Dissimilarities of stimuli: values, order, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from headbench.errors import ConfigError, DataError
from headbench.families.brain import rdm as module
from headbench.families.brain.rdm import condense, constant_rows, crossnobis, rdm, square, subset

FEATURES = np.random.default_rng(3).standard_normal((9, 6)) + 2.0


@pytest.mark.parametrize(
    ("kind", "metric"),
    [
        ("correlation", "correlation"),
        ("cosine", "cosine"),
        ("euclidean", "euclidean"),
        ("squared_euclidean", "sqeuclidean"),
    ],
)
def test_each_kind_is_the_distance_of_that_name(kind: module.Kind, metric: str) -> None:
    np.testing.assert_allclose(rdm(FEATURES, kind), pdist(FEATURES, metric), atol=1e-12)


def test_half_precision_far_from_the_origin_keeps_its_distances() -> None:
    near = rdm(FEATURES, "euclidean")
    np.testing.assert_allclose(rdm(FEATURES + 1e6, "euclidean"), near, rtol=1e-8)
    half = FEATURES.astype(np.float16)
    np.testing.assert_allclose(rdm(half), pdist(half.astype(float), "correlation"), atol=1e-12)


def test_correlation_ignores_scale_and_shift_of_each_pattern() -> None:
    scale = np.linspace(0.5, 3, 9)[:, None]
    np.testing.assert_allclose(rdm(scale * FEATURES - 7 * scale), rdm(FEATURES), atol=1e-12)


def test_order_of_stimuli_only_permutes_the_matrix() -> None:
    order = np.random.default_rng(0).permutation(9)
    moved = square(rdm(FEATURES[order]))
    np.testing.assert_allclose(moved, square(rdm(FEATURES))[order][:, order], atol=1e-12)


def test_condensed_form_is_that_of_scipy() -> None:
    values = np.arange(36.0)
    np.testing.assert_array_equal(square(values), squareform(values))
    np.testing.assert_array_equal(condense(square(np.stack([values, -values]))), [values, -values])
    np.testing.assert_array_equal(subset(values, [4, 1]), [squareform(values)[4, 1]])


def test_equal_patterns_have_no_dissimilarity_below_zero() -> None:
    features = np.repeat(np.random.default_rng(0).standard_normal((40, 384)), 2, axis=0)
    assert rdm(features).min() == 0


@pytest.mark.parametrize("kind", module.KINDS)
def test_equal_patterns_leave_no_rounding_to_be_ranked(kind: module.Kind) -> None:
    same = np.tile(np.random.default_rng(0).standard_normal(1001) * 50, (20, 1))
    assert not rdm(same, kind).any()
    same[7] += np.random.default_rng(1).standard_normal(1001)
    assert np.count_nonzero(rdm(same, kind)) == 19
    groups = np.repeat(np.random.default_rng(2).standard_normal((4, 1001)), 9, axis=0)
    assert np.count_nonzero(rdm(groups, kind)) == 6 * 9 * 9


def test_crossnobis_of_pure_noise_averages_to_zero() -> None:
    random = np.random.default_rng(5)
    found = crossnobis(random.standard_normal((8, 40, 50)))
    spread = found.std() / np.sqrt(40)
    assert abs(found.mean()) < 4 * spread
    assert (found < 0).any()


def test_crossnobis_estimates_the_true_squared_distance() -> None:
    random = np.random.default_rng(6)
    truth = random.standard_normal((6, 300))
    noisy = truth + 2 * random.standard_normal((12, 6, 300))
    expected = pdist(truth, "sqeuclidean") / 300
    biased = pdist(noisy.mean(axis=0), "sqeuclidean") / 300
    assert np.abs(crossnobis(noisy) - expected).mean() < 0.3 * np.abs(biased - expected).mean()


def test_noise_precision_weighs_units() -> None:
    patterns = np.random.default_rng(8).standard_normal((3, 5, 2))
    kept = crossnobis(patterns, np.diag([1.0, 0.0]))
    np.testing.assert_allclose(kept, crossnobis(patterns[:, :, :1]) / 2)


def test_constant_rows_are_found_also_in_single_precision() -> None:
    features = np.random.default_rng(1).standard_normal((4, 8)).astype(np.float32)
    features[1], features[3] = 0.0, 1234.567
    features[3, 0] = np.nextafter(features[3, 0], np.float32(np.inf))
    assert constant_rows(features).tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("features", "kind", "message"),
    [
        (FEATURES[:2], "correlation", "RDM of 2 stimuli cannot be compared"),
        (np.where(FEATURES[4, 2] == FEATURES, np.nan, FEATURES), "euclidean", "not finite"),
        (FEATURES * (np.arange(9) != 5)[:, None], "correlation", "constant vector is undefined"),
        (FEATURES * (np.arange(9) != 5)[:, None], "cosine", "zero vector is undefined"),
        (FEATURES[0], "cosine", "features of shape"),
    ],
)
def test_undefined_dissimilarities_are_refused(
    features: np.ndarray, kind: module.Kind, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        rdm(features, kind)


def test_an_error_names_the_stimulus() -> None:
    with pytest.raises(DataError, match="stimulus 5, and 0 more of 9"):
        rdm(FEATURES * (np.arange(9) != 5)[:, None])


def test_unknown_kind_lengths_and_repeats_are_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'cosine'"):
        rdm(FEATURES, "cosin")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="7 values are no condensed RDM"):
        square(np.zeros(7))
    with pytest.raises(DataError, match="needs repeats"):
        crossnobis(FEATURES[None])
    with pytest.raises(DataError, match="names a stimulus twice"):
        subset(np.zeros(36), [1, 1, 2])
    with pytest.raises(DataError, match="RDM 1 holds a value that is not finite"):
        module.check_rdms([[0.1, 0.2, 0.3], [0.1, np.nan, 0.3]])
