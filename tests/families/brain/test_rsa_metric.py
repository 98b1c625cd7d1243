"""RSA through the statistics of the harness: value, interval, null, paired difference."""

from __future__ import annotations

import numpy as np
import pytest

from headbench.errors import DataError, RefusedError
from headbench.families.brain.rdm import rdm
from headbench.families.brain.rdm_similarity import similarity
from headbench.families.brain.rsa_metric import HumanGeometry, rsa_metric
from headbench.nouns import Record
from headbench.statistics.limits import value_limits
from headbench.statistics.paired import compare_paired
from headbench.statistics.permutation import label_null

RANDOM = np.random.default_rng(0)
NAMES = tuple(f"s{number}" for number in range(40))
TRUTH = RANDOM.standard_normal((40, 12))
PEOPLE = HumanGeometry(
    NAMES, np.array([rdm(TRUTH + RANDOM.standard_normal((40, 12))) for _ in range(5)])
)
RSA = rsa_metric("rsa", PEOPLE)


def records(features: np.ndarray, names: tuple[str, ...] = NAMES) -> list[Record]:
    return [
        Record(name, name, (), None, "none@1", {"features": row.astype(np.float16)})
        for name, row in zip(names, features, strict=True)
    ]


def noisy(noise: float, seed: int = 1) -> np.ndarray:
    return TRUTH + noise * np.random.default_rng(seed).standard_normal((40, 12))


def test_the_figure_is_the_mean_over_people_whatever_the_order() -> None:
    features = noisy(0.5)
    rows = records(features)
    halved = features.astype(np.float16).astype(float)
    expected = similarity(rdm(halved), PEOPLE.rdms).mean()
    assert RSA.of(rows) == pytest.approx(expected)
    assert RSA.of(rows[::-1]) == pytest.approx(expected)


def test_an_interval_holds_the_figure_and_a_null_does_not() -> None:
    rows = records(noisy(0.5))
    limits = value_limits(RSA, rows, seed=0)
    assert limits.low is not None
    assert limits.high is not None
    assert 0 < limits.low < RSA.of(rows) < limits.high < 1
    null = label_null(RSA, rows, seed=0, draws=199)
    assert null is not None
    assert null.p == pytest.approx(0.01)
    assert abs(null.mean) < 0.02
    unrelated = records(np.random.default_rng(7).standard_normal((40, 12)))
    nothing = label_null(RSA, unrelated, seed=0, draws=199)
    assert nothing is not None
    assert nothing.p > 0.05


def test_an_edit_that_blurs_the_geometry_is_seen_and_none_is_not() -> None:
    base = records(noisy(0.3))
    blurred = compare_paired(RSA, base, records(noisy(3.0, seed=2)), seed=0)
    assert blurred.difference < -0.2
    assert blurred.p is not None
    assert blurred.p < 0.05
    same = compare_paired(RSA, base, records(noisy(0.3)), seed=0)
    assert same.difference == 0


def test_stimuli_that_people_did_not_see_take_no_part() -> None:
    features = noisy(0.5)
    more = records(np.vstack([features, RANDOM.standard_normal((3, 12))]), (*NAMES, "x", "y", "z"))
    assert RSA.of(more) == pytest.approx(RSA.of(records(features)))
    without = [record for record in more if record.document != "s3"]
    kept = [at for at in range(40) if at != 3]
    halved = features[kept].astype(np.float16).astype(float)
    expected = similarity(rdm(halved), PEOPLE.over([NAMES[at] for at in kept])).mean()
    assert RSA.of(without) == pytest.approx(expected)


def test_a_silenced_head_has_no_figure() -> None:
    assert np.isnan(RSA.of(records(np.zeros((40, 12)))))
    flat = rsa_metric("flat", PEOPLE, kind="euclidean")
    assert np.isnan(flat.of(records(np.ones((40, 12)))))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(RefusedError, match="uncentred RDMs says nothing"):
        rsa_metric("cosine", PEOPLE, method="cosine")
    with pytest.raises(DataError, match="39 different names"):
        HumanGeometry((*NAMES[:-1], "s0"), PEOPLE.rdms)
