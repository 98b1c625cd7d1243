"""Did the intervention do anything? Changed outputs, the first token, the loss on other text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headbench.errors import DataError
from headbench.nouns import Record
from headbench.statistics.clusters import pair
from headbench.statistics.score import t_quantile

FLOOR = 1e-6
"""Least probability given to what is not listed: single-precision sums miss 1 by about as much."""


def changed_share(base: Sequence[Record], other: Sequence[Record]) -> float:
    """Share of documents whose raw outputs differ between two conditions, 0..1.

    Raises:
        RefusedError: The conditions do not hold the same documents.
    """
    pairs = pair(base, other)
    return sum(one.outputs != two.outputs for one, two in pairs) / len(pairs)


def first_token_kl(base: Mapping[int, float], other: Mapping[int, float]) -> float | None:
    """A lower bound, in nats, of KL(base || other) of the first token, from the listed top tokens.

    Tokens listed on both sides are cells of their own, everything else is one cell of its own:
    merging cells never increases a divergence (log-sum inequality), so the true value is at least
    this, and equals it where the whole vocabulary is listed. The unlisted cell of ``other`` is
    taken to hold at least :data:`FLOOR`, which only lowers the bound.

    That bound collapses where the edit works best: a token that was nearly certain and is not
    among the other side's top tokens falls into "everything else" on both sides. But what is not
    listed is at most as likely as the least token that is, and as all that is not listed. So such a
    token, a cell of its own, adds at least p log(p / q_most). The larger bound is returned.

    Args:
        base: Token id -> log-probability of the first condition's top tokens.
        other: The same of the second condition: its MOST likely tokens, in any order.

    Returns:
        The bound, at least 0; ``None`` where a side lists nothing.
    """
    if not base or not other:
        return None
    shared = sorted(base.keys() & other.keys())
    # fsum: an exact sum does not depend on the order in which an adapter or a store lists tokens.
    known = math.fsum(math.exp(base[token]) * (base[token] - other[token]) for token in shared)
    rest_other = max(FLOOR, 1 - math.fsum(math.exp(other[token]) for token in shared))
    merged = known + _cell(1 - math.fsum(math.exp(base[token]) for token in shared), rest_other)
    unlisted = 1 - math.fsum(math.exp(q) for q in other.values())
    most = max(FLOOR, min(unlisted, math.exp(min(other.values()))))
    lost = [base[token] for token in sorted(base.keys() - other.keys())]
    apart = known + math.fsum(_cell(math.exp(p), most) for p in lost)
    apart += _cell(1 - math.fsum(math.exp(p) for p in base.values()), rest_other)
    return max(0.0, merged, apart)


def _cell(p: float, q: float) -> float:
    """A cell's share of a divergence; what rounding alone can leave counts as nothing."""
    return p * math.log(p / q) if p > FLOOR else 0.0


def mean_first_token_kl(
    pairs: Iterable[tuple[Mapping[int, float], Mapping[int, float]]],
) -> float | None:
    """The mean of :func:`first_token_kl` over pairs where it exists; ``None`` for none."""
    values = [kl for kl in (first_token_kl(base, other) for base, other in pairs) if kl is not None]
    return sum(values) / len(values) if values else None


@dataclass(frozen=True)
class LossChange:
    """How the next-token loss on the same passages differs between two conditions.

    Attributes:
        change: Second less first, nats per token.
        low: Lower end of the interval; ``None`` where nothing varies, or for one passage.
        high: Upper end.
        passages: Passages.
        level: Coverage of the interval, 0..1.
    """

    change: float
    low: float | None
    high: float | None
    passages: int
    level: float = 0.95


def loss_change(
    first: Sequence[float], second: Sequence[float], tokens: Sequence[int], level: float = 0.95
) -> LossChange | None:
    """Paired change of the loss per token, with a jackknife-t interval over passages.

    Args:
        first: Summed loss of each passage under the first condition, nats.
        second: The same passages under the second condition.
        tokens: Scored tokens of each passage.
        level: Coverage, 0..1.

    Returns:
        The change of ``sum(loss) / sum(tokens)``; ``None`` without a token.

    Raises:
        DataError: the three are of different lengths.
    """
    if not len(first) == len(second) == len(tokens):
        raise DataError(
            "the two conditions were not measured on the same passages",
            where=f"{len(first)} and {len(second)} losses, {len(tokens)} token counts",
            hint="compare results of one version",
        )
    moved = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    counts = np.asarray(tokens, dtype=np.float64)
    total, n = float(counts.sum()), len(counts)
    if not total:
        return None
    change = float(moved.sum()) / total
    rest = total - counts
    if n < 2 or not (rest > 0).all():
        return LossChange(change, None, None, n, level)
    left = (moved.sum() - moved) / rest
    variance = (n - 1) / n * float(((left - left.mean()) ** 2).sum())
    if variance <= 0:
        return LossChange(change, None, None, n, level)
    half = t_quantile(0.5 + level / 2, n - 1) * math.sqrt(variance)
    return LossChange(change, change - half, change + half, n, level)
