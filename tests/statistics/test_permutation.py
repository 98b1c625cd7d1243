from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, spearmanr

from headbench.errors import DataError, RefusedError
from headbench.nouns import Record
from headbench.results.canonical import plain
from headbench.results.figures import Sampling, estimate
from headbench.scoring import lookup
from headbench.statistics import (
    label_null,
    max_statistic_p,
    mcnemar_exact,
    permutation,
    permutation_p,
    permuted_values,
    swap_test,
)
from headbench.statistics.metric import SampleStatistic, Weighted
from helpers_records import answers

F1 = lookup.metric("pope.f1")
ACCURACY = lookup.metric("pope.accuracy")
YESNO = st.sampled_from(["yes", "no"])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(YESNO, YESNO, YESNO), min_size=1, max_size=7))
def test_few_clusters_are_gone_through_one_by_one(rows) -> None:
    labels, before, after = zip(*rows, strict=True)
    base, other = answers(labels, before), answers(labels, after)
    observed = F1.of(other) - F1.of(base)
    p = swap_test(F1, base, other, seed=0)
    if math.isnan(observed):
        assert p is None
        return
    extreme = 0
    for swap in itertools.product((False, True), repeat=len(rows)):
        one = [b if s else a for a, b, s in zip(base, other, swap, strict=True)]
        two = [a if s else b for a, b, s in zip(base, other, swap, strict=True)]
        extreme += not abs(F1.of(two) - F1.of(one)) < abs(observed) - 1e-12
    assert p == pytest.approx(extreme / 2 ** len(rows))


def test_swapping_single_documents_is_mcnemars_test() -> None:
    labels = ["yes"] * 30
    before = ["no"] * 9 + ["yes"] * 21
    after = ["yes"] * 10 + ["no"] * 2 + ["yes"] * 18
    p = swap_test(ACCURACY, answers(labels, before), answers(labels, after), seed=0, draws=20_000)
    assert p == pytest.approx(mcnemar_exact(9, 2), abs=0.01)


def test_the_test_is_symmetric_and_deterministic() -> None:
    labels = ["yes", "no"] * 15
    one, two = answers(labels, ["yes"] * 30), answers(labels, ["yes"] * 20 + ["no"] * 10)
    p = swap_test(F1, one, two, seed=4, draws=500)
    assert swap_test(F1, one, two, seed=4, draws=500) == p
    assert swap_test(F1, two, one, seed=4, draws=500) == p
    assert swap_test(F1, one, one, seed=4, draws=500) == 1.0


def test_p_is_uniform_when_the_conditions_are_alike() -> None:
    random = np.random.default_rng(2)
    small = 0
    for seed in range(150):
        labels = ["yes", "no"] * 20
        base, other = (list(random.choice(["yes", "no"], size=40)) for _ in range(2))
        p = swap_test(F1, answers(labels, base), answers(labels, other), seed=seed, draws=199)
        assert p is not None
        small += p <= 0.2
    assert 0.10 <= small / 150 <= 0.30


def test_permutation_p_counts_the_observed_itself() -> None:
    assert permutation_p(3.0, [1.0, 2.0, -4.0]) == 2 / 4
    assert permutation_p(3.0, [1.0, 2.0, -4.0], "greater") == 1 / 4
    assert permutation_p(3.0, [1.0, 2.0, -4.0], "less") == 4 / 4
    assert permutation_p(3.0, []) == 1.0
    assert permutation_p(0.3, [0.1 + 0.2]) == 1.0


def test_an_undefined_permutation_counts_as_extreme_in_every_tail() -> None:
    null = [math.nan, 1.0, -1.0, 0.0]
    assert permutation_p(5.0, null) == 2 / 5
    assert permutation_p(5.0, null, "greater") == 2 / 5
    assert permutation_p(-5.0, null, "less") == 2 / 5
    table = np.array([[math.nan, 0.0], [0.0, 0.0], [0.0, 0.1]])
    assert max_statistic_p([5.0, -5.0], table).tolist() == [2 / 4, 1.0]


