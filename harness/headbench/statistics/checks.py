"""Values that cannot be: they stop the run, because something upstream is broken."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from headbench.errors import GuardError
from headbench.statistics.metric import Metric

SLACK = 1e-9
"""What summation in floating point may add to a bound."""


def check_value(metric: Metric, value: float, where: str = "", slack: float = SLACK) -> None:
    """A value within its metric's bounds; NaN (undefined) passes, infinity does not.

    Args:
        metric: Gives ``low`` and ``high``.
        value: To be checked.
        where: What to name in the error: the task, the file, the cell.
        slack: Tolerance; for printed figures half of the last digit.

    Raises:
        GuardError: The value is impossible.
    """
    if math.isnan(value):
        return
    below = metric.low is not None and value < metric.low - slack
    above = metric.high is not None and value > metric.high + slack
    if below or above or math.isinf(value):
        raise GuardError(
            f"{metric.name} = {value!r} is outside {metric.low} .. {metric.high}",
            where=where or metric.name,
            hint="the records or the scorer are broken: no figure of this run can be trusted",
        )


def check_f1(values: Mapping[str, float], where: str = "", slack: float = SLACK) -> None:
    """F1 = 2 P R / (P + R), and P, R and F1 vanish together where all three are defined.

    Args:
        values: Metrics by name; nothing is checked unless precision, recall and f1 are there.
        where: What to name in the error.
        slack: Tolerance.

    Raises:
        GuardError: The identity does not hold.
    """
    trio = [values.get(name, math.nan) for name in ("precision", "recall", "f1")]
    precision, recall, f1 = trio
    if any(math.isnan(value) for value in trio):
        return
    expected = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    if abs(f1 - expected) > slack:
        raise GuardError(
            f"f1 = {f1!r}, but precision and recall make it {expected!r}",
            where=where or "f1",
            hint="the records or the scorer are broken: no figure of this run can be trusted",
        )


def check_counts(values: Mapping[str, float], n: int, where: str = "") -> None:
    """TP + FP + TN + FN plus the unparsed is n, where all five are there and defined.

    Raises:
        GuardError: The counts do not add up.
    """
    five = [values.get(name, math.nan) for name in ("tp", "fp", "tn", "fn", "unparsed_rate")]
    if any(math.isnan(value) for value in five):
        return
    *four, rate = five
    total = sum(four) + round(rate * n)
    if total != n:
        raise GuardError(
            f"tp + fp + tn + fn + unparsed = {total:g}, but there are {n} records",
            where=where or "confusion counts",
            hint="the records or the scorer are broken: no figure of this run can be trusted",
        )


def check_all(
    metrics: Iterable[Metric], values: Mapping[str, float], n: int, where: str = ""
) -> None:
    """All checks that apply to one result's metrics.

    Args:
        metrics: The result's metrics.
        values: Metric name -> value.
        n: Records.
        where: What to name in errors.

    Raises:
        GuardError: A value is impossible.
    """
    for metric in metrics:
        check_value(metric, values[metric.name], where)
    check_f1(values, where)
    check_counts(values, n, where)
