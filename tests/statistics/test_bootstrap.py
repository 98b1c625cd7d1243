from __future__ import annotations

import math

import numpy as np
import pytest

from headbench.nouns import Record
from headbench.scoring import lookup
from headbench.statistics import bootstrap, compare_paired, value_limits
from headbench.statistics.bootstrap import dual_variance, spread, weights_of
from headbench.statistics.metric import SampleStatistic, Weighted
from headbench.statistics.resamplable import resamplable, resamplable_pair
from helpers_records import answers

F1 = lookup.metric("pope.f1")


def rated(values: np.ndarray) -> list[Record]:
    """``[stimulus, subject]`` ratings, one record per stimulus."""
    return [
        Record(
            f"s{place:04}", f"s{place:04}", (), None, "p@1", {"ratings": [float(v) for v in row]}
        )
        for place, row in enumerate(np.atleast_2d(values))
    ]


def _mean_of_pairs(records) -> Weighted:
    """Per subject the mean product of two different stimuli's ratings: a statistic of pairs."""
    table = np.array([record.parts["ratings"] for record in records])

    def values(weights: np.ndarray) -> np.ndarray:
        total, squares = weights @ table, (weights**2) @ (table**2)
        pairs = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
        return (total**2 - squares) / pairs[:, None]

    subjects = table.shape[1]
    return Weighted(np.ones(len(records), bool), values, subjects if subjects > 1 else 0)


PAIRS = SampleStatistic("pairs", _mean_of_pairs, True, low=None, high=None, resampling="bootstrap")


def test_weights_are_counts_of_as_many_clusters_as_there_are() -> None:
    weights = next(weights_of(7, 2000, seed=0))
    assert weights.shape == (2000, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(7), abs=0.1)


def test_chunks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(weights_of(5, 100, seed=1)))
    monkeypatch.setattr(bootstrap, "CELLS", 50)
    chunked = list(weights_of(5, 100, seed=1))
    assert len(chunked) == 10
    assert (np.concatenate(chunked) == whole).all()


def test_a_sum_metric_under_weights_is_the_metric_of_repeated_records() -> None:
    labels = ["yes", "no", "yes", "no", "yes"] * 3
    random = np.random.default_rng(0)
    clusters = [f"c{place // 3}" for place in range(15)]
    base, other = (answers(labels, random.choice(["yes", "no"], 15), clusters) for _ in range(2))
    weights = next(weights_of(5, 20, seed=3))
    fast = resamplable_pair(F1, base, other).weighted(weights)
    for draw, found in zip(weights, fast, strict=True):
        times = {f"c{place}": int(count) for place, count in enumerate(draw)}
        repeated = [[r for r in side for _ in range(times[r.cluster])] for side in (base, other)]
        assert found == pytest.approx(F1.of(repeated[1]) - F1.of(repeated[0]), nan_ok=True)


def test_pairs_of_a_stimulus_with_its_own_copy_do_not_count() -> None:
    """One stimulus drawn twice and another once: the only pairs are of different stimuli."""
    figure = resamplable(PAIRS, rated(np.array([[1.0, 2.0], [3.0, 5.0], [100.0, 100.0]])))
    assert figure.by_subject(np.array([[2.0, 1.0, 0.0]])) == pytest.approx(np.array([[3.0, 10.0]]))


def test_the_standard_error_over_stimuli_is_that_of_new_stimuli() -> None:
    random = np.random.default_rng(1)
    samples = random.normal(2, 1, size=(400, 40, 1))
    values = [PAIRS.of(rated(sample)) for sample in samples]
    errors = [
        spread(resamplable(PAIRS, rated(sample)), seed=5, draws=400).error
        for sample in samples[:60]
    ]
    # The mean pair is about the squared mean: its standard error is 2 x 2 / sqrt(40).
    assert np.std(values) == pytest.approx(4 / math.sqrt(40), rel=0.12)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.12)


