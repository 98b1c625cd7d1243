from __future__ import annotations

import numpy as np
import pytest

from headbench.nouns import Record
from headbench.scoring import lookup
from headbench.statistics import compare_paired, value_limits, wilson
from headbench.statistics.metric import SumMetric, ratio
from helpers_records import answers

ACCURACY, F1 = lookup.metric("pope.accuracy"), lookup.metric("pope.f1")


def pictures(count: int, right: list[bool]) -> list[Record]:
    """``count`` pictures with as many questions each as ``right`` is long."""
    labels = ["yes", "no"] * (len(right) * count // 2) + ["yes"] * (len(right) * count % 2)
    said = [
        label if good else {"yes": "no", "no": "yes"}[label]
        for label, good in zip(labels, right * count, strict=True)
    ]
    return answers(labels, said, [f"i{place // len(right)}" for place in range(len(labels))])


def walls(solved: int, count: int = 20) -> list[Record]:
    """Walls of four groups; where any is solved, the others have one group right each."""
    parts = [
        {"correct_groups": 4.0 if i < solved else float(solved > 0), "solved": int(i < solved)}
        for i in range(count)
    ]
    return [
        Record(f"w{i}", f"w{i}", (), None, "p@1", {**one, "groups": 4.0})
        for i, one in enumerate(parts)
    ]


def test_one_proportion_has_wilsons_interval() -> None:
    records = answers(["yes"] * 20, ["yes"] * 17 + ["no"] * 3)
    found = value_limits(ACCURACY, records)
    assert (found.low, found.high) == wilson(17, 20)
    assert (found.method, found.clusters, found.note) == ("wilson", 20, "")


def test_a_proportion_of_some_documents_has_wilsons_interval_over_those() -> None:
    records = answers(["yes"] * 4 + ["no"] * 6, ["yes"] * 3 + ["no"] * 6 + ["yes"])
    found = value_limits(lookup.metric("pope.precision"), records)
    assert (found.low, found.high) == wilson(3, 4)


def test_rate_group_rate_and_their_counts_have_width_where_no_wall_is_solved() -> None:
    """The four figures of twenty unsolved walls; 0 .. 0 beside a rate of 0 .. .16 cannot be."""
    records = walls(0)
    rate = value_limits(lookup.metric("walls.solved_rate"), records)
    count = value_limits(lookup.metric("walls.solved_walls"), records)
    group_rate = value_limits(lookup.metric("walls.group_rate"), records)
    groups = value_limits(lookup.metric("walls.correct_groups"), records)
    assert (rate.low, rate.high) == wilson(0, 20)
    assert (count.low, count.high) == (0.0, pytest.approx(20 * wilson(0, 20).high))
    assert group_rate.low == 0.0 and group_rate.high is not None and group_rate.high > 0.1
    assert groups.high == pytest.approx(80 * group_rate.high)
    assert count.method == "wilson"
    some = value_limits(lookup.metric("walls.group_rate"), walls(1))
    assert some.method == "cluster-score"
    assert some.low is not None and 0.15 < some.low < 23 / 80


def test_counts_that_add_more_than_one_have_their_means_interval() -> None:
    captions = [
        Record(f"c{i}", f"c{i}", (), None, "p@1", {"mentions": ["x"] * (i % 5), "hallucinated": []})
        for i in range(40)
    ]
    found = value_limits(lookup.metric("chair.mentions"), captions)
    counts = np.arange(40) % 5
    half = 40 * 2.0227 * counts.std(ddof=1) / np.sqrt(40)
    assert (found.low, found.high) == pytest.approx((80 - half, 80 + half), rel=0.01)
    assert found.method == "jackknife-t"
    none = value_limits(lookup.metric("chair.hallucinated_mentions"), captions)
    assert none.low == 0.0 and none.high is not None and none.high > 1


def test_a_ceiling_of_clustered_questions_is_no_certainty() -> None:
    for metric in (ACCURACY, F1):
        found = value_limits(metric, pictures(20, [True] * 18))
        assert found.high == 1.0 and found.low is not None and 0.7 < found.low < 0.9
        assert (found.method, found.clusters) == ("cluster-score", 20)


def test_below_thirty_clusters_an_interval_is_called_rough_and_below_ten_there_is_none() -> None:
    right = [True, False, True, True]
    assert value_limits(ACCURACY, pictures(30, right)).note == ""
    rough = value_limits(ACCURACY, pictures(29, right))
    assert rough.low is not None and "only 29 clusters: below 30" in rough.note
    assert value_limits(ACCURACY, pictures(10, right)).low is not None
    none = value_limits(ACCURACY, pictures(9, right))
    assert (none.low, none.high, none.method) == (None, None, "")
    assert "9 cluster(s): below 10" in none.note
    paired = compare_paired(ACCURACY, pictures(9, right), pictures(9, [True] * 4), seed=0)
    assert (paired.low, paired.high, paired.p) == (None, None, 2 / 2**9)
    assert "9 cluster(s): below 10" in paired.note


def test_clusters_are_those_that_say_something_about_the_figure() -> None:
    """Forty pictures of which two drew a yes: precision rests on two."""
    labels, images = ["no"] * 80, [f"i{place // 2}" for place in range(80)]
    said = ["yes"] * 3 + ["no"] * 77
    found = value_limits(lookup.metric("pope.precision"), answers(labels, said, images))
    assert found.clusters == 2
    assert found.low is None and "2 cluster(s)" in found.note


def test_a_figure_that_few_resamples_can_give_has_no_interval() -> None:
    """Below 30 wrong items there is no rescue rate; with 30, leaving one out leaves none."""
    rescue = lookup.metric("stickiness.rescue")

    def items(wrong: int) -> list[Record]:
        return [
            Record(
                f"d{i}", f"d{i}", (), None, "p@1",
                {"z": int(i < wrong), "tried": 4 * (i < wrong), "rescued": (i % 3) * (i < wrong)},
            )
            for i in range(60)
        ]  # fmt: skip

    lost = value_limits(rescue, items(30))
    assert (lost.low, lost.undefined) == (None, 1.0)
    assert "undefined in 100 % of the resamples" in lost.note
    kept = value_limits(rescue, items(31))
    assert kept.low is not None and kept.undefined == 0.0


def test_an_unbounded_figure_without_spread_has_no_interval() -> None:
    length = lookup.metric("chair.len")
    records = [
        Record(f"c{i}", f"c{i}", (), None, "p@1", {"words": 9, "mentions": [], "hallucinated": []})
        for i in range(12)
    ]
    found = value_limits(length, records)
    assert found.low is None and "no two clusters differ" in found.note
    paired = compare_paired(length, records, records, seed=0, draws=50)
    assert paired.low is None and "documents do not differ" in paired.note


def test_a_difference_of_counts_is_the_difference_of_rates_times_n() -> None:
    before, after = walls(2), walls(9)
    rate = compare_paired(lookup.metric("walls.solved_rate"), before, after, seed=0)
    count = compare_paired(lookup.metric("walls.solved_walls"), before, after, seed=0, draws=4000)
    assert rate.low is not None and rate.high is not None and rate.detectable is not None
    assert rate.p == 2 / 2**7
    assert (count.high, count.detectable) == pytest.approx((20 * rate.high, 20 * rate.detectable))
    assert count.low == pytest.approx(20 * rate.low, abs=0.1)  # its p is permuted
    groups = compare_paired(lookup.metric("walls.correct_groups"), before, after, seed=0)
    assert (groups.difference, groups.method) == (21.0, "cluster-score")
    assert groups.high is not None and groups.high < 80


def test_a_users_unbounded_score_is_compared_too() -> None:
    mine = SumMetric(
        "mine",
        ("x", "n"),
        lambda record: (float(record.parts["x"]), 1.0),  # type: ignore[arg-type]
        lambda sums: ratio(sums[..., 0], sums[..., 1]),
        True,
        unit="points",
        low=None,
        high=None,
    )
    random = np.random.default_rng(1)
    values = random.normal(50, 10, 40)
    moved = values + random.normal(4, 5, 40)
    base, other = (
        [Record(f"d{i}", f"d{i}", (), None, "p@1", {"x": x}) for i, x in enumerate(condition)]
        for condition in (values, moved)
    )
    found = compare_paired(mine, base, other, seed=0, draws=2000)
    half = 2.0227 * (moved - values).std(ddof=1) / np.sqrt(40)
    assert found.low is not None and found.high is not None
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.12)
    assert value_limits(mine, base).method == "jackknife-t"
