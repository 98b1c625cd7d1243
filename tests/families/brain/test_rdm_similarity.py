"""Comparators of RDMs against rsatoolbox, under weights, permutations and relabelling."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from scipy.stats import rankdata

from headbench.errors import ConfigError, DataError, RefusedError
from headbench.families.brain.noise_ceiling import noise_ceiling
from headbench.families.brain.ranks import average_ranks, ranks_and_tie_variance
from headbench.families.brain.rdm import condense, crossnobis, rdm, square
from headbench.families.brain.rdm_similarity import (
    METHODS,
    Method,
    null_sd,
    permuted_similarity,
    prepare,
    prepared_similarity,
    refuse_headline,
    similarity,
    weighted_similarity,
)

FOLDER = Path(__file__).parent
EXACT_UNDER_WEIGHTS = ("pearson", "cosine", "corr_cov", "cosine_cov")


@pytest.fixture(scope="module")
def oracle() -> dict[str, Any]:
    return json.loads((FOLDER / "rsatoolbox_figures.json").read_text())


@pytest.fixture(scope="module")
def models(oracle: dict[str, Any]) -> np.ndarray:
    """A theory with ties, one subject's single repeat, and a crossnobis RDM: ``[3, 66]``."""
    return np.array(oracle["figures"]["models"])


@pytest.fixture(scope="module")
def subjects(oracle: dict[str, Any]) -> np.ndarray:
    return np.array(oracle["figures"]["subjects"])


def counts(drawn: list[int], stimuli: int) -> np.ndarray:
    return np.bincount(drawn, minlength=stimuli)[None]


# ------------------------------------------------------------------ against rsatoolbox


