"""Rescue by condition and by confidence, with the counts and intervals that make them readable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from headbench.families.stickiness.stickiness_scorer import LEAST, part
from headbench.nouns import Record
from headbench.statistics.binary import wilson

EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Edges of the bins of zero-shot confidence; a bin holds its upper edge, the first both edges."""


@dataclass(frozen=True)
class Rate:
    """A rate over few items, or the reason why there is none.

    Attributes:
        name: The condition, or the bin.
        hits: Items rescued (or damaged).
        n: Items that could have been.
        value: hits / n; ``None`` below 30 items.
        low: Lower end of Wilson's interval; ``None`` below 30 items.
        high: Upper end.
    """

    name: str
    hits: int
    n: int
    value: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """``18.7 % [14.1, 24.3] of 230``, or the refusal."""
        if self.value is None or self.low is None or self.high is None:
            return f"refused: {self.n} items are fewer than {LEAST}"
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}] of {self.n}"


def rate(name: str, hits: int, n: int, level: float = 0.95) -> Rate:
    """A rate with Wilson's interval, refused below 30 items."""
    if n < LEAST:
        return Rate(name, hits, n, None, None, None)
    interval = wilson(hits, n, level)
    return Rate(name, hits, n, hits / n, interval.low, interval.high)


def rescue_by_condition(records: Sequence[Record], conditions: Sequence[str]) -> list[Rate]:
    """Rescue rate of each condition over the items that zero-shot got wrong.

    Args:
        records: Records of the ``stickiness`` scorer.
        conditions: Names of steps.
    """
    wrong = [record for record in records if part(record, "z")]
    return [_over(name, wrong, name) for name in conditions]


def damage_by_condition(records: Sequence[Record], conditions: Sequence[str]) -> list[Rate]:
    """Damage rate of each condition over the items that zero-shot got right."""
    right = [record for record in records if part(record, "c")]
    found = [_over(name, right, name) for name in conditions]
    return [rate(one.name, one.n - one.hits, one.n) for one in found]


def rescue_by_confidence(
    records: Sequence[Record],
    condition: str,
    prior: str = "zero_shot",
    edges: Sequence[float] = EDGES,
) -> list[Rate]:
    """Rescue rate under one condition, by the confidence of the wrong zero-shot label.

    Args:
        records: Records of the ``stickiness`` scorer; items without a confidence are left out.
        condition: The step whose rescue is counted.
        prior: The zero-shot step.
        edges: Increasing edges of the bins, 0..1.
    """
    key = f"confidence.{prior}"
    wrong = [record for record in records if part(record, "z") and key in record.parts]
    found = []
    for low, high in pairwise(edges):
        members = [
            record
            for record in wrong
            if low < part(record, key) <= high or (low == edges[0] == part(record, key))
        ]
        found.append(_over(f"{low:g}-{high:g}", members, condition))
    return found


def _over(name: str, records: Sequence[Record], condition: str) -> Rate:
    """Items right under a condition, over those that were asked under it."""
    key = f"right.{condition}"
    tried = [record for record in records if key in record.parts]
    return rate(name, round(sum(part(record, key) for record in tried)), len(tried))
