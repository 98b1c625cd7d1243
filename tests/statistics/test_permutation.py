from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headbench.scoring import lookup
from headbench.statistics import (
    mcnemar_exact,
    permutation_p,
    swap_test,
)
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
