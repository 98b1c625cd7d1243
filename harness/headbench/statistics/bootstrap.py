"""The bootstrap of statistics of pairs: draw stimuli, subjects, or both, and drop equal pairs.

A correlation of two dissimilarity matrices is a function of pairs of records (stimuli), so the
pairs of a resample are not independent, and pairs of a stimulus with its own copy say nothing.
Stimuli are therefore drawn as weights w: a pair counts w_i w_j times, and never for i = j (Nili et
al. 2014, PLoS Comput. Biol. 10:e1003553). Where people (subjects) gave the other side, they are
drawn as well. The variance over new stimuli *and* new subjects is the corrected one of the dual
bootstrap (Schuett et al. 2023, eLife 12:e82566)::

    V = S/(S-1) V_s + n/(n-1) V_p - nS/((n-1)(S-1)) (V_sp - V_s - V_p)

with V_s, V_p, V_sp the variances when subjects, stimuli, or both are drawn, S subjects and n
stimuli; it is kept between max(V_s, V_p) and V_sp. Without subjects it is n/(n-1) V_p.

Weights follow from the seed and the number of clusters alone, so baseline, intervention and
controls see the same draws, and their differences are paired.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from headbench.statistics.metric import Floats
from headbench.statistics.resamplable import CELLS, Resamplable

DRAWS = 1_000
"""Most draws per figure: a standard error from a thousand is itself known to 2.2 %."""
UNDEFINED = 0.05
"""Greatest share of resamples in which a figure may be undefined while it keeps an interval."""


@dataclass(frozen=True)
class Spread:
    """A figure and its variance over new clusters and new subjects.

    Attributes:
        value: The figure of the records as they are.
        variance: Over new samples; NaN where it cannot be had.
        freedom: Degrees of freedom of Student's t: one less than stimuli or subjects, whichever
            are fewer.
        clusters: Clusters that were drawn from.
        undefined: Share of draws in which the figure is undefined; they are left out.
    """

    value: float
    variance: float
    freedom: float
    clusters: int
    undefined: float = 0.0

    @property
    def error(self) -> float:
        """Standard error."""
        return math.sqrt(self.variance)

    @property
    def p(self) -> float | None:
        """Two-sided p of a true value of 0, by Student's t; ``None`` without a variance."""
        from scipy.special import stdtr

        if not math.isfinite(self.value) or math.isnan(self.variance):
            return None
        if self.variance == 0:
            return 1.0 if self.value == 0 else None
        return float(2 * stdtr(self.freedom, -abs(self.value) / self.error))


def spread(figure: Resamplable, *, seed: int, draws: int = DRAWS) -> Spread:
    """Bootstrap a figure, or a difference of figures over the same clusters and subjects.

    Args:
        figure: A metric over the clusters of one condition, or a difference.
        seed: Of the draws; the same seed gives all figures of a run the same draws.
        draws: Resamples; at most :data:`DRAWS` are made, and fewer than two give no variance.
    """
    part, people = figure.part, figure.subjects
    clusters, draws = int(part.sum()), min(draws, DRAWS)
    freedom = float(min(clusters, people) if people > 1 else clusters) - 1
    plain = figure.by_subject(part[None].astype(np.float64))[0]  # [subject]
    value = float(plain.mean())
    if freedom < 1 or draws < 2 or not math.isfinite(value):
        return Spread(value, math.nan, freedom, clusters)

    def values(weights: Floats) -> Floats:
        every = np.zeros((len(weights), len(part)))
        every[:, part] = weights
        return figure.by_subject(every)

    drawn = np.concatenate([values(chunk) for chunk in weights_of(clusters, draws, seed)])
    defined = np.isfinite(drawn).all(axis=1)
    drawn, undefined = drawn[defined], float(1 - defined.mean())
    if len(drawn) < 2:
        return Spread(value, math.nan, freedom, clusters, undefined)
    stimuli = float(drawn.mean(axis=1).var(ddof=1))
    variance = clusters / (clusters - 1) * stimuli
    if people > 1:
        chosen = np.concatenate([*weights_of(people, draws, seed + 1)])[defined] / people
        subjects = float((chosen @ plain).var(ddof=1))
        both = float((chosen * drawn).sum(axis=1).var(ddof=1))
        variance = dual_variance(stimuli, subjects, both, clusters, people)
    return Spread(value, variance, freedom, clusters, undefined)


def dual_variance(
    stimuli: float, subjects: float, both: float, n_stimuli: int, n_subjects: int
) -> float:
    """Variance over new stimuli and new subjects, from the three bootstrap variances.

    Args:
        stimuli: Variance when only stimuli are drawn.
        subjects: When only subjects are drawn.
        both: When both are drawn, which counts the noise of their combination three times.
        n_stimuli: Stimuli, at least two.
        n_subjects: Subjects, at least two.
    """
    over_p, over_s = n_stimuli / (n_stimuli - 1), n_subjects / (n_subjects - 1)
    corrected = over_s * subjects + over_p * stimuli
    corrected -= over_s * over_p * (both - subjects - stimuli)
    return min(max(corrected, subjects, stimuli), max(both, subjects, stimuli))


def weights_of(clusters: int, draws: int, seed: int) -> Iterator[Floats]:
    """How often each cluster is drawn: multinomial ``[chunk, cluster]``, in bounded chunks."""
    random = np.random.default_rng(seed)
    size = max(1, CELLS // clusters)
    for start in range(0, draws, size):
        chunk = min(size, draws - start)
        picks = random.integers(clusters, size=(chunk, clusters))
        picks += clusters * np.arange(chunk)[:, None]
        counts = np.bincount(picks.ravel(), minlength=chunk * clusters)
        yield counts.reshape(chunk, clusters).astype(np.float64)
