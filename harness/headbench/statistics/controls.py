"""One intervention among its own controls: where it stands, and how far from their mean.

Two questions, two answers. *Is it one of them?* is a rank, and needs draws that could have been
the intervention itself. *How far from their mean is it?* is a difference with an interval, which
any draws can give.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from headbench.nouns import Record
from headbench.statistics.bootstrap import DRAWS, spread
from headbench.statistics.clusters import pair
from headbench.statistics.limits import too_little
from headbench.statistics.metric import Metric, SumMetric
from headbench.statistics.resamplable import SLACK, LessMean, Resamplable, resamplable
from headbench.statistics.score import t_quantile


@dataclass(frozen=True)
class ControlRank:
    """Where an intervention stands among its own control draws, counted from the nearer end.

    Attributes:
        rank: 1 lies beyond all controls, at one of the two ends; ties count against it.
        of: Control draws plus one.
        end: At which end: ``low``, ``high``, or ``middle`` where both are equally far.
        p: ``min(1, 2 rank / of)``; ``None`` where the draws could not have been the intervention.
    """

    rank: int
    of: int
    end: str
    p: float | None

    @property
    def least(self) -> float:
        """The smallest p that this many draws can give."""
        return smallest_p(self.of - 1)

    def __str__(self) -> str:
        """``1 of 20, low``."""
        return f"{self.rank} of {self.of}, {self.end}"


def smallest_p(controls: int) -> float:
    """The smallest two-tailed p that a rank among ``controls`` draws can give."""
    return min(1.0, 2 / (controls + 1))


def control_rank(
    value: float, control_values: Sequence[float], *, exchangeable: bool = True
) -> ControlRank:
    """Rank an intervention among its controls, two-tailed.

    Values are compared with each other, not with the baseline: random heads may do harm, and an
    intervention that does less harm than all of them is the best of all, not the weakest.

    If the intervention's own set were drawn like the controls (uniformly, without return), each of
    the K + 1 places would be equally likely, so ``P(rank <= r) <= 2 r / (K + 1)``.

    Args:
        value: The metric under the intervention.
        control_values: The metric under each control draw.
        exchangeable: Whether the draws could have been the intervention. Draws that keep its own
            heads out could not: where a few heads matter, chance alone then ranks it first in 31
            to 44 % of cases at a nominal 5 % (simulated).

    Returns:
        The rank from the nearer end. A NaN counts as equal: it is no evidence.
    """
    apart = value - np.asarray(control_values, dtype=np.float64)
    low = 1 + int(np.sum(~(apart < -SLACK)))  # controls that do not lie above
    high = 1 + int(np.sum(~(apart > SLACK)))
    rank, of = min(low, high), 1 + len(control_values)
    end = "middle" if low == high else "low" if low < high else "high"
    return ControlRank(rank, of, end, min(1.0, 2 * rank / of) if exchangeable else None)


@dataclass(frozen=True)
class AgainstControls:
    """An intervention less the mean of its controls.

    Attributes:
        mean: Mean of the metric over the control draws.
        difference: The metric under the intervention less that mean.
        low: Lower end of the interval; ``None`` where there is none.
        high: Upper end.
        draws: Control draws.
        level: Coverage of the interval, 0..1.
        note: What the interval leaves out, or why there is none; empty otherwise.
    """

    mean: float
    difference: float
    low: float | None
    high: float | None
    draws: int
    level: float = 0.95
    note: str = ""


def against_controls(
    metric: Metric,
    other: Sequence[Record],
    controls: Sequence[Sequence[Record]],
    *,
    possible: int,
    level: float = 0.95,
    seed: int = 0,
    draws: int = DRAWS,
) -> AgainstControls | None:
    """The difference to the mean of the controls, over the same documents, with an interval.

    The difference is one statistic of the documents: for each way to leave one cluster out, or for
    each resample, the metric is computed anew under the intervention and under every control. Two
    things vary, and their variances add up::

        V = V_documents + V_draws
        V_documents   delete-one-cluster jackknife of the difference, for these draws; where the
                      metric is resampled by a bootstrap, that one's variance
        V_draws       (1 - K / N) s^2 / K       s^2: variance of the metric over the K of N draws

    ``V_draws`` also holds some noise of the documents, so the sum is a little too large, never too
    small. The interval is ``difference +- t sqrt(V)`` with Satterthwaite's degrees of freedom.
    With one draw, ``V_draws`` is unknown: the interval then speaks of that draw alone. Where all
    possible draws were made it is zero. Clusters count that take part in one of the figures; below
    ``metric.fewest`` of them there is no interval, nor where more than
    :data:`~headbench.statistics.bootstrap.UNDEFINED` of a bootstrap's resamples are undefined.

    Where documents are right or wrong, ``V_documents`` is at least ``z^2 / (n + z^2)^2`` for n
    documents with an outcome, which is the width of Tango's interval (1998) for a paired difference
    without any change: nothing seen in n documents does not mean that nothing is there. Where no
    document differs at all, n counts the clusters: how alike their documents are cannot be seen
    then. A sample statistic that does not vary at all may say how many independent documents it is
    worth.

    Args:
        metric: What to compute.
        other: Records under the intervention.
        controls: Records under each control draw, over the same documents; none gives ``None``.
        possible: N, how many distinct draws exist.
        level: Coverage, 0..1.
        seed: Of the resamples, where the metric is resampled by a bootstrap.
        draws: How many of them.

    Raises:
        RefusedError: the cells do not hold the same documents.
    """
    if not controls:
        return None
    for records in controls:
        pair(other, records)
    others = [resamplable(metric, records) for records in controls]
    apart = LessMean(resamplable(metric, other), others)
    values = np.array([apart.figure.value(), *(one.value() for one in others)])
    mean = float(values[1:].mean())
    found = AgainstControls(mean, float(values[0]) - mean, None, None, len(controls), level)
    clusters = int(apart.part.sum())
    refused = too_little(clusters, metric.fewest)
    if refused:
        return _without(found, refused)
    if not np.isfinite(values).all():
        return _without(found, "the metric is undefined under the intervention or a control")
    freedom = float(clusters - 1)
    if metric.resampling == "bootstrap":
        resampled = spread(apart, seed=seed, draws=draws)
        refused = too_little(resampled.clusters, metric.fewest, resampled.undefined)
        if refused:
            return _without(found, refused)
        if math.isnan(resampled.variance):
            return _without(found, "the figure was not resampled")
        documents, freedom = resampled.variance, resampled.freedom
    else:
        documents = _jackknife(apart)
    if not math.isfinite(documents):
        return _without(found, "the metric is undefined when a cluster is left out")
    worth: float | None = None
    if isinstance(metric, SumMetric) and metric.outcome is not None:
        taking_part = sum(metric.outcome(record) is not None for record in other)
        worth = taking_part if documents > 0 else clusters
    elif documents < SLACK:  # nothing seems to vary
        worth = apart.independent
    if worth is not None:
        z = NormalDist().inv_cdf(0.5 + level / 2)
        documents = max(documents, z**2 / (worth + z**2) ** 2)
    drawn, note = 0.0, ""
    if len(controls) > 1:
        share = max(0.0, 1 - len(controls) / possible)
        drawn = share * float(values[1:].var(ddof=1)) / len(controls)
    elif possible > 1:
        note = "one draw: the interval does not say how other draws would do"
    total = documents + drawn
    if total <= 0:
        return _without(found, "nothing varies")
    if drawn > 0:
        freedom = total**2 / (documents**2 / freedom + drawn**2 / (len(controls) - 1))
    half = t_quantile(0.5 + level / 2, freedom) * math.sqrt(total)
    reach = math.inf
    if metric.low is not None and metric.high is not None:
        reach = metric.high - metric.low
    return AgainstControls(
        mean,
        found.difference,
        max(-reach, found.difference - half),
        min(reach, found.difference + half),
        len(controls),
        level,
        note,
    )


def _without(found: AgainstControls, note: str) -> AgainstControls:
    return AgainstControls(found.mean, found.difference, None, None, found.draws, found.level, note)


def _jackknife(figure: Resamplable) -> float:
    """Variance of a figure when one cluster of those that take part is left out at a time."""
    without = figure.without_each()[figure.part]  # [taking part]
    clusters = len(without)
    return float((clusters - 1) / clusters * ((without - without.mean()) ** 2).sum())
