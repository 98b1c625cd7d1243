"""Simulated experiments whose truth is known: what the page of statistics measures.

Answers are drawn as a model might give them, made into records, and put through the package's own
functions. Nothing here knows how those functions work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np

from headbench.nouns import Record
from headbench.scoring import lookup
from headbench.statistics import (
    Changes,
    Limits,
    agree,
    detectable,
    difference_limits,
    mcnemar_clustered,
    mcnemar_exact,
    pair,
    resamplable_pair,
    swap_test,
    tango,
    value_limits,
    wilson,
)
from headbench.statistics.bootstrap import weights_of
from headbench.statistics.metric import Metric
from headbench.statistics.paired import outcome_changes

REPEATED = np.r_[np.full(3, 3), np.ones(9, dtype=int)]
"""18 questions about an image, as in POPE: three objects asked three times, nine asked once."""
TRUTH_RUNS = 2_000_000
"""Clusters from which the true value of a ratio is computed."""

Records = list[Record]


# ------------------------------------------------------------------ answers


@dataclass(frozen=True)
class Pope:
    """Yes/no questions about images; whether an image is easy is shared by its questions.

    Attributes:
        right: Share of right answers under the first condition.
        icc: Intraclass correlation of right answers within an image, roughly.
        moved: Correlation of the conditions' hidden difficulty; 1 - ``moved`` makes answers change.
        shift: True difference of the share of right answers.
        lost: Instead of ``moved``: this share of the right answers is lost, none gained.
    """

    right: float
    icc: float
    moved: float = 0.9
    shift: float = 0.0
    lost: float | None = None

    def outcomes(self, random: np.random.Generator, images: int) -> tuple[np.ndarray, np.ndarray]:
        """Right or wrong under each condition: ``[image, 12]``, before repetition."""
        shared, own = (
            random.standard_normal((2, images, 1)),
            random.standard_normal((2, images, 12)),
        )
        rho = latent(self.right, self.icc)
        hidden = math.sqrt(rho) * shared + math.sqrt(1 - rho) * own
        normal = NormalDist()
        first = hidden[0] < normal.inv_cdf(self.right)
        if self.lost is not None:
            return first, first & (hidden[1] < normal.inv_cdf(1 - self.lost))
        second = self.moved * hidden[0] + math.sqrt(1 - self.moved**2) * hidden[1]
        return first, second < normal.inv_cdf(self.right + self.shift)

    def draw(self, random: np.random.Generator, images: int) -> tuple[Records, Records]:
        """Records of both conditions."""
        return tuple(answers(condition) for condition in self.outcomes(random, images))  # type: ignore[return-value]


@cache
def latent(share: float, icc: float) -> float:
    """Correlation of normal variables whose cut at ``share`` has the correlation ``icc``."""
    cut = NormalDist().inv_cdf(share)
    low, high = 0.0, 0.999
    for _ in range(40):
        rho = (low + high) / 2
        steps = (np.arange(2000) + 0.5) / 2000 * rho
        # Plackett 1954: the joint share grows by the bivariate density at (cut, cut).
        density = np.exp(-(cut**2) / (1 + steps)) / (2 * np.pi * np.sqrt(1 - steps**2))
        found = float(density.mean() * rho) / (share * (1 - share))
        low, high = (rho, high) if found < icc else (low, rho)
    return rho


def answers(right: np.ndarray) -> Records:
    """Records of ``pope`` from right answers ``[image, 12]``; three have the label yes."""
    made = []
    for image, row in enumerate(right):
        place = 0
        for number, (good, times) in enumerate(zip(row, REPEATED, strict=True)):
            label = "yes" if number < 3 else "no"
            said = label if good else ("no" if label == "yes" else "yes")
            for _ in range(times):
                made.append(
                    _record(f"{image}-{place}", str(image), {"label": label, "answer": said})
                )
                place += 1
    return made


@dataclass(frozen=True)
class Chair:
    """Captions whose objects are there or not; a condition writes some of them anew.

    Attributes:
        rate: Share of mentioned objects that are not there.
        anew: Share of the captions that the second condition writes anew.
        shift: What is added to the rate in those.
    """

    rate: float
    anew: float
    shift: float = 0.0

    def sums(self, random: np.random.Generator, captions: int) -> tuple[np.ndarray, np.ndarray]:
        """``[caption, 5]`` per condition: wrong mentions, mentions, objects found, all, words."""
        hard = random.beta(8 * self.rate, 8 * (1 - self.rate), captions)
        objects = 3 + random.poisson(1, captions)
        first = self._write(random, hard, objects)
        second = self._write(random, np.clip(hard + self.shift, 0, 1), objects)
        return first, np.where((random.random(captions) < self.anew)[:, None], second, first)

    def _write(
        self, random: np.random.Generator, rate: np.ndarray, objects: np.ndarray
    ) -> np.ndarray:
        mentions = 1 + random.poisson(2.5, len(rate))
        wrong = random.binomial(mentions, rate)
        found = np.minimum(objects, mentions - wrong)
        return np.stack([wrong, mentions, found, objects, 9 + 3 * mentions], axis=1)

    def draw(self, random: np.random.Generator, captions: int) -> tuple[Records, Records]:
        """Records of both conditions."""
        return tuple(_captions(condition) for condition in self.sums(random, captions))  # type: ignore[return-value]


def _captions(table: np.ndarray) -> Records:
    words = [["x"] * count for count in range(int(table.max()) + 1)]
    return [
        _record(
            f"c{place}",
            f"c{place}",
            {
                "hallucinated": words[wrong],
                "mentions": words[mentions],
                "found": words[found],
                "truth_size": int(objects),
                "words": int(length),
            },
        )
        for place, (wrong, mentions, found, objects, length) in enumerate(table)
    ]


def _record(document: str, cluster: str, parts: dict[str, object]) -> Record:
    return Record(document, cluster, (), None, "none@1", parts)


# ------------------------------------------------------------------ what is measured


@dataclass
class Tally:
    """What happened in the runs of one setting.

    Attributes:
        name: The setting.
        n: Documents, or clusters.
        runs: Simulated experiments.
        covered: Runs whose interval holds the truth.
        flat: Runs with an interval of no width.
        apart: Runs in which interval and p disagree about 0.
        rejected: Runs with p <= .05.
        width: Mean width.
        other: Runs covered by the percentile bootstrap, where it was asked.
    """

    name: str
    n: int
    runs: int = 0
    covered: float = 0
    flat: float = 0
    apart: float = 0
    rejected: float = 0
    width: float = 0
    other: float | None = None

    def add(
        self, low: float, high: float, truth: float, p: float | None = None, chance: float = 1
    ) -> None:
        """Count one run, or all runs that look alike with their chance."""
        self.runs += 1
        self.covered += chance * (low - 1e-9 <= truth <= high + 1e-9)
        self.flat += chance * (high - low < 1e-12)
        self.width += chance * (high - low)
        if p is not None:
            rejects = p <= 0.05
            self.rejected += chance * rejects
            self.apart += chance * (rejects == (low <= 0 <= high))

    def shares(self) -> dict[str, float]:
        """Counts over runs; exact settings counted chances already."""
        return {
            key: getattr(self, key) / self.runs
            for key in ("covered", "flat", "apart", "rejected", "width")
        }


def wilson_exactly(n: int, share: float) -> Tally:
    """Coverage of Wilson's interval, by going through all counts."""
    tally = Tally(f"one proportion, {share:g}", n)
    for hits in range(n + 1):
        tally.add(*wilson(hits, n), share, chance=_binomial(n, hits, share))
    tally.runs = 1
    return tally


