"""Digits of a p-value: no more than its test can give."""

from __future__ import annotations

import pytest

from headbench.results.comparison_notes import count, printed_p
from headbench.statistics import PairedResult


def paired(p: float | None, least: float | None) -> PairedResult:
    test = "mcnemar" if least is None else "permutation"
    return PairedResult(0.1, 0.2, 0.1, None, None, p, test, 90, 30, None, least_p=least)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "raw", "least", "expected"),
    [
        (0.0386, 0.0386, None, "0.0386"),  # exact: as many digits as a table holds
        (0.00002, 0.00002, None, "<.0001"),
        (0.048695, 0.048695, 1 / 10_001, "0.049"),  # random swaps: three
        (0.0004, 0.0004, 1 / 10_001, "0.0004"),
        (1 / 10_001, 1 / 10_001, 1 / 10_001, "<=0.0001"),  # none of 10,000 was as extreme
        (1 / 501, 1 / 501, 1 / 501, "<=0.002"),
        (12 / 10_001, 1 / 10_001, 1 / 10_001, "<=0.002"),  # adjusted over twelve, .0012
        (1.0, 1.0, 1 / 10_001, "1.000"),
        (None, None, None, "-"),
    ],
)
def test_p_has_the_digits_that_its_test_can_give(value, raw, least, expected: str) -> None:
    assert printed_p(value, paired(raw, least)) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0386, "0.039"), (0.0004, "<.001"), (1.0, "1.000")]
)
def test_p_of_a_bootstrap_has_three_digits(value: float, expected: str) -> None:
    one = PairedResult(0.1, 0.2, 0.1, 0.0, 0.2, value, "bootstrap-t", 90, 90, None)
    assert printed_p(value, one) == expected


def test_clusters_stand_beside_n_where_they_are_known() -> None:
    assert count(1080, 60) == "1,080 (60)"
    assert count(90, None) == "90"  # a result of schema version 1
