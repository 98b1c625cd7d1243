from __future__ import annotations

import math

import numpy as np
import pytest

from headbench.errors import DataError
from headbench.nouns import Record
from headbench.scoring import lookup
from headbench.scoring.rank_metrics import auroc, spearman
from headbench.statistics import against_controls, compare_paired, swap_test, value_limits
from headbench.statistics.metric import Metric, SampleStatistic

AUROC, SPEARMAN = lookup.metric("auroc"), lookup.metric("spearman")


def scored(scores, positive=None) -> list[Record]:
    """Documents ``d0, d1, ...``; every second one is positive unless told otherwise."""
    classes = [place % 2 for place in range(len(scores))] if positive is None else positive
    return [
        Record(
            f"d{place:03}", f"d{place:03}", (), None, "p@1", {"score": score, "positive": label},
            target=label,
        )
        for place, (score, label) in enumerate(zip(scores, classes, strict=True))
    ]  # fmt: skip


def both(one, other) -> list[Record]:
    parts = [{"predicted": a, "observed": b} for a, b in zip(one, other, strict=True)]
    return [Record(f"d{i:03}", f"d{i:03}", (), None, "p@1", part) for i, part in enumerate(parts)]


def test_both_are_registered_sample_statistics() -> None:
    assert isinstance(AUROC, SampleStatistic) and isinstance(SPEARMAN, Metric)
    assert (AUROC.low, AUROC.high, SPEARMAN.low, SPEARMAN.high) == (0.0, 1.0, -1.0, 1.0)
    assert AUROC.of(scored([0.1, 0.9, 0.8, 0.5])) == 0.75
    assert SPEARMAN.of(both([1, 2, 3, 4], [10, 20, 40, 30])) == pytest.approx(0.8)
    assert math.isnan(AUROC.of(scored([0.1, 0.2], [1, 1]))) and math.isnan(AUROC.of([]))


def test_a_record_without_a_score_takes_no_part() -> None:
    some = scored([0.1, 0.9, None, None, 0.8, 0.5])
    assert AUROC.of(some) == 0.75
    found = value_limits(AUROC, scored([0.1, 0.9, 0.4, 0.5, None] * 6, [0, 1, 0, 1, 1] * 6))
    assert found.clusters == 24


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"score": 0.5}, "'positive' is not there"),
        ({"score": "high", "positive": 1}, "'score' is 'high'"),
        ({"score": 0.5, "positive": 2}, "true or false, not 2"),
    ],
)
def test_parts_of_another_scorer_are_refused(parts, message: str) -> None:
    with pytest.raises(DataError, match=message):
        AUROC.of([Record("d0", "d0", (), None, "p@1", parts)])


def test_names_of_parts_and_of_the_metric_can_be_ones_own() -> None:
    mine = auroc("logit", "yes", name="yes_auroc")
    rows = [{"logit": float(i), "yes": i > 2} for i in range(6)]
    assert mine.of([Record(f"d{i}", f"d{i}", (), None, "p@1", r) for i, r in enumerate(rows)]) == 1
    assert mine.called("other").name == "other" and mine.name == "yes_auroc"
    assert spearman("a", "b").name == "spearman"


def test_a_perfect_figure_has_an_interval_with_width() -> None:
    perfect = value_limits(AUROC, scored([float(place % 2) for place in range(60)]))
    assert perfect.high == 1.0 and perfect.low is not None and 0.8 < perfect.low < 0.95
    rare = value_limits(AUROC, scored([1.0] * 3 + [0.0] * 57, [1] * 3 + [0] * 57))
    assert rare.low is not None and rare.low < 0.7  # three positive documents are little evidence
    straight = value_limits(SPEARMAN, both(range(40), range(40)))
    assert straight.high == 1.0 and straight.low is not None and 0.7 < straight.low < 0.95
    assert {perfect.method, rare.method, straight.method} == {"cluster-score"}


def test_below_twenty_documents_there_is_no_interval() -> None:
    found = value_limits(AUROC, scored(np.arange(19.0)))
    assert found.low is None and "19 cluster(s): below 20" in found.note
    assert value_limits(AUROC, scored(np.arange(20.0))).low is not None


def test_conditions_are_swapped_document_by_document() -> None:
    """All 2^6 ways to swap, gone through with the metric itself."""
    random = np.random.default_rng(3)
    base, other = scored(random.random(6)), scored(random.random(6))
    seen = abs(AUROC.of(other) - AUROC.of(base))
    extreme = 0
    for ways in range(2**6):
        one = [b if ways >> i & 1 else a for i, (a, b) in enumerate(zip(base, other, strict=True))]
        two = [a if ways >> i & 1 else b for i, (a, b) in enumerate(zip(base, other, strict=True))]
        extreme += abs(AUROC.of(two) - AUROC.of(one)) >= seen - 1e-12
    assert swap_test(AUROC, base, other, seed=0) == pytest.approx(extreme / 2**6)


def test_a_paired_comparison_has_all_that_a_sum_metric_has() -> None:
    random = np.random.default_rng(4)
    truth = np.arange(120) % 2
    before = truth + random.normal(0, 1.0, 120)
    after = truth + 0.4 * (before - truth)
    found = compare_paired(AUROC, scored(before), scored(after), seed=0, draws=2000)
    assert found.difference == pytest.approx(found.value_b - found.value_a)
    assert found.low is not None and 0 < found.low < found.difference < found.high  # type: ignore[operator]
    assert (found.test, found.method) == ("permutation", "cluster-score")
    assert found.p is not None and found.p < 0.01
    assert found.detectable is not None and 0 < found.detectable < 0.2
    stricter = found.in_family(12).detectable
    assert stricter is not None and stricter > found.detectable
    same = compare_paired(AUROC, scored(before), scored(before), seed=0, draws=500)
    assert (same.difference, same.p, same.detectable) == (0.0, 1.0, None)
    assert same.low is not None and same.high is not None and same.low < 0 < same.high


def test_a_condition_is_held_against_the_mean_of_its_controls() -> None:
    random = np.random.default_rng(5)
    truth = np.arange(60) % 2
    drawn = [scored(truth + random.normal(0, 1, 60)) for _ in range(4)]
    better = scored(truth + random.normal(0, 0.3, 60))
    found = against_controls(AUROC, better, drawn, possible=50)
    assert found is not None and found.low is not None
    assert found.mean == pytest.approx(np.mean([AUROC.of(one) for one in drawn]))
    assert 0 < found.low < found.difference
    few = against_controls(AUROC, better[:19], [one[:19] for one in drawn], possible=50)
    assert few is not None and few.low is None and "19 cluster(s)" in few.note


@pytest.mark.parametrize(("positives", "shift"), [(20, 2.33), (4, 1.2)])
def test_intervals_cover_at_the_edge_and_with_a_rare_class(positives: int, shift: float) -> None:
    """Normal scores shifted by 1.2 and 2.33 have AUROCs of .80 and .95; nominal coverage is .95."""
    random = np.random.default_rng(6)
    truth = {2.33: 0.9503, 1.2: 0.8019}[shift]
    classes = [int(place < positives) for place in range(40)]
    covered = flat = 0
    for _ in range(200):
        found = value_limits(
            AUROC, scored(random.normal(0, 1, 40) + shift * np.array(classes), classes)
        )
        assert found.low is not None and found.high is not None
        covered += found.low <= truth <= found.high
        flat += found.high - found.low < 1e-9
    assert flat == 0
    assert covered / 200 > 0.93 - 3 * math.sqrt(0.93 * 0.07 / 200)