def test_new_subjects_and_new_stimuli_both_count() -> None:
    random = np.random.default_rng(2)

    def sample() -> np.ndarray:
        people = random.normal(0, 0.4, size=(1, 9))
        return 2 + people + random.normal(0, 1, size=(40, 1)) + random.normal(0, 1, size=(40, 9))

    values = [PAIRS.of(rated(sample())) for _ in range(400)]
    found = [spread(resamplable(PAIRS, rated(sample())), seed=1) for _ in range(60)]
    assert np.mean([one.variance for one in found]) == pytest.approx(np.var(values), rel=0.2)
    assert {one.freedom for one in found} == {8.0}
    over_stimuli = [rated(sample().mean(axis=1, keepdims=True)) for _ in range(60)]
    alone = [spread(resamplable(PAIRS, one), seed=1).variance for one in over_stimuli]
    assert np.mean(alone) < 0.8 * np.var(values)  # subjects, left out, are part of the spread


def test_the_dual_variance_is_the_published_formula_within_its_bounds() -> None:
    """S/(S-1) V_s + n/(n-1) V_p - nS/((n-1)(S-1)) (V_sp - V_s - V_p), n 20, S 5."""
    expected = 1.25 * 2.0 + 20 / 19 * 3.0 - 100 / 76 * (5.4 - 5.0)
    assert dual_variance(3.0, 2.0, 5.4, 20, 5) == pytest.approx(expected)
    assert dual_variance(3.0, 2.0, 9.0, 20, 5) == 3.0  # not below the larger of both
    assert dual_variance(3.0, 2.0, 5.1, 20, 5) == 5.1  # and not above their bootstrap together


def test_conditions_share_their_draws_so_that_a_shift_has_no_spread() -> None:
    random = np.random.default_rng(3)
    one = random.normal(5, 1, size=(30, 4))
    same = compare_paired(PAIRS, rated(one), rated(one), seed=7)
    assert (same.difference, same.p, same.low) == (0.0, 1.0, None)
    assert "no two resamples differ" in same.note
    near = compare_paired(PAIRS, rated(one), rated(one + 0.1), seed=7)
    far = compare_paired(PAIRS, rated(one), rated(random.normal(5.1, 1, size=(30, 4))), seed=7)
    assert near.low is not None and near.high is not None and far.low is not None
    assert near.high - near.low < 0.2 * (far.high - far.low)  # type: ignore[operator]
    assert (near.test, near.method) == ("bootstrap-t", "bootstrap-t")
    assert near.p is not None and near.p < 0.001
    assert near.detectable is not None
    assert near.in_family(10).detectable > near.detectable  # type: ignore[operator]


def test_interval_and_p_of_a_bootstrap_agree() -> None:
    random = np.random.default_rng(4)
    for seed in range(20):
        one = random.normal(1, 1, size=(25, 3))
        found = compare_paired(
            PAIRS, rated(one), rated(one + random.normal(0.1, 0.3, size=(25, 3))), seed=seed
        )
        assert found.low is not None and found.high is not None and found.p is not None
        assert (found.p <= 0.05) == (not found.low <= 0 <= found.high)


def test_below_twenty_stimuli_there_is_a_value_and_nothing_else() -> None:
    few = rated(np.random.default_rng(5).normal(1, 1, size=(19, 1)))
    limits = value_limits(PAIRS, few)
    assert (limits.low, limits.method) == (None, "")
    assert "19 cluster(s): below 20" in limits.note
    paired = compare_paired(PAIRS, few, few[::-1], seed=0)
    assert paired.difference == 0.0
    moved = compare_paired(PAIRS, few, [*rated(np.full((19, 1), 2.0))], seed=0)
    assert (moved.low, moved.p, moved.detectable) == (None, None, None)
    assert moved.difference == pytest.approx(4 - PAIRS.of(few))
    enough = rated(np.random.default_rng(5).normal(1, 1, size=(20, 1)))
    assert value_limits(PAIRS, enough).low is not None


def test_the_seed_and_the_order_of_records() -> None:
    records = rated(np.random.default_rng(6).normal(1, 1, size=(25, 2)))
    first = value_limits(PAIRS, records, seed=1)
    turned = value_limits(PAIRS, records[::-1], seed=1)
    assert (turned.low, turned.high) == pytest.approx((first.low, first.high), rel=1e-12)
    assert value_limits(PAIRS, records, seed=1) == first
    other = value_limits(PAIRS, records, seed=2)
    assert (other.low, other.high) != pytest.approx((first.low, first.high), rel=1e-4)
    assert first.method == "bootstrap-t" and "only 25 clusters" in first.note
