"""Macro F1 of the labels under each condition: the mean of the F1 of both classes.

It stands beside rescue, which reads only the items that zero-shot got wrong: a condition that says
one class for everything rescues every item of that class. An unparsed answer misses its class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headbench.nouns import Record
from headbench.statistics.metric import Floats, SumMetric, ratio

PARTS = ("positives", "negatives", "said_yes", "said_no", "right_yes", "right_no")
_POSITIVES, _NEGATIVES, _SAID_YES, _SAID_NO, _RIGHT_YES, _RIGHT_NO = range(len(PARTS))


def _row(name: str) -> Callable[[Record], Sequence[float]]:
    def row(record: Record) -> Sequence[float]:
        if f"right.{name}" not in record.parts:
            return (0.0,) * len(PARTS)
        gold, said = record.parts["gold"] == 1, record.parts.get(f"said.{name}")
        yes, no = said == 1, said == 0
        return tuple(map(float, (gold, not gold, yes, no, gold and yes, not gold and no)))

    return row


def _macro(sums: Floats) -> Floats:
    """``F1 = 2 right / (in the class + said to be)``; NaN where a class is neither."""
    yes = ratio(2 * sums[..., _RIGHT_YES], sums[..., _POSITIVES] + sums[..., _SAID_YES])
    no = ratio(2 * sums[..., _RIGHT_NO], sums[..., _NEGATIVES] + sums[..., _SAID_NO])
    return (yes + no) / 2


def _of(name: str) -> SumMetric:
    return SumMetric(f"macro_f1_{name}", PARTS, _row(name), _macro, higher_is_better=True)


ZERO_SHOT = _of("zero_shot")
ALIGNED = _of("aligned")
MISALIGNED = _of("misaligned")
FEW_SHOT = _of("few_shot")
FEW_SHOT_DEFINITION = _of("few_shot_definition")
TURN_1 = _of("turn_1")
TURN_2 = _of("turn_2")
TURN_3 = _of("turn_3")
