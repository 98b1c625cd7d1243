"""Score-type intervals: for each candidate value, would a test of that value reject it?

An estimate divided by its own standard error fails near a bound and where few clusters differ: with
no error seen, the standard error is 0. A score interval takes the variance at the candidate value
instead (Wilson 1927 for one proportion, Tango 1998 for a paired difference). With clusters that
variance is multiplied by a design effect (Rao and Scott 1992), itself taken at the candidate value,
and the quantile is Student's t with the degrees of freedom that the clusters' squares have
(Satterthwaite 1946). Where every document is a cluster of its own and the quantile is normal, the
two functions are Wilson's and Tango's intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from headbench.statistics.metric import Floats

STEPS = 50
"""Halvings of a bracket: more than a double can tell apart."""
EDGE = 1e-9
"""Distance, as a share of the range, that candidates keep from a bound."""


class Interval(NamedTuple):
    """Both ends of an interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Sample:
    """An estimate and what each cluster does to it.

    Attributes:
        value: The estimate.
        influence: ``[cluster]``, centred: how far each cluster moves the estimate; the squares sum
            to its variance.
        weight: ``[cluster]``, each cluster's share of the documents; sums to 1.
        freedom: Degrees of freedom of the quantile; infinite for the normal one, ``None`` for those
            that the influences have.
        documents: The variance is taken to be at least that of a share of so many independent
            documents: for a proportion, those that are right or wrong. ``None`` elsewhere.
    """

    value: float
    influence: Floats
    weight: Floats
    freedom: float | None = None
    documents: float | None = None


def bounded(sample: Sample, low: float, high: float, level: float) -> Interval:
    """Interval of a figure that lies between two bounds, such as a mean of 0 and 1.

    The variance at a candidate v is the clusters' second moment about v, times p (1 - p) over the
    second moment about v of outcomes that are all ``low`` or ``high``: 1 at the estimate, and right
    at a bound, where the estimate alone would have no variance.

    Args:
        sample: The estimate, within the bounds.
        low: Least possible value.
        high: Greatest possible value.
        level: Coverage, 0..1.
    """
    width = high - low
    seen = (sample.value - low) / width

    def moments(value: float) -> tuple[float, float]:
        p = (value - low) / width
        return p * (1 - p), seen * (1 - p) ** 2 + (1 - seen) * p**2

    return _invert(sample, moments, width, Interval(low, high), level)


def paired(sample: Sample, gains: float, losses: float, unit: float, level: float) -> Interval:
    """Interval of a paired difference that is made of changes up and down.

    The variance at a candidate d is the clusters' second moment about d, times that of changes of
    +-``unit`` whose difference is d and whose shares are the most likely ones (Tango's restricted
    estimate), over their observed second moment about d.

    Args:
        sample: The difference; at most ``unit`` from 0.
        gains: Mean upward change over ``unit``, 0..1; for outcomes the share of gains.
        losses: Mean downward change over ``unit``; ``gains - losses`` is the difference / ``unit``.
        unit: The largest change of one document: 1 for outcomes.
        level: Coverage, 0..1.
    """

    def moments(value: float) -> tuple[float, float]:
        d = value / unit
        about = gains + losses - 2 * d * (gains - losses) + d * d
        return _restricted_changes(gains, losses, d) - d * d, about

    return _invert(sample, moments, unit, Interval(-unit, unit), level)


@lru_cache(4096)  # its counts alone decide it
def tango(n: int, gains: int, losses: int, level: float = 0.95) -> Interval:
    """Tango's score interval of a paired difference of proportions (Statist. Med. 17:891, 1998).

    Args:
        n: Independent paired documents, at least one.
        gains: Documents wrong, then right.
        losses: Documents right, then wrong.
        level: Coverage, 0..1.
    """
    import numpy as np

    difference = (gains - losses) / n
    changes = np.repeat([1.0, -1.0, 0.0], [gains, losses, n - gains - losses])
    sample = Sample(difference, (changes - difference) / n, np.full(n, 1 / n), math.inf)
    return paired(sample, gains / n, losses / n, 1.0, level)


def student(sample: Sample, level: float) -> Interval:
    """Student's interval of an unbounded figure from its clusters' influences (jackknife-t)."""
    spread = math.sqrt(float(sample.influence @ sample.influence))
    moments = _Moments.of(sample)
    half = _quantile(_freedom(sample, moments, 0.0), level) * spread
    return Interval(sample.value - half, sample.value + half)


