from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from headbench.statistics import (
    mcnemar_clustered,
    mcnemar_exact,
    wilson,
)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test_of_the_changes(gains: int, losses: int) -> None:
    expected = binomtest(gains, gains + losses).pvalue if gains + losses else 1.0
    assert mcnemar_exact(gains, losses) == pytest.approx(expected)
    assert mcnemar_exact(gains, losses) == mcnemar_exact(losses, gains)


def test_mcnemar_by_hand_and_at_scale() -> None:
    assert mcnemar_exact(0, 6) == 2 / 64
    assert mcnemar_exact(0, 5) > 0.05
    assert 0 < mcnemar_exact(300, 700) < 1e-30
    assert mcnemar_exact(4000, 5000) > 0


@given(st.lists(st.integers(-4, 4), max_size=9))
def test_clustered_mcnemar_goes_through_all_signs(differences: list[int]) -> None:
    signs = list(itertools.product((-1, 1), repeat=len(differences)))
    sums = [abs(sum(np.multiply(sign, differences))) for sign in signs]
    expected = sum(total >= abs(sum(differences)) for total in sums) / len(signs)
    assert mcnemar_clustered(differences) == pytest.approx(expected)


@given(st.integers(0, 20), st.integers(0, 20))
def test_clustered_mcnemar_without_bundles_is_mcnemar(gains: int, losses: int) -> None:
    assert mcnemar_clustered([1] * gains + [-1] * losses) == mcnemar_exact(gains, losses)


def test_changes_in_bundles_are_weaker_evidence() -> None:
    assert mcnemar_clustered([6]) == 1.0
    assert mcnemar_exact(6, 0) < 0.05


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_wilson_gives_known_intervals(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_scipy_and_holds_the_share(case: tuple[int, int]) -> None:
    successes, n = case
    low, high = wilson(successes, n)
    theirs = binomtest(successes, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert 0 <= low <= successes / n <= high <= 1


def test_wilson_of_nothing_is_everything() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