def test_a_null_that_is_partly_undefined_has_a_large_p_and_says_so() -> None:
    def prepare(records: Sequence[Record]) -> Weighted:
        def permuted(orders: np.ndarray) -> np.ndarray:
            values = np.random.default_rng(1).normal(size=len(orders))
            values[::2] = math.nan
            return values

        part = np.ones(len(records), dtype=bool)
        return Weighted(part, lambda weights: np.full(len(weights), 5.0), permuted=permuted)

    metric = SampleStatistic("odd", prepare, True, low=None, high=None)
    found = label_null(metric, both(*np.ones((2, 30))), seed=0, draws=100)
    assert found is not None
    assert (found.p, found.undefined, found.draws) == (1.0, 0.5, 100)
    assert math.isnan(found.mean) and math.isnan(found.sd)
    stored = estimate("mine.odd", metric, both(*np.ones((2, 30))), Sampling(draws=100))
    assert stored.null is None
    assert stored.note.endswith(
        "no permutation test: the figure is undefined in 50 % of the permutations"
    )
    assert plain(stored.model_dump(mode="json"))  # a file can hold it


def test_labels_are_permuted_and_never_fewer_than_twenty() -> None:
    seen = []

    def permuted(orders: np.ndarray) -> np.ndarray:
        assert (np.sort(orders, axis=1) == np.arange(orders.shape[1])).all()
        seen.append(orders)
        return orders[:, 0].astype(float)

    null = permuted_values(permuted, 25, seed=3, draws=500)
    assert len({tuple(row) for row in np.concatenate(seen)}) == 500
    assert null.mean() == pytest.approx(12, abs=1)  # each label as often in the first place
    assert (permuted_values(permuted, 25, seed=3, draws=500) == null).all()
    with pytest.raises(RefusedError, match="19 stimuli are too few"):
        permuted_values(permuted, 19, seed=3)


def test_chunks_of_permutations_are_those_of_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = permuted_values(lambda orders: orders, 20, seed=1, draws=30)
    monkeypatch.setattr(permutation, "CELLS", 200)
    assert (permuted_values(lambda orders: orders, 20, seed=1, draws=30) == whole).all()


def both(one: np.ndarray, other: np.ndarray) -> list[Record]:
    parts = [{"predicted": float(a), "observed": float(b)} for a, b in zip(one, other, strict=True)]
    return [Record(f"d{i:03}", f"d{i:03}", (), None, "p@1", part) for i, part in enumerate(parts)]


def test_the_null_of_a_correlation_is_scipys() -> None:
    random = np.random.default_rng(2)
    one = random.normal(size=60)
    other = 0.3 * one + random.normal(size=60)
    found = label_null(lookup.metric("spearman"), both(one, other), seed=0, draws=1000)
    assert found is not None and found.draws == 1000
    assert found.mean == pytest.approx(0, abs=0.02)
    assert found.sd == pytest.approx(1 / math.sqrt(59), rel=0.08)
    assert found.p == pytest.approx(spearmanr(one, other).pvalue, abs=0.02)


def test_the_null_of_an_auroc_lies_about_a_half() -> None:
    random = np.random.default_rng(3)
    positive = np.arange(40) % 4 == 0
    scores = random.normal(size=40) + 0.6 * positive
    records = [
        Record(f"d{i}", f"d{i}", (), None, "p@1", {"score": float(s), "positive": bool(p)})
        for i, (s, p) in enumerate(zip(scores, positive, strict=True))
    ]
    found = label_null(lookup.metric("auroc"), records, seed=1, draws=1000)
    expected = mannwhitneyu(scores[positive], scores[~positive], method="exact").pvalue
    assert found is not None and found.mean == pytest.approx(0.5, abs=0.02)
    error = 2 * math.sqrt(expected / 2 * (1 - expected / 2) / 1000)  # of a doubled tail
    assert found.p == pytest.approx(expected, abs=3 * error) and 0.01 < expected < 0.9
    assert label_null(lookup.metric("auroc"), records[:19], seed=0, draws=100) is None


