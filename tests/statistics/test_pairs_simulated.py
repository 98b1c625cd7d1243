"""Similarities of RDMs, simulated: new stimuli, new subjects, equal models, no relation.

Two models are equally good where both are the truth with noise of their own. What is drawn decides
what a difference is held against: subjects alone are too few in kind, because the stimuli are a
sample, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from headbench.families.brain.rdm import rdm
from headbench.families.brain.rdm_similarity import (
    permuted_similarity,
    prepare,
    prepared_similarity,
    weighted_similarity,
)
from headbench.nouns import Record
from headbench.statistics import compare_paired, label_null, max_statistic_p, permuted_values
from headbench.statistics.bootstrap import weights_of
from headbench.statistics.metric import SampleStatistic, Weighted
from headbench.statistics.resamplable import resamplable_pair

STIMULI, SUBJECTS, UNITS = 30, 8, 12


def similarity_of(people: np.ndarray) -> SampleStatistic:
    """Mean similarity of features to each subject's RDM, ``[subject, pair]``."""

    def of_records(records: Sequence[Record]) -> Weighted:
        features = np.array([record.parts["features"] for record in records])
        model = prepare(rdm(features, "euclidean"), "spearman")
        target = prepare(people, "spearman")
        return Weighted(
            np.ones(len(records), dtype=bool),
            lambda weights: weighted_similarity(model, target, weights)[:, 0],
            subjects=len(people) if len(people) > 1 else 0,
            permuted=lambda orders: permuted_similarity(model, target, orders)[:, 0],
        )

    return SampleStatistic("similarity", of_records, True, resampling="bootstrap")


def features_of(values: np.ndarray) -> list[Record]:
    return [
        Record(f"s{i:03}", f"s{i:03}", (), None, "", {"features": row})
        for i, row in enumerate(values)
    ]


def experiment(
    random: np.random.Generator, subjects: int = SUBJECTS
) -> tuple[SampleStatistic, list[Record], list[Record]]:
    """New stimuli, new subjects, and two models that are equally far from the truth."""
    truth = random.normal(size=(STIMULI, UNITS))
    people = np.array(
        [rdm(truth + random.normal(size=truth.shape), "euclidean") for _ in range(subjects)]
    )
    one, two = (features_of(truth + random.normal(size=truth.shape)) for _ in range(2))
    return similarity_of(people), one, two


def test_the_figure_is_the_mean_similarity_to_the_subjects() -> None:
    random = np.random.default_rng(0)
    people = np.array([rdm(random.normal(size=(25, UNITS)), "euclidean") for _ in range(3)])
    features = random.normal(size=(25, UNITS))
    model = prepare(rdm(features, "euclidean"), "spearman")
    plain = prepared_similarity(model, prepare(people, "spearman"))
    assert similarity_of(people).of(features_of(features)) == pytest.approx(plain.mean(), abs=1e-12)


def test_two_equally_good_models_are_rarely_told_apart() -> None:
    """Drawing subjects alone, which many papers do, tells them apart in a third of runs."""
    runs, both, subjects_alone = 100, 0, 0
    for seed in range(runs):
        metric, one, two = experiment(np.random.default_rng([1, seed]))
        found = compare_paired(metric, one, two, seed=seed, draws=200)
        assert found.p is not None and found.low is not None and found.high is not None
        assert (found.p <= 0.05) == (not found.low <= 0 <= found.high)
        both += found.p <= 0.05
        by_subject = resamplable_pair(metric, one, two).by_subject(np.ones((1, STIMULI)))[0]
        drawn = np.concatenate([*weights_of(SUBJECTS, 500, seed)]) @ by_subject / SUBJECTS
        low, high = np.quantile(drawn, [0.025, 0.975])
        subjects_alone += not low <= 0 <= high
    assert both / runs <= 0.05 + 2 * 0.022
    assert subjects_alone / runs > 0.2


def test_one_group_of_people_is_resampled_over_stimuli() -> None:
    runs, rejected = 100, 0
    for seed in range(runs):
        metric, one, two = experiment(np.random.default_rng([2, seed]), subjects=1)
        found = compare_paired(metric, one, two, seed=seed, draws=200)
        assert found.p is not None
        rejected += found.p <= 0.05
    assert rejected / runs <= 0.05 + 2 * 0.022


def test_a_better_model_is_found() -> None:
    found = 0
    for seed in range(20):
        random = np.random.default_rng([3, seed])
        metric, one, _ = experiment(random)
        truth = np.array([record.parts["features"] for record in one])
        worse = features_of(random.normal(size=truth.shape))
        p = compare_paired(metric, one, worse, seed=seed, draws=200).p
        found += p is not None and p <= 0.05
    assert found >= 16


def test_features_without_relation_are_rarely_significant() -> None:
    """At most 7 % of 300 runs, as a referee would allow for a nominal 5 %."""
    rejected = 0
    for seed in range(300):
        random = np.random.default_rng([4, seed])
        people = np.array([rdm(random.normal(size=(20, UNITS)), "euclidean")])
        null = label_null(
            similarity_of(people), features_of(random.normal(size=(20, UNITS))), seed=seed, draws=99
        )
        assert null is not None
        rejected += null.p <= 0.05
    assert rejected / 300 <= 0.07


def test_a_planted_layer_is_found_among_24_and_noise_is_not() -> None:
    random = np.random.default_rng(5)
    truth = random.normal(size=(40, UNITS))
    target = prepare(rdm(truth, "euclidean"), "spearman")
    layers = [random.normal(size=truth.shape) for _ in range(24)]
    layers[17] = truth + random.normal(size=truth.shape)
    models = prepare(np.array([rdm(layer, "euclidean") for layer in layers]), "spearman")
    null = permuted_values(
        lambda orders: permuted_similarity(models, target, orders)[:, :, 0], 40, seed=0, draws=199
    )
    p = max_statistic_p(prepared_similarity(models, target)[:, 0], null)
    assert p.argmin() == 17 and p[17] == 1 / 200
    assert np.delete(p, 17).min() > 0.05
