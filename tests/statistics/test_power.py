from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from headbench.scoring import lookup
from headbench.statistics import (
    Changes,
    compare_paired,
    detectable,
    detectable_binary,
    mcnemar_clustered,
    mcnemar_exact,
)
from headbench.statistics.power import _power
from helpers_records import answers

ACCURACY = lookup.metric("pope.accuracy")


def power_of_mcnemar(n: int, up: float, down: float, alpha: float) -> float:
    """Going through all gains and losses, each with its chance."""
    total = 0.0
    for gains in range(n + 1):
        for losses in range(n + 1 - gains):
            if mcnemar_exact(gains, losses) <= alpha:
                ways = math.comb(n, gains) * math.comb(n - gains, losses)
                total += ways * up**gains * down**losses * (1 - up - down) ** (n - gains - losses)
    return total


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 12])
@pytest.mark.parametrize(("up", "down"), [(0.1, 0.0), (0.25, 0.05), (0.3, 0.2), (1.0, 0.0)])
def test_power_is_that_of_the_exact_test(up: float, down: float, alpha: float) -> None:
    found = _power(up - down, 2 * down, 60, alpha)
    # The test rejects in the other direction, too; that is no find, and next to never happens.
    assert found == pytest.approx(power_of_mcnemar(60, up, down, alpha), abs=2e-3)


def test_where_nothing_changed_eight_changes_one_way_are_detectable() -> None:
    found = detectable_binary(90, 0)
    assert found is not None
    assert 1 - binom.cdf(5, 90, found) == pytest.approx(0.80, abs=1e-4)
    assert 7.7 < 90 * found < 8
    assert detectable_binary(5, 0) is None  # five changes cannot give p <= .05
    assert mcnemar_exact(6, 0) <= 0.05 < mcnemar_exact(5, 0)
    assert detectable_binary(6, 0) == pytest.approx(0.8 ** (1 / 6), abs=1e-3)


@pytest.mark.parametrize("both_ways", [0, 8, 36])
def test_changes_both_ways_raise_it_and_the_power_stays(both_ways: int) -> None:
    found = detectable_binary(90, both_ways)
    assert found is not None
    down = both_ways / 180
    assert power_of_mcnemar(90, down + found, down, 0.05) == pytest.approx(0.80, abs=0.01)


def test_more_documents_or_a_smaller_family_show_smaller_differences() -> None:
    found = [detectable_binary(n, n // 10) for n in (50, 200, 1000, 5000)]
    assert found == sorted(found, reverse=True)  # type: ignore[type-var]
    labels = ["yes", "no"] * 30
    base, other = answers(labels, labels), answers(labels, [*labels[:58], "yes", "yes"])
    alone = compare_paired(ACCURACY, base, other, seed=0)
    twelve = compare_paired(ACCURACY, base, other, seed=0, family=12)
    assert (alone.alpha, twelve.alpha) == (0.05, 0.05 / 12)
    assert alone.detectable is not None and twelve.detectable is not None
    # Nine changes one way are the fewest with p <= .05 / 12.
    assert 1 - binom.cdf(8, 60, twelve.detectable) == pytest.approx(0.80, abs=1e-3)
    assert alone.in_family(12) == twelve


def test_changes_in_bundles_need_eight_bundles() -> None:
    """One of 30 pictures changed by two answers: p is 1, and a difference of .010 was promised."""
    found = detectable(Changes(np.array([2 / 540]), 30, 1 / 540))
    assert found is not None
    clusters = found * 540 / 2
    assert 1 - binom.cdf(5, 30, clusters / 30) == pytest.approx(0.80, abs=1e-3)
    assert found > 0.027


def test_where_nothing_changed_the_effect_on_a_ratio_is_unknown() -> None:
    assert detectable(Changes(np.array([]), 40)) is None


@settings(max_examples=30, deadline=None)
@given(st.integers(10, 400), st.lists(st.sampled_from([-3, -1, 1, 1, 2, 6]), max_size=10))
def test_it_is_a_difference_and_at_least_six_changes(clusters: int, seen: list[int]) -> None:
    n = 6 * clusters
    found = detectable(Changes(np.array(seen) / n, clusters, 1 / n))
    assert found is None or 6 / n < found <= 1


@pytest.mark.parametrize("seen", [[1, 1, -3, 2, 9, -1], [1, -1, 1, -1, 1, 1, 1, 3]])
def test_bundles_of_many_sizes_are_found_four_times_in_five(seen: list[int]) -> None:
    clusters, runs = 60, 500
    n = 18 * clusters
    difference = detectable(Changes(np.array(seen) / n, clusters, 1 / n))
    assert difference is not None
    random = np.random.default_rng(2)
    sizes = np.abs(seen)
    one_way = difference * n / clusters / sizes.mean()
    both_ways = 2 * sum(change < 0 for change in seen) / clusters
    found = 0
    for _ in range(runs):
        place, drawn = random.random(clusters), random.choice(sizes, clusters)
        sign = np.where(place < one_way, 1, random.choice([-1, 1], clusters))
        changed = np.where(place < one_way + both_ways, sign * drawn, 0)
        found += mcnemar_clustered([int(one) for one in changed]) <= 0.05
    # Three standard errors of 500 runs are .054.
    assert found / runs == pytest.approx(0.80, abs=0.03 + 0.054)