def test_rdms_are_those_of_rsatoolbox(oracle: dict[str, Any]) -> None:
    patterns, found = np.array(oracle["inputs"]["patterns"]), oracle["figures"]["rdms"]
    np.testing.assert_allclose(rdm(patterns[0, 0]), found["correlation"], atol=1e-12)
    ours = rdm(patterns[0, 0], "squared_euclidean") / patterns.shape[-1]
    np.testing.assert_allclose(ours, found["euclidean"], atol=1e-12)
    crossed = [crossnobis(subject) for subject in patterns]
    np.testing.assert_allclose(crossed, found["crossnobis"], atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_similarities_are_those_of_rsatoolbox(
    method: Method, models: np.ndarray, subjects: np.ndarray, oracle: dict[str, Any]
) -> None:
    expected = oracle["figures"]["compare"][method]
    np.testing.assert_allclose(similarity(models, subjects, method), expected, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_ceilings_are_those_of_rsatoolbox(
    method: Method, subjects: np.ndarray, oracle: dict[str, Any]
) -> None:
    found = noise_ceiling(subjects, method)
    expected = oracle["figures"]["ceiling"][method]
    np.testing.assert_allclose([found.lower, found.upper], expected, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_a_resample_as_weights_is_the_resample_of_rsatoolbox(
    method: Method, models: np.ndarray, subjects: np.ndarray, oracle: dict[str, Any]
) -> None:
    # It drops pairs of one stimulus with itself, and ranks each resample anew: so the rank
    # comparators differ, by less than the resample itself moves them.
    weights = counts(oracle["inputs"]["drawn"], 12)
    found = weighted_similarity(prepare(models, method), prepare(subjects, method), weights)[0]
    expected = np.array(oracle["figures"]["resampled"][method])
    if method in EXACT_UNDER_WEIGHTS:
        np.testing.assert_allclose(found, expected, atol=1e-10)
    else:
        moved = np.abs(expected - oracle["figures"]["compare"][method]).mean()
        assert np.abs(found - expected).mean() < 0.5 * moved


@pytest.mark.skipif(not importlib.util.find_spec("rsatoolbox"), reason="rsatoolbox is absent")
def test_the_frozen_figures_are_what_rsatoolbox_says_today(oracle: dict[str, Any]) -> None:
    spec = importlib.util.spec_from_file_location("make", FOLDER / "make_rsatoolbox_figures.py")
    assert spec and spec.loader
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    assert maker.inputs() == oracle["inputs"]
    again = maker.figures(oracle["inputs"])
    for part, table in again["compare"].items():
        np.testing.assert_allclose(table, oracle["figures"]["compare"][part], atol=1e-9)


# ------------------------------------------------------------------ invariances


@pytest.mark.parametrize("method", METHODS)
def test_order_of_stimuli_and_of_rdms_does_not_matter(
    method: Method, models: np.ndarray, subjects: np.ndarray
) -> None:
    order = np.random.default_rng(2).permutation(12)
    moved = [condense(square(side)[:, order][:, :, order]) for side in (models, subjects)]
    plain = similarity(models, subjects, method)
    np.testing.assert_allclose(similarity(*moved, method), plain, atol=1e-12)
    np.testing.assert_allclose(similarity(models[::-1], subjects, method), plain[::-1], atol=1e-12)
    np.testing.assert_allclose(similarity(subjects, models, method), plain.T, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_scale_of_an_rdm_does_not_matter(
    method: Method, models: np.ndarray, subjects: np.ndarray
) -> None:
    plain = similarity(models, subjects, method)
    np.testing.assert_allclose(similarity(1e3 * models, subjects / 7, method), plain, atol=1e-10)


@pytest.mark.parametrize("method", get_args(Method))
def test_weights_of_one_are_the_plain_value(
    method: Method, models: np.ndarray, subjects: np.ndarray
) -> None:
    sides = prepare(models, method), prepare(subjects, method)
    found = weighted_similarity(*sides, np.ones((2, 12)))
    np.testing.assert_allclose(found, [prepared_similarity(*sides)] * 2, atol=1e-12)
    np.testing.assert_allclose(
        prepared_similarity(*sides), similarity(models, subjects, method), atol=1e-12
    )


@pytest.mark.parametrize("method", ["pearson", "cosine", "corr_cov", "cosine_cov", "tau_a"])
def test_weights_of_zero_and_one_are_the_subset(
    method: Method, models: np.ndarray, subjects: np.ndarray
) -> None:
    kept = np.array([0, 2, 3, 5, 8, 11])
    weights = counts(kept.tolist(), 12)
    found = weighted_similarity(prepare(models, method), prepare(subjects, method), weights)[0]
    parts = [condense(square(side)[:, kept][:, :, kept]) for side in (models, subjects)]
    np.testing.assert_allclose(found, similarity(*parts, method), atol=1e-12)


@pytest.mark.parametrize("method", ["spearman", "rho_a", "tau_a", "pearson"])
def test_a_stimulus_drawn_twice_never_meets_itself(method: Method) -> None:
    # Pairs of a stimulus with itself have dissimilarity 0 in both RDMs: kept, they would make two
    # unrelated ones look alike.
    random = np.random.default_rng(4)
    one, two = rdm(random.standard_normal((20, 30))), rdm(random.standard_normal((20, 30)))
    drawn = random.integers(20, size=(100, 20))
    weights = np.array([np.bincount(row, minlength=20) for row in drawn])
    sides = prepare(one, method), prepare(two, method)
    plain = prepared_similarity(*sides)[0, 0]
    assert abs(weighted_similarity(*sides, weights).mean() - plain) < 0.03
    kept = [[condense(square(side)[row][:, row]) for side in (one, two)] for row in drawn]
    assert (
        np.mean([similarity(*pair, method) for pair in kept]) > plain + 0.06
    )  # on the scale of tau


def test_undefined_draws_are_nan(models: np.ndarray, subjects: np.ndarray) -> None:
    weights = np.zeros((3, 12))
    weights[0, [0, 1]] = 6  # two stimuli: one pair
    weights[1, [0, 1, 2, 3]] = 3  # the theory calls these four alike
    weights[2] = 1
    found = weighted_similarity(prepare(models, "rho_a"), prepare(subjects, "rho_a"), weights)
    assert np.isnan(found[0]).all()
    cosine = weighted_similarity(prepare(models, "cosine"), prepare(subjects, "cosine"), weights)
    assert np.isnan(cosine[0]).all()  # one pair alone has cosine 1
    pearson = weighted_similarity(prepare(models, "pearson"), prepare(subjects, "pearson"), weights)
    assert np.isnan(pearson[1, 0]).all()
    assert np.isfinite(pearson[1, 1:]).all()
    assert np.isfinite(pearson[2]).all()


def test_rho_a_gives_ties_no_credit(models: np.ndarray, subjects: np.ndarray) -> None:
    ratio = similarity(models, subjects, "rho_a") / similarity(models, subjects, "spearman")
    assert (ratio[0] < 0.8).all()
    np.testing.assert_allclose(ratio[1:], 1)


# ------------------------------------------------------------------ permutations


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("swap", [False, True])
def test_permuted_labels_are_those_of_the_moved_rdm(
    method: Method, swap: bool, models: np.ndarray, subjects: np.ndarray
) -> None:
    left, right = (subjects[:1], models) if swap else (models, subjects[:1])
    orders = np.array([np.random.default_rng(seed).permutation(12) for seed in range(4)])
    found = permuted_similarity(prepare(left, method), prepare(right, method), orders)
    for order, values in zip(orders, found, strict=True):
        moved = condense(square(left)[:, order][:, :, order])
        np.testing.assert_allclose(values, similarity(moved, right, method), atol=1e-12)


@pytest.mark.parametrize("method", ["rho_a", "corr_cov"])
def test_blocks_and_single_precision_change_nothing_that_is_seen(method: Method) -> None:
    random = np.random.default_rng(9)
    features = random.standard_normal((430, 5))
    one, two = rdm(features), rdm(features + random.standard_normal((430, 5)))
    orders = np.stack([np.arange(430), random.permutation(430)])
    found = permuted_similarity(prepare(one, method), prepare(two, method), orders)
    moved = condense(square(one)[orders[1]][:, orders[1]])
    expected = [similarity(one, two, method), similarity(moved, two, method)]
    np.testing.assert_allclose(found, expected, atol=1e-6)


# ------------------------------------------------------------------ silenced heads


@pytest.mark.parametrize("method", METHODS)
def test_a_silenced_head_is_nan_in_a_map_and_touches_no_other(
    method: Method, models: np.ndarray, subjects: np.ndarray
) -> None:
    silenced = np.stack([models[0], np.zeros(66), models[2]])
    with pytest.raises(DataError, match="model RDM 1 is constant"):
        similarity(silenced, subjects, method)
    found = similarity(silenced, subjects, method, constant="nan")
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[::2], similarity(models, subjects, method)[::2], atol=1e-12)
    sides = prepare(silenced, method, constant="nan"), prepare(subjects, method)
    for values in (
        weighted_similarity(*sides, np.ones((1, 12)))[0],
        permuted_similarity(*sides, np.arange(12))[0],
    ):
        np.testing.assert_allclose(values, found, atol=1e-12)
    with pytest.raises(DataError, match="RDM 0 is constant"):
        similarity(models, np.zeros(66), method, constant="nan")


# ------------------------------------------------------------------ refusals


def test_cosine_is_no_headline_without_a_meaningful_zero(
    models: np.ndarray, subjects: np.ndarray
) -> None:
    random = np.random.default_rng(1)
    unrelated = [rdm(random.standard_normal((40, 60))) for _ in range(2)]
    assert similarity(*unrelated, "cosine")[0, 0] > 0.98
    with pytest.raises(RefusedError, match="uncentred RDMs says nothing"):
        refuse_headline("cosine", *unrelated)
    refuse_headline("cosine", models[2], models[2])  # crossnobis: some are below 0
    refuse_headline("rho_a", *unrelated)


def test_what_cannot_be_compared_is_refused(models: np.ndarray, subjects: np.ndarray) -> None:
    ready = prepare(models, "pearson")
    with pytest.raises(ConfigError, match="did you mean 'spearman'"):
        prepare(models, "spearmann")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="different comparators"):
        prepared_similarity(ready, prepare(subjects, "rho_a"))
    with pytest.raises(DataError, match="12 and 3 stimuli"):
        prepared_similarity(ready, prepare([0.1, 0.2, 0.3], "pearson"))
    with pytest.raises(DataError, match="subject 1 is constant"):
        prepare([[0.1, 0.2, 0.3], [1, 1, 1]], "rho_a", "subject")
    with pytest.raises(DataError, match="finite and not negative"):
        weighted_similarity(ready, ready, -np.ones((1, 12)))
    with pytest.raises(DataError, match="not a permutation"):
        permuted_similarity(ready, ready, np.zeros((1, 12), dtype=int))


@pytest.mark.parametrize("method", ["pearson", "spearman", "rho_a"])
def test_the_null_in_closed_form_is_that_of_relabelling(method: Method) -> None:
    random = np.random.default_rng(3)
    features = random.standard_normal((24, 3))
    models = prepare(np.stack([rdm(features), rdm(random.standard_normal((24, 8)))]), method)
    people = prepare(
        np.stack([rdm(features + random.standard_normal((24, 3))) for _ in range(2)]), method
    )
    orders = np.array([random.permutation(24) for _ in range(4000)])
    drawn = permuted_similarity(models, people, orders).mean(axis=2)  # [draw, model]
    np.testing.assert_allclose(null_sd(models, people), drawn.std(axis=0), rtol=0.05)
    assert np.isnan(null_sd(prepare(models.values, "tau_a"), prepare(people.values, "tau_a"))).all()


def test_many_values_are_ranked_as_few_are() -> None:
    random = np.random.default_rng(0)
    values = random.random(30_000)
    values[:6000] = values[6000:12000]  # ties
    values[12000:18000] = np.nextafter(values[18000:24000], 2)  # alike in their upper bits
    values[24000] = -0.0
    values[24001] = 0.0
    ranks, ties = ranks_and_tie_variance(values)
    np.testing.assert_array_equal(ranks, rankdata(values))
    assert ties is not None and (ties > 0).sum() == 12002


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).integers(0, 7, 30_000).astype(float),
        np.zeros(25_000),
        np.append(np.random.default_rng(0).random(30_000) * 1e-12, 5.0),  # one value far away
        1 + np.random.default_rng(0).random(30_000) * 1e-9,
        np.random.default_rng(0).standard_normal(30_000),
        np.random.default_rng(0).random(30_000) * 1e305,
        np.array([1e-310, 0.0] * 15_000),
    ],
    ids=["few", "zero", "outlier", "close", "signed", "great", "subnormal"],
)
def test_ranks_of_any_scale_are_those_of_scipy(values: np.ndarray) -> None:
    np.testing.assert_array_equal(average_ranks(values), rankdata(values))
    _, place, sizes = np.unique(values, return_inverse=True, return_counts=True)
    _, ties = ranks_and_tie_variance(values)
    wanted = (sizes[place] ** 2.0 - 1) / 12
    np.testing.assert_array_equal(np.zeros(len(values)) if ties is None else ties, wanted)
