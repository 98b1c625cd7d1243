from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import roc_auc_score

from headbench.statistics.ranks import weighted_auroc, weighted_spearman

SCORES = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 3.0])
ROWS = st.lists(
    st.tuples(SCORES, SCORES, st.booleans(), st.integers(0, 4)), min_size=1, max_size=30
)


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_auroc_is_scikit_learns_under_weights_and_ties(rows) -> None:
    score, _, positive, counts = map(np.array, zip(*rows, strict=True))
    weights = counts.astype(float)
    found = float(weighted_auroc(score, positive)(weights[None])[0])
    if not weights[positive].sum() or not weights[~positive].sum():
        assert np.isnan(found)
        return
    assert found == pytest.approx(roc_auc_score(positive, score, sample_weight=weights), abs=1e-12)


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_spearman_is_that_of_the_repeated_records(rows) -> None:
    one, other, _, counts = map(np.array, zip(*rows, strict=True))
    found = float(weighted_spearman(one, other)(counts[None].astype(float))[0])
    first, second = np.repeat(one, counts), np.repeat(other, counts)
    if len(set(first)) < 2 or len(set(second)) < 2:
        assert np.isnan(found)
        return
    assert found == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)


def test_fractional_weights_of_auroc_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    score, positive = random.integers(0, 9, 200).astype(float), random.random(200) < 0.3
    weights = random.random((5, 200))
    for row, found in zip(weights, weighted_auroc(score, positive)(weights), strict=True):
        expected = roc_auc_score(positive, score, sample_weight=row)
        assert float(found) == pytest.approx(expected, abs=1e-12)


def test_ranks_are_found_once_and_not_for_each_draw() -> None:
    """Without weights of zero the statistic is that of the plain records, ranked by scipy."""
    random = np.random.default_rng(1)
    one, other = random.normal(size=50), random.integers(0, 5, 50).astype(float)
    plain = np.corrcoef(rankdata(one), rankdata(other))[0, 1]
    found = weighted_spearman(one, other)(np.ones((3, 50)))
    assert found == pytest.approx(np.full(3, plain))
