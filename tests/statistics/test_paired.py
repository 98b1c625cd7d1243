from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headbench.errors import DataError, RefusedError
from headbench.scoring import lookup
from headbench.statistics import compare_paired, mcnemar_exact
from helpers_records import answers

F1 = lookup.metric("pope.f1")
ACCURACY = lookup.metric("pope.accuracy")
LABELS = ["yes", "no"] * 20
RIGHT = list(LABELS)
WRONG = ["no", "yes"] * 20
CASES = st.lists(
    st.tuples(st.sampled_from(["yes", "no"]), st.sampled_from(["yes", "no"])), min_size=2
)


def test_right_against_wrong_is_the_whole_difference() -> None:
    result = compare_paired(ACCURACY, answers(LABELS, WRONG), answers(LABELS, RIGHT), seed=0)
    assert (result.value_a, result.value_b, result.difference) == (0.0, 1.0, 1.0)
    assert (result.high, result.test, result.method) == (1.0, "mcnemar", "tango")
    z = 1.959964  # Tango's interval where all documents changed, all one way, in closed form
    assert result.low == pytest.approx((40 - z**2) / (40 + z**2), abs=1e-6)
    assert result.p == mcnemar_exact(40, 0)
    assert (result.n, result.clusters) == (40, 40)


def test_a_condition_against_itself_is_no_difference() -> None:
    records = answers(LABELS, RIGHT[:30] + WRONG[30:])
    for metric in (ACCURACY, F1):
        result = compare_paired(metric, records, records, seed=0, draws=200)
        assert (result.difference, result.p) == (0.0, 1.0)
        assert result.low is not None and result.high is not None
        assert result.low == pytest.approx(-result.high)
        assert 0.05 < result.high < 0.15  # nothing seen in 40 is not nothing
    assert compare_paired(F1, records, records, seed=0, draws=200).detectable is None


def test_ratios_are_permuted_and_outcomes_are_counted() -> None:
    base, other = answers(LABELS, WRONG[:10] + RIGHT[10:]), answers(LABELS, RIGHT)
    outcome = compare_paired(ACCURACY, base, other, seed=0, draws=500)
    ratio = compare_paired(F1, base, other, seed=0, draws=500)
    assert (outcome.test, outcome.p) == ("mcnemar", mcnemar_exact(10, 0))
    assert ratio.test == "permutation"
    assert ratio.p is not None and 1 / 501 <= ratio.p < 0.05
    assert ratio.low is not None and ratio.low > 0


def test_changes_within_one_image_are_one_piece_of_evidence() -> None:
    images = ["a"] * 10 + [f"i{index}" for index in range(30)]
    said = WRONG[:10] + RIGHT[10:]
    result = compare_paired(
        ACCURACY, answers(LABELS, said, images), answers(LABELS, RIGHT, images), seed=0, draws=500
    )
    assert (result.test, result.p, result.clusters) == ("mcnemar", 1.0, 31)
    assert result.low is not None and result.low < 0
    assert result.detectable is not None and result.detectable == pytest.approx(
        7.5 * 10 / 40, rel=0.01
    )


@settings(max_examples=20, deadline=None)
@given(CASES, st.randoms(use_true_random=False))
def test_exchanging_the_conditions_turns_the_sign_and_order_changes_nothing(rows, random) -> None:
    before, after = zip(*rows, strict=True)
    labels = ["yes"] * len(rows)
    base, other = answers(labels, before), answers(labels, after)
    there = compare_paired(ACCURACY, base, other, seed=1, draws=100)
    back = compare_paired(ACCURACY, other, base, seed=1, draws=100)
    assert back.difference == -there.difference
    assert back.p == there.p
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), abs=1e-9)  # type: ignore[operator]
    random.shuffle(base)
    assert compare_paired(ACCURACY, base, other, seed=1, draws=100) == there


def test_one_document_has_a_difference_and_nothing_else() -> None:
    result = compare_paired(ACCURACY, answers(["yes"], ["no"]), answers(["yes"], ["yes"]), seed=0)
    assert (result.difference, result.p) == (1.0, 1.0)
    assert (result.low, result.high, result.detectable) == (None, None, None)
    assert "1 document" in result.note


def test_an_undefined_metric_has_no_p() -> None:
    never = answers(["no", "no"], ["no", "no"])
    result = compare_paired(F1, never, never, seed=0, draws=50)
    assert math.isnan(result.difference)
    assert (result.p, result.low) == (None, None)


def test_other_documents_no_documents_and_double_documents_are_refused() -> None:
    four, two = answers(["yes"] * 4, ["no"] * 4), answers(["yes"] * 2, ["no"] * 2)
    with pytest.raises(RefusedError, match="2 documents are in only one"):
        compare_paired(F1, four, two, seed=0)
    with pytest.raises(RefusedError, match="no documents"):
        compare_paired(F1, [], [], seed=0)
    with pytest.raises(DataError, match="two records"):
        compare_paired(F1, [*two, two[0]], two, seed=0)
    with pytest.raises(DataError, match="ground truth"):
        compare_paired(F1, two, [two[0], replace(two[1], target="no")], seed=0)
