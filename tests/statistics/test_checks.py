from __future__ import annotations

import math

import pytest

from headbench.errors import GuardError
from headbench.scoring import lookup
from headbench.statistics import check_all, check_counts, check_f1, check_value
from helpers_records import answers

F1 = lookup.metric("pope.f1")
METRICS = lookup.metrics_of(lookup.scorer("pope"))


@pytest.mark.parametrize("value", [0.0, 1.0, 1.0 + 1e-12, -1e-12, math.nan])
def test_possible_values_pass(value: float) -> None:
    check_value(F1, value)


@pytest.mark.parametrize("value", [-0.01, 1.01, math.inf, -math.inf, 84.18])
def test_impossible_values_stop_the_run(value: float) -> None:
    with pytest.raises(GuardError, match="outside"):
        check_value(F1, value, where="results/pope.json")


def test_unbounded_metrics_still_refuse_infinity() -> None:
    check_value(lookup.metric("pope.tp"), 1e9)
    with pytest.raises(GuardError, match="tp = inf is outside"):
        check_value(lookup.metric("pope.tp"), math.inf)


def test_f1_must_follow_from_precision_and_recall() -> None:
    check_f1({"precision": 0.5, "recall": 1.0, "f1": 2 / 3})
    check_f1({"precision": 0.0, "recall": 0.0, "f1": 0.0})
    check_f1({"precision": math.nan, "recall": 0.0, "f1": 0.0})
    check_f1({"precision": 0.5, "recall": 1.0})
    with pytest.raises(GuardError, match="precision and recall make it"):
        check_f1({"precision": 0.5, "recall": 1.0, "f1": 0.7})
    # Printed figures are checked at what their rounding allows.
    printed = {"precision": 0.6427, "recall": 0.8240, "f1": 0.7222}
    check_f1(printed, slack=0.0001)
    with pytest.raises(GuardError, match=r"precision and recall make it 0\.7221"):
        check_f1(printed)


def test_counts_must_add_up() -> None:
    counts = {"tp": 1.0, "fp": 1.0, "tn": 1.0, "fn": 1.0, "unparsed_rate": 0.0}
    check_counts(counts, 4)
    check_counts({**counts, "unparsed_rate": 0.2}, 5)
    with pytest.raises(GuardError, match="there are 5"):
        check_counts(counts, 5)


def test_counts_are_not_judged_where_the_unparsed_are_not_known() -> None:
    four = {"tp": 1.0, "fp": 1.0, "tn": 1.0, "fn": 1.0}
    check_counts(four, 5)
    check_counts({**four, "unparsed_rate": float("nan")}, 5)


def test_what_the_scorer_says_is_always_possible() -> None:
    records = answers(["yes", "no", "no", "yes"], ["yes", "yes", "no", "unparsed"])
    values = {metric.name: metric.of(records) for metric in METRICS}
    check_all(METRICS, values, len(records))
    with pytest.raises(GuardError, match=r"accuracy = 1\.5 is outside"):
        check_all(METRICS, {**values, "accuracy": 1.5}, len(records))
