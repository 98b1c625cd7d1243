"""From records to figures: what is undefined, what is a count, what is split."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from headbench.errors import ConfigError, DataError, GuardError
from headbench.results.figures import Sampling, estimate, figures, split_figures
from headbench.scoring import lookup
from headbench.statistics.metric import SumMetric
from helpers_records import answers

RIGHT = answers(["yes", "no", "yes", "no"], ["yes", "no", "yes", "yes"])
NEVER = answers(["yes", "no"], ["no", "no"])
NAMES = ("pope.accuracy", "pope.precision", "pope.tp", "pope.fp")
METRICS = {name: lookup.metric(name) for name in NAMES}
SAMPLING = Sampling(draws=200)


def test_an_undefined_figure_is_null_and_not_nought() -> None:
    found = figures(METRICS, NEVER, SAMPLING, "here")
    assert found["precision"].value is None  # nobody said yes
    assert (found["precision"].low, found["precision"].method) == (None, None)
    assert found["accuracy"].value == 0.5
    assert all(one.value is None for one in figures(METRICS, [], SAMPLING, "here").values())


def test_counts_are_whole_numbers_and_shares_are_not() -> None:
    found = figures(METRICS, RIGHT, None, "here")
    assert (found["tp"].value, found["fp"].value) == (2, 1)
    assert type(found["tp"].value) is int and type(found["accuracy"].value) is float
    whole = figures(METRICS, RIGHT[:2], None, "here")
    assert type(whole["accuracy"].value) is float and whole["accuracy"].value == 1.0
    assert (found["tp"].unit, found["accuracy"].unit) == ("count", "fraction")


def test_a_figure_says_which_metric_and_how_many_records_it_is_of() -> None:
    found = figures(METRICS, RIGHT, SAMPLING, "here")
    assert {name: one.metric for name, one in found.items()} == {
        name.partition(".")[2]: name for name in NAMES
    }
    assert {one.n for one in found.values()} == {4}
    accuracy = found["accuracy"]
    assert (accuracy.value, accuracy.higher_is_better, accuracy.level) == (0.75, True, 0.95)
    assert accuracy.low is not None and accuracy.high is not None
    assert accuracy.low < 0.75 < accuracy.high
    bare = estimate("pope.accuracy", METRICS["pope.accuracy"], RIGHT, None)
    assert (bare.low, bare.high, bare.level, bare.method) == (None, None, None, None)


def test_figures_are_split_by_a_part_with_numbers_printed_short() -> None:
    records = [replace(r, parts={**r.parts, "depth": at / 4}) for at, r in enumerate(RIGHT)]
    found = split_figures(METRICS, records, ("depth",), None)
    assert list(found["depth"]) == ["0", "0.25", "0.5", "0.75"]
    assert found["depth"]["0.75"]["accuracy"].value == 0.0
    assert found["depth"]["0.25"]["precision"].value is None
    assert split_figures(METRICS, [], ("depth",), None) == {}


def test_a_number_and_a_text_that_read_alike_are_two_groups() -> None:
    def split(*values: float | str) -> dict[str, int]:
        records = [
            replace(r, parts={**r.parts, "g": v}) for r, v in zip(RIGHT, values, strict=False)
        ]
        found = split_figures(METRICS, records, ("g",), None)["g"]
        return {label: one["accuracy"].n for label, one in found.items()}

    assert split(1, 1, "1", 2) == {"1": 2, "2": 1, '"1"': 1}
    assert split(1, "1", '"1"', "a") == {"1": 1, '"\\"1\\""': 1, '"1"': 1, '"a"': 1}
    assert split(1048576, 1048577, "1.04858e+06") == {"1048576": 1, "1048577": 1, "1.04858e+06": 1}
    with pytest.raises(DataError, match="several values of 'g' are called 'nan'"):
        split(float("nan"), float("nan"))


def test_two_metrics_of_one_name_and_impossible_values_stop() -> None:
    twice = {name: lookup.metric(name) for name in ("pope.recall", "chair.recall")}
    with pytest.raises(ConfigError, match="two metrics of one task are called 'recall'"):
        figures(twice, [], None, "here")
    broken = SumMetric("share", ("x",), lambda record: (7.0,), lambda sums: sums[..., 0], True)
    with pytest.raises(GuardError, match="share = 28"):
        figures({"mine.share": broken}, RIGHT, None, "here")
    nothing = SumMetric("none", ("x",), lambda record: (math.nan,), lambda sums: sums[..., 0], True)
    assert figures({"mine.none": nothing}, RIGHT, None, "here")["none"].value is None
