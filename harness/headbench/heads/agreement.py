"""How far two head maps of one model agree: the heads they choose, and the order they give."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headbench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from headbench.heads.headmap import Head, HeadMap

TOP = (5, 10, 20, 50)
"""Sizes of the compared lists of best heads, as far as the model has that many."""


@dataclass(frozen=True)
class Agreement:
    """Two maps against each other.

    Attributes:
        top: Size of the lists -> Jaccard index of the two, 0 to 1.
        chance: The same -> what two random lists of that size share on average, about.
        threshold: Jaccard index of the heads at or above each map's own threshold; ``None`` where
            a map names none or neither detects a head.
        counts: How many heads each map detects at its threshold.
        rank: Spearman's rank correlation over all heads, ties sharing their mean rank; ``None``
            where a map gives all heads one score.
    """

    top: dict[int, float]
    chance: dict[int, float]
    threshold: float | None
    counts: tuple[int | None, int | None]
    rank: float | None


def agree(one: HeadMap, other: HeadMap) -> Agreement:
    """Compare two maps.

    Raises:
        ConfigError: They are of different shapes, or score different kinds of heads.
    """
    if (one.layers, one.heads, one.unit) != (other.layers, other.heads, other.unit):
        raise ConfigError(
            "the maps are not of one model's heads",
            where=f"{one.layers} x {one.heads} {one.unit} heads, "
            f"{other.layers} x {other.heads} {other.unit} heads",
            hint="compare maps of the same shape",
        )
    if one.attending != other.attending:
        raise ConfigError(
            "the maps are not of one model's heads: other layers have attention",
            where=f"{_listed(one.attending)}; {_listed(other.attending)}",
            hint="compare maps of one model",
        )
    total = len(one.attending) * one.heads
    sizes = [k for k in TOP if k < total] or [1]
    chosen = [found.above() if found.threshold is not None else None for found in (one, other)]
    first, second = chosen
    both = None
    if first is not None and second is not None and (first or second):
        both = jaccard(first, second)
    return Agreement(
        {k: jaccard(one.top(k), other.top(k)) for k in sizes},
        # k^2 / n heads are expected in common; the Jaccard index of that many.
        {k: k / (2 * total - k) for k in sizes},
        both,
        (
            None if first is None else len(first),
            None if second is None else len(second),
        ),
        spearman(one, other),
    )


def _listed(layers: Iterable[int]) -> str:
    return f"layers {', '.join(map(str, layers))}"


def jaccard(one: Collection[Head], other: Collection[Head]) -> float:
    """Shared heads over all heads of two lists that are not both empty, 0 to 1."""
    return len({*one} & {*other}) / len({*one} | {*other})


def spearman(one: HeadMap, other: HeadMap) -> float | None:
    """Rank correlation over all heads, -1 to 1; ``None`` without any order to compare."""
    flat = [[score for layer in found.scores for score in layer or ()] for found in (one, other)]
    if any(len(set(scores)) == 1 for scores in flat):
        return None
    return _correlation(*map(_ranks, flat))


def _ranks(scores: Sequence[float]) -> list[float]:
    """Each score's place in ascending order, from 1; equal scores share the mean of theirs."""
    places: dict[float, list[int]] = {}
    for place, score in enumerate(sorted(scores), 1):
        places.setdefault(score, []).append(place)
    return [sum(places[score]) / len(places[score]) for score in scores]


def _correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Pearson's, of two lists that each hold two values or more.

    ``scipy.stats`` has both, and takes half a second to import.
    """
    means = [math.fsum(values) / len(values) for values in (one, other)]
    apart = [
        [value - mean for value in values] for values, mean in zip((one, other), means, strict=True)
    ]
    lengths = [math.fsum(value * value for value in values) for values in apart]
    return math.fsum(a * b for a, b in zip(*apart, strict=True)) / math.sqrt(
        lengths[0] * lengths[1]
    )
