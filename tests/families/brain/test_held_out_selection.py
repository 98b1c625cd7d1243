"""Selection of a layer or head: found where it is, and not rewarded where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from headbench.errors import DataError
from headbench.families.brain.held_out_selection import (
    folds,
    halves,
    over_stimuli,
    over_subjects,
    select,
)
from headbench.families.brain.rdm import rdm
from headbench.families.brain.rdm_similarity import permuted_similarity, prepare


def layers(planted: float, seed: int, count: int = 12, stimuli: int = 40) -> tuple:
    """RDMs of layers, the one numbered 7 related to the target by ``planted``; and the target."""
    random = np.random.default_rng(seed)
    truth = random.standard_normal((stimuli, 20))
    features = random.standard_normal((count, stimuli, 20))
    features[7] += planted * truth
    return np.array([rdm(one) for one in features]), rdm(truth)


def test_a_planted_layer_is_found_on_every_half() -> None:
    models, target = layers(1.0, seed=0)
    found = select(over_stimuli(models, target), halves(40, seed=0), 40)
    assert found.best == 7
    assert set(found.chosen) == {7}
    assert found.agreement == 1
    assert found.score > 0.3
    assert abs(found.optimism_gap) < 0.05


def test_without_a_relation_held_out_scores_are_zero_and_the_best_is_not() -> None:
    scores, gaps = [], []
    for seed in range(30):
        models, target = layers(0.0, seed)
        found = select(over_stimuli(models, target, "pearson"), halves(40, seed, repeats=2), 40)
        scores.append(found.score)
        gaps.append(found.optimism_gap)
    assert abs(np.mean(scores)) < 3 * np.std(scores) / np.sqrt(30) + 0.005
    assert np.mean(gaps) > 0.03


def test_a_planted_null_is_significant_at_its_rate() -> None:
    # Label permutation of one layer without a relation, 300 runs at .05: at most 7 % by chance.
    significant = 0
    for seed in range(300):
        random = np.random.default_rng(1000 + seed)
        one, two = (prepare(rdm(random.standard_normal((24, 10)))) for _ in range(2))
        orders = np.array([np.arange(24), *(random.permutation(24) for _ in range(199))])
        values = permuted_similarity(one, two, orders)[:, 0, 0]
        significant += np.mean(values >= values[0]) <= 0.05
    assert significant <= 0.07 * 300


def test_selection_over_subjects_uses_the_training_subjects_only() -> None:
    table = np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [0.4, 0.4, 0.4, 0.4]])
    splits = [halves(4, seed=0, repeats=1)[0]]
    choose, score = splits[0].choose, splits[0].score
    found = select(over_subjects(table), splits, 4)
    best = int(table[:, choose].mean(axis=1).argmax())
    assert found.chosen == (best,)
    assert found.score == pytest.approx(table[best, score].mean())


def test_undefined_candidates_are_never_chosen() -> None:
    table = np.array([[np.nan] * 4, [0.1, 0.2, 0.1, 0.2]])
    found = select(over_subjects(table, median=True), halves(4, 0, repeats=2), 4)
    assert set(found.chosen) == {1}
    with pytest.raises(DataError, match="no candidate has a score"):
        select(over_subjects(table[:1]), halves(4, 0), 4)


def test_a_silenced_candidate_has_no_score_among_stimuli() -> None:
    models, target = layers(1.0, seed=3)
    models[2] = 0
    found = over_stimuli(models, target)(np.arange(30))
    assert np.flatnonzero(np.isnan(found)).tolist() == [2]


def test_halves_and_folds_are_disjoint_and_cover_everything() -> None:
    groups = np.array(list("aabbbccdddde"))
    for split in (*halves(12, 3), *folds(groups, 3, seed=1)):
        assert not set(split.choose) & set(split.score)
        assert len(split.choose) + len(split.score) == 12
    parts = folds(groups, 3, seed=1)
    assert sorted(np.concatenate([part.score for part in parts])) == list(range(12))
    for part in parts:
        assert not set(groups[part.choose]) & set(groups[part.score])
    assert max(len(part.score) for part in parts) <= 5
    with pytest.raises(DataError, match="6 folds of 5 groups"):
        folds(groups, 6, seed=0)
    with pytest.raises(DataError, match="no split"):
        select(over_subjects([[0.1]]), [], 1)
