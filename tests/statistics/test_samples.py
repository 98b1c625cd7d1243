from __future__ import annotations

import numpy as np
import pytest

from headbench.nouns import Record
from headbench.scoring import lookup
from headbench.statistics.metric import Metric, SumMetric, ratio
from headbench.statistics.resamplable import resamplable, resamplable_pair
from headbench.statistics.samples import jackknife, proportion
from helpers_records import answers

RECORDS = answers(["yes", "yes", "no", "no", "no"] * 4, ["yes", "no", "yes", "no", "unparsed"] * 4)


def graded(values: list[float], **parts: float) -> list[Record]:
    return [
        Record(f"d{place}", f"d{place}", (), None, "p@1", {"x": value, **parts})
        for place, value in enumerate(values)
    ]


def users(value, **facts) -> SumMetric:
    """A metric as a user writes one: nothing says what kind it is."""
    return SumMetric("mine", ("x", "n"), lambda r: (float(r.parts["x"]), 1.0), value, True, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pope.accuracy", [1, 0, 0, 1, 0]),
        ("pope.yes_ratio", [1, 0, 1, 0, 0]),
        ("pope.unparsed_rate", [0, 0, 0, 0, 1]),
        ("pope.precision", [1, np.nan, 0, np.nan, np.nan]),
        ("pope.recall", [1, 0, np.nan, np.nan, np.nan]),
        ("pope.f1", None),
    ],
)
def test_a_proportion_is_known_by_its_records(name: str, expected: list[float] | None) -> None:
    found = proportion(lookup.metric(name), RECORDS)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        np.testing.assert_array_equal(found, expected * 4)


def test_what_is_counted_per_captions_or_walls_is_no_proportion_of_documents() -> None:
    walls = graded([1.0] * 4, correct_groups=2, groups=4, walls=1)
    assert proportion(lookup.metric("walls.group_rate"), walls) is None


def test_a_users_hit_rate_is_a_proportion_and_a_users_ratio_is_not() -> None:
    def share(sums):
        return ratio(sums[..., 0], sums[..., 1])

    def squared(sums):
        return share(sums) ** 2

    records = graded([1.0, 0.0, 0.0, 1.0, 1.0])
    assert proportion(users(share), records) is not None
    assert proportion(users(squared), records) is None  # 0 or 1 each, and yet not their mean
    assert proportion(users(share), graded([1.0, 0.5, 0.0])) is None


def test_a_least_number_of_items_does_not_hide_a_proportion() -> None:
    rescued = lookup.metric("stickiness.ever_rescued")
    items = [
        Record(f"d{i}", f"d{i}", (), None, "p@1", {"z": 1, "ever": i % 3 == 0}) for i in range(31)
    ]
    found = proportion(rescued, items)
    assert found is not None and found.sum() == 11


def test_the_jackknife_leaves_out_one_cluster_after_the_other() -> None:
    f1 = lookup.metric("pope.f1")
    labels, images = ["yes", "no", "yes"] * 12, [f"i{place // 3:02}" for place in range(36)]
    base, other = (
        answers(labels, np.random.default_rng(seed).choice(["yes", "no"], 36), images)
        for seed in (3, 4)
    )
    found = jackknife(resamplable_pair(f1, base, other))
    without = []
    for image in sorted(set(images)):
        kept = [[r for r in side if r.cluster != image] for side in (base, other)]
        without.append(f1.of(kept[1]) - f1.of(kept[0]))
    variance = 11 / 12 * sum((value - np.mean(without)) ** 2 for value in without)
    assert found.sample is not None
    assert (found.sample.influence**2).sum() == pytest.approx(variance)
    assert found.sample.influence.sum() == pytest.approx(0, abs=1e-12)
    assert found.sample.value == pytest.approx(f1.of(other) - f1.of(base))
    assert found.sample.weight.sum() == pytest.approx(1)


def test_clusters_without_anything_to_say_take_no_part() -> None:
    precision = lookup.metric("pope.precision")
    images = [f"i{place // 18:02}" for place in range(360)]
    records = answers(["yes", "no"] * 180, ["yes"] * 4 + ["no"] * 356, images)
    found = jackknife(resamplable(precision, records))
    assert found.part.sum() == 1
    assert found.undefined == 1.0  # without that cluster there is no precision
    assert found.sample is None


def test_metric_still_makes_a_sum_metric_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="make a SumMetric"):
        old = Metric("mine", ("x",), lambda r: (1.0,), lambda sums: sums[..., 0], True, high=None)  # type: ignore[abstract, call-arg]
    assert isinstance(old, SumMetric) and old.high is None
    assert old.of(graded([1.0, 2.0])) == 2.0
