"""Which conditions of a task cannot be told apart: letters from paired differences.

Intervals of levels that overlap are no test of a difference: both conditions answered the same
documents. So each letter belongs to a leader, the best condition without a letter, and is shared by
all others whose paired difference to the leader has an interval that includes zero.
"Cannot be told apart" is not transitive, so a condition may carry two letters.
"""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence

from headbench.nouns import Record
from headbench.results.figures import Sampling
from headbench.statistics import compare_paired
from headbench.statistics.binary import mcnemar_clustered
from headbench.statistics.clusters import pair
from headbench.statistics.limits import difference_limits
from headbench.statistics.metric import Metric
from headbench.statistics.paired import outcome_changes
from headbench.statistics.permutation import swap_test


def tie_letters(
    metric: Metric, conditions: Mapping[str, Sequence[Record]], sampling: Sampling
) -> dict[str, str]:
    """The letters of each condition; ``A`` is the group of the best.

    Args:
        metric: The task's main metric.
        conditions: Name -> records over the same documents.
        sampling: Level of the intervals, and how they are drawn where they are resampled.

    Returns:
        Name -> letters. Conditions whose figure is undefined have none, and nobody has one where
        the metric has no better end or there is one condition only.
    """
    if metric.higher_is_better is None:
        return dict.fromkeys(conditions, "")
    values = {name: metric.of(records) for name, records in conditions.items()}
    sign = -1 if metric.higher_is_better else 1
    order = sorted(
        (name for name, value in values.items() if not math.isnan(value)),
        key=lambda name: (sign * values[name], name),
    )
    found = dict.fromkeys(conditions, "")
    if len(order) < 2:
        return found
    leaders: list[str] = []
    for leader in order:
        if found[leader]:
            continue
        letter = _letter(len(leaders))
        leaders.append(leader)
        found[leader] = letter
        for other in order:  # earlier leaders are apart from it: they did not share their letter
            if other not in leaders and not _apart(
                metric, conditions[leader], conditions[other], sampling
            ):
                found[other] += letter
    return found


def _letter(number: int) -> str:
    """``A`` to ``Z``, then ``A1``."""
    turns, place = divmod(number, len(string.ascii_uppercase))
    return string.ascii_uppercase[place] + (str(turns) if turns else "")


def _apart(
    metric: Metric, one: Sequence[Record], two: Sequence[Record], sampling: Sampling
) -> bool:
    """Whether the interval of the paired difference leaves out zero, as in the board's cells.

    What ``compare_paired`` computes besides (the smallest detectable difference) costs more.
    """
    if metric.resampling == "bootstrap":
        paired = compare_paired(
            metric, one, two, seed=sampling.seed, draws=sampling.draws, level=sampling.level
        )
        low, high = paired.low, paired.high
    else:
        pairs = pair(one, two)
        changes = outcome_changes(metric, pairs)
        p = (
            swap_test(metric, one, two, seed=sampling.seed, draws=sampling.draws)
            if changes is None
            else mcnemar_clustered(changes)
        )
        limits, _ = difference_limits(metric, pairs, p, sampling.level)
        low, high = limits.low, limits.high
    return low is not None and high is not None and not low <= 0 <= high