def t_quantile(share: float, freedom: float) -> float:
    """Quantile of Student's t distribution; the degrees of freedom need not be whole."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


def agree(interval: Interval, difference: float, p: float | None, level: float) -> Interval:
    """Make an interval leave out 0 exactly where the test rejects 0.

    The candidate 0 is judged by the exact test, all others by the score. Where the test does not
    reject, the interval is widened to 0. Where it does, values beyond 0 are rejected with it, and
    an end that reached 0 is placed where the test puts it (Miettinen 1976): difference x
    (1 - z / z_p). Truths on the far side of 0 are then lost no more often than the test errs.

    Args:
        interval: Holds ``difference``.
        difference: The estimate.
        p: Two-sided, of a difference of 0; ``None`` leaves the interval as it is.
        level: Coverage of the interval, and one minus the test's alpha.
    """
    low, high = interval
    if p is None:
        return interval
    if p > round(1 - level, 12):
        return Interval(min(low, 0.0), max(high, 0.0))
    if low <= 0 <= high and p > 0:
        from scipy.special import ndtri

        end = difference * (1 - ndtri(0.5 + level / 2) / -ndtri(p / 2))
        return Interval(float(end), high) if difference > 0 else Interval(low, float(end))
    return interval


@dataclass(frozen=True)
class _Moments:
    """Second and fourth moments of ``influence + h weight`` as polynomials in h."""

    second: tuple[float, ...]
    fourth: tuple[float, ...]
    clusters: int

    @classmethod
    def of(cls, sample: Sample) -> _Moments:
        a, w = sample.influence, sample.weight
        second = tuple(math.comb(2, k) * float((a ** (2 - k) * w**k).sum()) for k in range(3))
        fourth = tuple(math.comb(4, k) * float((a ** (4 - k) * w**k).sum()) for k in range(5))
        return cls(second, fourth, len(a))

    def about(self, h: float) -> tuple[float, float]:
        """Both moments where the candidate lies h below the estimate."""
        second = sum(c * h**k for k, c in enumerate(self.second))
        return max(0.0, second), sum(c * h**k for k, c in enumerate(self.fourth))


def _invert(
    sample: Sample,
    moments_of: Callable[[float], tuple[float, float]],
    unit: float,
    bounds: Interval,
    level: float,
) -> Interval:
    """The candidates that are not rejected: both ends by bisection.

    Args:
        sample: What was seen.
        moments_of: Candidate -> second moment of one document about it, expected and seen, in
            ``unit``.
        unit: What 1 means there.
        bounds: Least and greatest candidate.
        level: Coverage.
    """
    moments = _Moments.of(sample)
    independent = 0.0 if sample.documents is None else unit * unit / sample.documents

    def rejected(value: float) -> bool:
        h = sample.value - value
        second, _ = moments.about(h)
        expected, seen = moments_of(value)
        variance = second * expected / seen if seen > 0 else second
        t = _quantile(_freedom(sample, moments, h), level)
        return h * h > t * t * max(variance, independent * expected)

    def end(bound: float, inner: float) -> float:
        if (bound - sample.value) * (bound - inner) <= 0 or not rejected(inner):
            return bound
        out, kept = inner, sample.value
        for _ in range(STEPS):
            middle = (out + kept) / 2
            out, kept = (middle, kept) if rejected(middle) else (out, middle)
        return kept

    step = EDGE * (bounds.high - bounds.low)
    return Interval(end(bounds.low, bounds.low + step), end(bounds.high, bounds.high - step))


def _freedom(sample: Sample, moments: _Moments, h: float) -> float:
    """Satterthwaite's degrees of freedom of a sum of squares: 2 S^2 / (sum of fourths - S^2 / G).

    At most one less than there are clusters; few where few clusters carry the squares.
    """
    if sample.freedom is not None:
        return sample.freedom
    most = moments.clusters - 1
    second, fourth = moments.about(h)
    excess = fourth - second * second / moments.clusters
    if excess <= EDGE * second * second / moments.clusters:
        return most
    return min(most, max(1.0, 2 * second * second / excess))


def _quantile(freedom: float, level: float) -> float:
    """Student's two-sided quantile; the normal one for infinite degrees of freedom."""
    from scipy.special import ndtri, stdtrit

    tail = 0.5 + level / 2
    return float(ndtri(tail) if math.isinf(freedom) else stdtrit(freedom, tail))


def _restricted_changes(gains: float, losses: float, difference: float) -> float:
    """Most likely share of changes given that gains less losses is ``difference`` (Tango 1998).

    The share q of losses solves 2 q^2 + B q + C = 0 with B = (2 - gains + losses) d - gains -
    losses and C = -losses d (1 - d).
    """
    if difference < 0:  # the mirrored question has the same answer, and nothing cancels in it
        gains, losses, difference = losses, gains, -difference
    b = (2 - gains + losses) * difference - gains - losses
    c = -losses * difference * (1 - difference)
    return (math.sqrt(max(0.0, b * b - 8 * c)) - b) / 2 + difference
