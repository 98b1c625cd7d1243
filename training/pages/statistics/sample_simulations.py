"""Simulated AUROCs and rank correlations whose truth is known, for the page of statistics."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from headbench.nouns import Record
from headbench.scoring import lookup
from headbench.statistics import difference_limits, pair, swap_test, value_limits
from training.pages.statistics.simulations import Records, Tally


@dataclass(frozen=True)
class Scores:
    """Normal scores, higher by a shift for positive documents: AUROC = Phi(shift / sqrt 2).

    Attributes:
        auroc: Under the first condition.
        positive: Share of positive documents.
        second: AUROC under the second condition.
        same: Correlation of a document's scores under both conditions.
        anew: Instead, the second condition draws this share of the scores anew, as good as before.
    """

    auroc: float
    positive: float = 0.5
    second: float | None = None
    same: float = 0.8
    anew: float | None = None

    metric = "auroc"

    @property
    def truth(self) -> tuple[float, float]:
        """The figure under both conditions."""
        return self.auroc, self.auroc if self.second is None else self.second

    def draw(self, random: np.random.Generator, n: int) -> tuple[Records, Records]:
        """Records of both conditions."""
        positive = np.arange(n) < max(1, round(self.positive * n))
        noise, other = _pair(random, n, self.same)
        if self.anew is not None:
            other = np.where(random.random(n) < self.anew, random.standard_normal(n), noise)
        shifts = [math.sqrt(2) * NormalDist().inv_cdf(value) for value in self.truth]
        return tuple(  # type: ignore[return-value]
            [
                _record(place, {"score": float(score), "positive": bool(label)})
                for place, (score, label) in enumerate(
                    zip(one + shift * positive, positive, strict=True)
                )
            ]
            for one, shift in zip((noise, other), shifts, strict=True)
        )


@dataclass(frozen=True)
class Ranks:
    """Pairs of normal numbers: Spearman's correlation is 6 / pi asin(r / 2).

    Attributes:
        pearson: Their r under the first condition.
        second: Under the second condition, whose predictions have noise of their own.
    """

    pearson: float
    second: float | None = None

    metric = "spearman"

    @property
    def truth(self) -> tuple[float, float]:
        """The figure under both conditions."""
        second = self.pearson if self.second is None else self.second
        first, other = (6 / math.pi * math.asin(r / 2) for r in (self.pearson, second))
        return first, other

    def draw(self, random: np.random.Generator, n: int) -> tuple[Records, Records]:
        """Records of both conditions."""
        observed, noise = random.standard_normal((2, n))
        other = 0.8 * noise + 0.6 * random.standard_normal(n)
        second = self.pearson if self.second is None else self.second
        return tuple(  # type: ignore[return-value]
            [
                _record(place, {"predicted": float(a), "observed": float(b)})
                for place, (a, b) in enumerate(
                    zip(r * observed + math.sqrt(1 - r * r) * own, observed, strict=True)
                )
            ]
            for r, own in ((self.pearson, noise), (second, other))
        )


def one_sample(name: str, drawn: Scores | Ranks, n: int, runs: int) -> Tally:
    """Coverage of ``value_limits``."""
    metric, tally = lookup.metric(drawn.metric), Tally(f"{drawn.metric}: {name}", n)
    for records, _ in _runs(drawn, n, runs):
        tally.add(*_ends(value_limits(metric, records)), drawn.truth[0])
    return tally


def two_samples(name: str, drawn: Scores | Ranks, n: int, runs: int, draws: int = 1_000) -> Tally:
    """Coverage of the interval of a paired difference, and its agreement with the swap test."""
    metric, tally = lookup.metric(drawn.metric), Tally(f"{drawn.metric}: {name}", n)
    first, second = drawn.truth
    for seed, (base, other) in enumerate(_runs(drawn, n, runs)):
        p = swap_test(metric, base, other, seed=seed, draws=draws)
        found, _ = difference_limits(metric, pair(base, other), p)
        tally.add(*_ends(found), second - first, p)
    return tally


def _pair(random: np.random.Generator, n: int, same: float) -> tuple[np.ndarray, np.ndarray]:
    one, own = random.standard_normal((2, n))
    return one, same * one + math.sqrt(1 - same * same) * own


def _record(place: int, parts: dict[str, object]) -> Record:
    return Record(f"d{place:04}", f"d{place:04}", (), None, "", parts)


def _ends(found: object) -> tuple[float, float]:
    """Both ends; a setting in which a run has none is no setting for a coverage."""
    low, high = getattr(found, "low", None), getattr(found, "high", None)
    if low is None or high is None:
        raise ValueError("this setting has too few documents")
    return float(low), float(high)


def _runs(drawn: Scores | Ranks, n: int, runs: int) -> Iterator[tuple[Records, Records]]:
    for seed in range(runs):
        yield drawn.draw(np.random.default_rng([11, seed]), n)