def tango_exactly(n: int, changed: float, difference: float) -> Tally:
    """Coverage of the paired interval without clusters, by going through gains and losses."""
    tally = Tally(f"paired, {changed:g} change, difference {difference:+g}", n)
    up, down = (changed + difference) / 2, (changed - difference) / 2
    for gains in range(n + 1):
        for losses in range(n + 1 - gains):
            chance = _trinomial(n, gains, losses, up, down)
            if chance < 1e-7:
                continue
            p, seen = mcnemar_exact(gains, losses), (gains - losses) / n
            low, high = agree(tango(n, gains, losses), seen, p, 0.95)
            tally.add(low, high, difference, p, chance)
    tally.runs = 1
    return tally


def _binomial(n: int, hits: int, share: float) -> float:
    return _trinomial(n, hits, n - hits, share, 1 - share)


def _trinomial(n: int, one: int, two: int, p: float, q: float) -> float:
    rest = n - one - two
    log = math.lgamma(n + 1) - math.lgamma(one + 1) - math.lgamma(two + 1) - math.lgamma(rest + 1)
    for count, share in ((one, p), (two, q), (rest, 1 - p - q)):
        if count and share <= 0:
            return 0.0
        log += count * math.log(share) if count else 0.0
    return math.exp(log)


def one_condition(name: str, answers_of: Pope | Chair, metric: str, n: int, runs: int) -> Tally:
    """Coverage of ``value_limits``."""
    one, truth = lookup.metric(metric), true_values(answers_of, metric)[0]
    tally = Tally(f"{metric}: {name}", n)
    for records, _ in _runs(answers_of, n, runs):
        limits = value_limits(one, records)
        tally.add(*_ends(limits), truth)
    return tally


def two_conditions(
    name: str,
    answers_of: Pope | Chair,
    metric: str,
    n: int,
    runs: int,
    *,
    draws: int = 1_000,
    percentile: bool = False,
) -> Tally:
    """Coverage of the interval of ``compare_paired``, and its agreement with p.

    Its steps are taken one by one here, because ``detectable`` would take most of the time.
    """
    one, (before, after) = lookup.metric(metric), true_values(answers_of, metric)
    tally = Tally(f"{metric}: {name}", n, other=0 if percentile else None)
    for seed, (base, other) in enumerate(_runs(answers_of, n, runs)):
        pairs = pair(base, other)
        changes = outcome_changes(one, pairs)
        p = (
            swap_test(one, base, other, seed=seed, draws=draws)
            if changes is None
            else mcnemar_clustered(changes)
        )
        found, _ = difference_limits(one, pairs, p)
        tally.add(*_ends(found), after - before, p)
        if tally.other is not None:
            low, high = percentiles(one, base, other, seed, draws)
            tally.other += low - 1e-9 <= after - before <= high + 1e-9
    return tally


