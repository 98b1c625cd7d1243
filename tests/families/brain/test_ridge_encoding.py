"""Ridge encoding: against the closed form, on planted signals, and without leaks between folds."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from headbench.errors import ConfigError, DataError, RefusedError
from headbench.families.brain.held_out_selection import Split
from headbench.families.brain.nuisance_features import (
    autocorrelation_features,
    nuisance_rdms,
    positions,
    text_nuisance,
)
from headbench.families.brain.ridge_encoding import (
    column_pearson,
    cross_subject_ceiling,
    delayed,
    encode,
    held_out_predictions,
    response_folds,
    split_half_ceiling,
)

PASSAGES = np.repeat(np.arange(20), 6)


def signal(seed: int, noise: float = 1.0, units: int = 8, targets: int = 3) -> tuple:
    random = np.random.default_rng(seed)
    features = random.standard_normal((120, units))
    weights = random.standard_normal((units, targets))
    return features, features @ weights + noise * random.standard_normal((120, targets))


@pytest.mark.parametrize("units", [4, 200])
def test_predictions_are_the_closed_form_on_either_side(units: int) -> None:
    features, responses = signal(0, units=units)
    split = Split(np.arange(80), np.arange(80, 120))
    found = encode(features, responses, [split], PASSAGES, alphas=[10.0])
    train = features[:80]
    scaled = (features - train.mean(axis=0)) / train.std(axis=0)
    predicted = Ridge(alpha=10.0).fit(scaled[:80], responses[:80]).predict(scaled[80:])
    np.testing.assert_allclose(found.scores, column_pearson(predicted, responses[80:]), atol=1e-9)


def test_the_penalty_is_chosen_per_target() -> None:
    features, responses = signal(1, noise=0.1, units=60, targets=1)
    noise = np.random.default_rng(2).standard_normal((120, 1))
    folds = response_folds(PASSAGES, 4)
    found = encode(features, np.hstack([responses, noise]), folds, PASSAGES)
    assert np.median(found.alphas[:, 0]) < 1 < np.median(found.alphas[:, 1])
    assert found.scores[0] > 0.9
    assert abs(found.scores[1]) < 0.3


def test_units_and_order_of_features_do_not_matter() -> None:
    features, responses = signal(3)
    folds = response_folds(PASSAGES, 4)
    plain = encode(features, responses, folds, PASSAGES)
    moved = encode(100 * features[:, ::-1] - 5, responses * 3 + 2, folds, PASSAGES)
    np.testing.assert_allclose(moved.scores, plain.scores, atol=1e-9)


def test_a_place_in_the_passage_wins_only_where_folds_leak() -> None:
    # Responses drift within each passage and follow no feature (arXiv 2406.01538).
    random = np.random.default_rng(4)
    drift = np.cumsum(random.standard_normal((20, 6, 5)), axis=1) + 3 * random.standard_normal(
        (20, 1, 5)
    )
    responses = drift.reshape(120, 5)
    place = autocorrelation_features(PASSAGES)
    leaking = response_folds(PASSAGES, 5, kind="shuffled_within_groups")
    assert encode(place, responses, leaking, PASSAGES).scores.mean() > 0.6
    grouped = encode(place, responses, response_folds(PASSAGES, 5), PASSAGES)
    assert not np.nan_to_num(grouped.scores).any()  # the same prediction for every new passage


def test_shuffled_folds_of_passages_are_refused_unless_named() -> None:
    with pytest.raises(RefusedError, match="120 stimuli in 20 groups"):
        response_folds(PASSAGES, 5, kind="shuffled")
    assert len(response_folds(np.arange(120), 5, kind="shuffled")) == 5
    with pytest.raises(ConfigError, match="did you mean 'grouped'"):
        response_folds(PASSAGES, 5, kind="group")  # type: ignore[arg-type]
    for split in response_folds(PASSAGES, 5):
        assert not set(PASSAGES[split.choose]) & set(PASSAGES[split.score])


def test_banded_ridge_gives_its_budget_to_the_band_that_predicts() -> None:
    random = np.random.default_rng(5)
    good, responses = signal(6, noise=2.0, units=6, targets=2)
    noise = random.standard_normal((120, 300))
    folds = response_folds(PASSAGES, 4)
    banded = encode([good, noise], responses, folds, PASSAGES)
    plain = encode(np.hstack([good, noise]), responses, folds, PASSAGES)
    assert (banded.shares[:, :, 0] > 0.5).all()
    assert (banded.scores > plain.scores + 0.05).all()
    np.testing.assert_allclose(banded.shares.sum(axis=2), 1)


def test_delays_stay_within_their_run() -> None:
    features = np.arange(1.0, 7.0)[:, None]
    found = delayed(features, [0, 1, 2], ["a", "a", "a", "b", "b", "b"])
    expected = [[1, 0, 0], [2, 1, 0], [3, 2, 1], [4, 0, 0], [5, 4, 0], [6, 5, 4]]
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ConfigError, match="looks into the future"):
        delayed(features, [-1], [0] * 6)


def test_ceilings_of_responses() -> None:
    random = np.random.default_rng(7)
    shared = random.standard_normal((120, 4))
    people = shared + 0.5 * random.standard_normal((3, 120, 4))
    people[2] = random.standard_normal((120, 4))  # shares nothing
    folds = response_folds(PASSAGES, 4)
    assert cross_subject_ceiling(people, 0, folds, PASSAGES).scores.mean() > 0.6
    assert abs(cross_subject_ceiling(people, 2, folds, PASSAGES).scores.mean()) < 0.2
    with pytest.raises(RefusedError, match="no cross-subject ceiling"):
        cross_subject_ceiling(people[:1], 0, folds, PASSAGES)
    repeats = random.standard_normal((500, 1)) + random.standard_normal((8, 500, 1))
    # Reliability of the mean of 8 repeats with signal and noise alike: 8 / 9.
    assert split_half_ceiling(repeats, seed=0)[0] == pytest.approx(np.sqrt(8 / 9), abs=0.03)


def test_a_flat_target_is_undefined_not_zero() -> None:
    features, responses = signal(8)
    responses[:, 1] = 2.0
    found = encode(features, responses, response_folds(PASSAGES, 4), PASSAGES)
    assert np.isnan(found.scores).tolist() == [False, True, False]


def test_what_does_not_fit_is_refused() -> None:
    features, responses = signal(9)
    folds = response_folds(PASSAGES, 4)
    with pytest.raises(DataError, match="features and responses do not fit"):
        encode(features[:-1], responses, folds, PASSAGES)
    with pytest.raises(DataError, match="responses hold a value that is not finite"):
        encode(features, responses * np.nan, folds, PASSAGES)
    with pytest.raises(ConfigError, match="penalties must be above 0"):
        encode(features, responses, folds, PASSAGES, alphas=[0.0])
    with pytest.raises(ConfigError, match="sum to 1"):
        encode([features, features], responses, folds, PASSAGES, shares=[[0.5, 0.6]])


def test_nuisance_columns_know_length_place_and_frequency() -> None:
    texts = ["a b", "long words here", "x", "y y y"]
    found = text_nuisance(texts, [0, 0, 1, 1], [1, 10, 100, 1000])
    assert found["characters"].tolist() == [3, 15, 1, 5]
    assert found["words"].tolist() == [2, 3, 1, 3]
    assert found["position"].tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(np.diff(found["log_frequency"]), np.log(10))
    assert "position" not in text_nuisance(texts, [0, 1, 2, 3])
    assert nuisance_rdms(found)["words"].tolist() == [1, 1, 1, 2, 0, 2]
    assert positions(["s", "t", "s"]).tolist() == [0, 0, 1]
    with pytest.raises(DataError, match="above 0"):
        text_nuisance(texts, [0, 1, 2, 3], [0, 1, 1, 1])


def maker() -> ModuleType:
    """The script that froze the figures."""
    path = Path(__file__).with_name("make_himalaya_figures.py")
    spec = importlib.util.spec_from_file_location("make_himalaya", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize("number", range(4))
def test_predictions_are_himalayas(number: int) -> None:
    make = maker()
    held = json.loads(make.PLACE.read_text(encoding="utf-8"))
    bands = [np.array(band) for band in held["inputs"]["bands"]]
    responses, figures = np.array(held["inputs"]["responses"]), held["figures"]
    split, groups = Split(np.arange(make.TRAIN), np.arange(make.TRAIN, 42)), np.arange(42)
    whole, alpha, share = np.concatenate(bands, axis=1), make.ALPHAS[number], make.SHARES[number]
    single = held_out_predictions(whole, responses, [split], groups, alphas=[alpha])
    np.testing.assert_allclose(single.by_fold[0], figures["single"][number], atol=1e-8)
    banded = held_out_predictions(
        bands, responses, [split], groups, alphas=[make.ALPHAS[1]], shares=[share]
    )
    np.testing.assert_allclose(banded.by_fold[0], figures["banded"][number], atol=1e-6)


def test_the_frozen_figures_are_those_of_himalaya() -> None:
    pytest.importorskip("himalaya", reason="himalaya is not installed: frozen figures stand for it")
    make = maker()
    held = json.loads(make.PLACE.read_text(encoding="utf-8"))
    again = make.figures(held["inputs"])
    for name in ("single", "banded"):
        np.testing.assert_allclose(again[name], held["figures"][name], atol=1e-8)


def test_features_that_are_equal_on_a_fold_have_no_score() -> None:
    """Nearness in time on whole passages: predictions differ by rounding alone."""
    random = np.random.default_rng(0)
    near = autocorrelation_features(PASSAGES)
    found = encode(near, random.standard_normal((120, 5)), response_folds(PASSAGES, 4), PASSAGES)
    assert np.isnan(found.scores).all()
