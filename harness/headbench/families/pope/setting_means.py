"""Means over POPE's settings: each setting's own figure, and their plain mean.

Papers print a figure per setting and the mean of the three. This mean is not the pooled figure:
F1 is no linear function of counts. A setting without an answer takes no part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from headbench.families.pope.pope_build import SETTINGS
from headbench.families.pope.pope_scorer import (
    ACCURACY,
    F1,
    PARTS,
    PRECISION,
    RECALL,
    UNPARSED_RATE,
    YES_RATIO,
    row,
)
from headbench.nouns import Record
from headbench.statistics.metric import Floats, SumMetric

_WIDTH = len(PARTS)


def _row(record: Record) -> Sequence[float]:
    """The counts of one record in the columns of its setting, zero in those of the others."""
    counts = [0.0] * (_WIDTH * len(SETTINGS))
    setting = record.parts.get("setting")
    for at, name in enumerate(SETTINGS):
        if setting == name:
            counts[at * _WIDTH : (at + 1) * _WIDTH] = row(record)
    return counts


def _mean(value: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    """The mean of a figure over the settings that hold an answer."""

    def mean(sums: Floats) -> Floats:
        by_setting = sums.reshape(*sums.shape[:-1], len(SETTINGS), _WIDTH)  # [..., setting, part]
        present = by_setting[..., PARTS.index("n")] > 0  # [..., setting]
        figures = np.where(present, value(by_setting), 0.0)
        with np.errstate(invalid="ignore"):
            return np.asarray(figures.sum(axis=-1) / present.sum(axis=-1))

    return mean


def _mean_of(metric: SumMetric) -> SumMetric:
    return SumMetric(
        name=f"mean_{metric.name}",
        parts=tuple(f"{part}.{name}" for name in SETTINGS for part in PARTS),
        row=_row,
        value=_mean(metric.value),
        higher_is_better=metric.higher_is_better,
    )


MEAN_F1 = _mean_of(F1)
MEAN_ACCURACY = _mean_of(ACCURACY)
MEAN_PRECISION = _mean_of(PRECISION)
MEAN_RECALL = _mean_of(RECALL)
MEAN_YES_RATIO = _mean_of(YES_RATIO)
MEAN_UNPARSED_RATE = _mean_of(UNPARSED_RATE)
NAMES = tuple(
    f"pope.mean_{name}"
    for name in ("f1", "accuracy", "precision", "recall", "yes_ratio", "unparsed_rate")
)
"""Registry names, the headline first."""