def percentiles(
    metric: Metric, base: Records, other: Records, seed: int, draws: int
) -> tuple[float, float]:
    """The percentile interval of a difference over drawn clusters, which earlier versions used."""
    difference = resamplable_pair(metric, base, other)
    chunks = weights_of(len(difference.sizes), draws, seed)
    drawn = np.concatenate([difference.weighted(weights) for weights in chunks])
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(low), float(high)


@cache
def true_values(answers_of: Pope | Chair, metric: str) -> tuple[float, float]:
    """The metric under both conditions, in closed form or from two million captions."""
    if isinstance(answers_of, Pope):
        first = answers_of.right
        lost = answers_of.lost
        second = first + answers_of.shift if lost is None else first * (1 - lost)
        # A share r of right answers among 9 yes and 9 no questions.
        values = {"pope.accuracy": lambda r: r, "pope.f1": lambda r: 2 * r / (2 * r + 2 * (1 - r))}
        return values[metric](first), values[metric](second)
    found = []
    for table in answers_of.sums(np.random.default_rng(99), TRUTH_RUNS):
        wrong, mentions, right, objects, words = table.sum(axis=0)
        precision, recall = 1 - wrong / mentions, right / objects
        values_of = {
            "chair.chair_i": wrong / mentions,
            "chair.f1": 2 * precision * recall / (precision + recall),
            "chair.len": words / TRUTH_RUNS,
        }
        found.append(float(values_of[metric]))
    return found[0], found[1]


def _ends(found: Limits) -> tuple[float, float]:
    """Both ends; a setting in which a run has none is no setting for a coverage."""
    return _known(found.low), _known(found.high)


def _known(value: float | None) -> float:
    if value is None:
        raise ValueError("this setting has too few clusters")
    return value


def _runs(answers_of: Pope | Chair, n: int, runs: int) -> Iterator[tuple[Records, Records]]:
    for seed in range(runs):
        yield answers_of.draw(np.random.default_rng([7, seed]), n)


# ------------------------------------------------------------------ power at `detectable`


def power_exactly(n: int, both_ways: int, alpha: float = 0.05) -> tuple[float, float]:
    """``detectable`` of ``n`` documents without clusters, and McNemar's power there, exactly."""
    seen = np.repeat([1.0, -1.0], both_ways // 2) / n
    difference = _known(detectable(Changes(seen, n, 1 / n), alpha))
    down = both_ways / 2 / n
    power = sum(
        _trinomial(n, gains, losses, down + difference, down)
        for gains in range(n + 1)
        for losses in range(n + 1 - gains)
        if mcnemar_exact(gains, losses) <= alpha
    )
    return difference, power


def power_clustered(
    seen: Sequence[int], clusters: int, runs: int, alpha: float = 0.05
) -> tuple[float, float]:
    """``detectable`` of changes in bundles, and the clustered McNemar test's power there.

    Args:
        seen: Gains less losses of each changed cluster.
        clusters: In all, of 18 documents each.
        runs: Simulated experiments.
        alpha: Of the test.
    """
    n = 18 * clusters
    difference = _known(detectable(Changes(np.array(seen) / n, clusters, 1 / n), alpha))
    found = 0
    for seed in range(runs):
        drawn = _changed(np.random.default_rng([8, seed]), np.array(seen), clusters, difference * n)
        found += mcnemar_clustered([int(change) for change in drawn]) <= alpha
    return difference, found / runs


def power_permuted(
    seen: Sequence[float], documents: int, runs: int, alpha: float = 0.05
) -> tuple[float, float]:
    """``detectable`` of a mean of graded scores, and the swap test's power there."""
    metric = lookup.metric("walls.fms")
    difference = _known(detectable(Changes(np.array(seen) / documents, documents), alpha))
    found = 0
    base = [_record(f"w{place}", f"w{place}", {"fms": 0.5}) for place in range(documents)]
    for seed in range(runs):
        random = np.random.default_rng([9, seed])
        drawn = _changed(random, np.array(seen), documents, difference * documents)
        other = [
            _record(one.document, one.cluster, {"fms": 0.5 + change})
            for one, change in zip(base, drawn, strict=True)
        ]
        p = swap_test(metric, base, other, seed=seed, draws=2_000)
        found += p is not None and p <= alpha
    return difference, found / runs


def _changed(
    random: np.random.Generator, seen: np.ndarray, clusters: int, total: float
) -> np.ndarray:
    """Changes of all clusters: both ways as seen, and one way until they sum to ``total``."""
    sizes = np.abs(seen)
    one_way = total / clusters / sizes.mean()
    both_ways = min(2 * min((seen > 0).sum(), (seen < 0).sum()) / clusters, 1 - one_way)
    place, drawn = random.random(clusters), random.choice(sizes, clusters)
    sign = np.where(place < one_way, 1, random.choice([-1, 1], clusters))
    return np.where(place < one_way + both_ways, sign * drawn, 0)