def test_a_null_without_relation_rejects_as_often_as_it_says() -> None:
    random = np.random.default_rng(4)
    spearman = lookup.metric("spearman")
    rejected = 0
    for seed in range(300):
        found = label_null(spearman, both(*random.normal(size=(2, 25))), seed=seed, draws=199)
        assert found is not None
        rejected += found.p <= 0.05
    assert 3 < rejected <= 0.07 * 300


def test_labels_of_documents_that_share_a_cluster_are_not_permuted() -> None:
    random = np.random.default_rng(6)
    records = both(*random.normal(size=(2, 60)))
    shared = [dataclasses.replace(one, cluster=f"c{i // 2}") for i, one in enumerate(records)]
    spearman = lookup.metric("spearman")
    assert label_null(spearman, records, seed=0, draws=99) is not None
    with pytest.raises(RefusedError, match="documents share clusters"):
        label_null(spearman, shared, seed=0, draws=99)
    figure = estimate("spearman", spearman, shared, Sampling(0, 99))
    assert figure.null is None and "no permutation test: documents share" in figure.note


def test_whole_clusters_change_places_with_others_of_their_size() -> None:
    sizes = [2] * 21 + [3] * 4 + [5]
    clusters = [f"c{at}" for at, size in enumerate(sizes) for _ in range(size)]
    drawn = permuted_values(lambda orders: orders, 59, seed=1, draws=40, clusters=clusters)
    assert (np.sort(drawn, axis=1) == np.arange(59)).all()
    assert (drawn[:, 54:] == np.arange(54, 59)).all()  # the only cluster of five stays
    first = drawn[:, :42:2]
    assert (first % 2 == 0).all() and (drawn[:, 1:42:2] == first + 1).all()  # the order within
    assert len(np.unique(first, axis=0)) == 40
    assert set(drawn[:, 42].tolist()) == {42, 45, 48, 51}
    with pytest.raises(RefusedError, match="4 of 24 clusters have another of their size"):
        sizes = [*range(4, 24), 2, 2, 3, 3]
        names = [f"c{at}" for at, size in enumerate(sizes) for _ in range(size)]
        permuted_values(lambda orders: orders, len(names), seed=1, clusters=names)


def test_sum_metrics_have_no_sides_to_permute() -> None:
    records = answers(["yes", "no"] * 20, ["yes"] * 40)
    assert label_null(ACCURACY, records, seed=0, draws=100) is None


def test_the_best_of_many_is_held_against_the_best_of_the_null() -> None:
    null = np.array([[0.1, 0.2], [0.3, 0.0], [0.0, 0.4], [0.2, 0.1]])
    found = max_statistic_p([0.25, 0.05], null)
    assert found.tolist() == [3 / 5, 1.0]  # the best of each permutation: .2, .3, .4, .2
    assert max_statistic_p([-0.25, -0.05], -null, "less").tolist() == [3 / 5, 1.0]
    assert max_statistic_p([-0.25, 0.05], null, "two-sided").tolist() == [3 / 5, 1.0]
    with pytest.raises(DataError, match="3 candidates"):
        max_statistic_p([0.1, 0.2, 0.3], null)


def test_the_best_of_24_unrelated_layers_is_rarely_significant() -> None:
    random = np.random.default_rng(5)
    alone = together = 0
    for _ in range(300):
        observed, null = random.normal(size=24), random.normal(size=(199, 24))
        best = int(observed.argmax())
        alone += permutation_p(observed[best], null[:, best], "greater") <= 0.05
        together += max_statistic_p(observed, null)[best] <= 0.05
    assert alone / 300 > 0.55
    assert together / 300 <= 0.07
