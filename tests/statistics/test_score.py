from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm, t

from headbench.statistics import agree, tango, wilson
from headbench.statistics.score import Interval, Sample, bounded, paired, student

Z = norm.isf(0.025)


def score(n: int, gains: int, losses: int, difference: float) -> float:
    """Tango's statistic, its nuisance parameter found by climbing the likelihood."""
    low, high = max(0.0, -difference), (1 - difference) / 2

    def deviance(share: float) -> float:
        chances = (share + difference, share, 1 - 2 * share - difference)
        counts = (gains, losses, n - gains - losses)
        return -sum(c * math.log(max(q, 1e-300)) for c, q in zip(counts, chances, strict=True) if c)

    best = minimize_scalar(deviance, bounds=(low, high), method="bounded", options={"xatol": 1e-10})
    variance = n * (2 * best.x + difference - difference**2)
    return (gains - losses - n * difference) / math.sqrt(variance)


@pytest.mark.parametrize(
    ("n", "gains", "losses"), [(44, 0, 1), (50, 5, 0), (90, 9, 2), (20, 3, 7), (300, 40, 35)]
)
def test_the_ends_of_tangos_interval_are_what_the_score_test_just_rejects(
    n: int, gains: int, losses: int
) -> None:
    low, high = tango(n, gains, losses)
    assert score(n, gains, losses, low) == pytest.approx(Z, abs=2e-4)
    assert score(n, gains, losses, high) == pytest.approx(-Z, abs=2e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 80), st.data())
def test_tangos_interval_is_mirrored_and_never_flat(n: int, data: st.DataObject) -> None:
    gains = data.draw(st.integers(0, n))
    losses = data.draw(st.integers(0, n - gains))
    low, high = tango(n, gains, losses)
    assert -1 <= low <= (gains - losses) / n <= high <= 1
    assert high - low > 0.01
    assert tango(n, losses, gains) == pytest.approx((-high, -low), abs=1e-8)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 80).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_single_documents_and_the_normal_quantile_make_it_wilsons(case: tuple[int, int]) -> None:
    hits, n = case
    values = np.repeat([1.0, 0.0], [hits, n - hits])
    sample = Sample(hits / n, (values - hits / n) / n, np.full(n, 1 / n), math.inf)
    assert bounded(sample, 0.0, 1.0, 0.95) == pytest.approx(wilson(hits, n), abs=1e-6)


def test_other_bounds_are_another_scale() -> None:
    values = np.random.default_rng(0).random(30)
    sample = Sample(values.mean(), (values - values.mean()) / 30, np.full(30, 1 / 30))
    wide = Sample(1 + 9 * sample.value, 9 * sample.influence, sample.weight)
    low, high = bounded(sample, 0.0, 1.0, 0.95)
    assert bounded(wide, 1.0, 10.0, 0.95) == pytest.approx((1 + 9 * low, 1 + 9 * high), abs=1e-6)


def test_all_right_is_as_sure_as_there_are_clusters() -> None:
    """20 pictures without an error are 20 pieces of evidence, however many questions they hold."""
    sample = Sample(1.0, np.zeros(20), np.full(20, 1 / 20))
    quantile = t.isf(0.025, 19)
    low, high = bounded(sample, 0.0, 1.0, 0.95)
    assert high == 1.0
    assert low == pytest.approx(20 / (20 + quantile**2), abs=1e-6)
    still = paired(Sample(0.0, np.zeros(20), np.full(20, 1 / 20)), 0.0, 0.0, 1.0, 0.95)
    assert still.high == pytest.approx(quantile**2 / (20 + quantile**2), abs=1e-6)
    assert still.low == pytest.approx(-still.high)


def test_few_clusters_with_all_the_spread_cost_degrees_of_freedom() -> None:
    weight = np.full(40, 1 / 40)
    even = np.tile([0.01, -0.01], 20)
    one = np.zeros(40)
    one[0] = math.sqrt((even**2).sum())
    for influence, freedom in ((even, 39.0), (one, 2 / (1 - 1 / 40))):
        half = t.isf(0.025, freedom) * math.sqrt((even**2).sum())
        found = student(Sample(5.0, influence, weight), 0.95)
        assert found == pytest.approx((5 - half, 5 + half))


@pytest.mark.parametrize(
    ("interval", "difference", "p", "expected"),
    [
        ((0.01, 0.2), 0.1, 0.06, (0.0, 0.2)),  # the test does not reject 0: it is let in
        ((-0.2, -0.01), -0.1, 0.5, (-0.2, 0.0)),
        ((0.01, 0.2), 0.1, 0.04, (0.01, 0.2)),
        ((-0.1, 0.1), 0.0, 1.0, (-0.1, 0.1)),
        ((0.01, 0.2), 0.1, None, (0.01, 0.2)),
    ],
)
def test_interval_and_p_agree_about_zero(interval, difference, p, expected) -> None:
    assert agree(Interval(*interval), difference, p, 0.95) == expected


def test_where_p_rejects_zero_the_end_is_where_the_test_puts_it() -> None:
    p = 0.01
    end = 0.1 * (1 - Z / norm.isf(p / 2))
    assert agree(Interval(-0.02, 0.3), 0.1, p, 0.95) == pytest.approx((end, 0.3))
    assert agree(Interval(-0.3, 0.02), -0.1, p, 0.95) == pytest.approx((-0.3, -end))
