"""The spectrum of states: two figures called RankMe, and the decay of eigenvalues."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from headbench.errors import ConfigError
from headbench.families.brain.one_state import check_state, state_of
from headbench.families.brain.sample_figures import nothing
from headbench.nouns import Document, Record
from headbench.scoring.parser import Parser
from headbench.scoring.parts import number
from headbench.scoring.scorer import AskedStep, Scorer
from headbench.statistics.metric import SampleStatistic, Weighted

if TYPE_CHECKING:
    from headbench.families.brain.rdm import Floats

FLAT = 1e-12
"""An eigenvalue below this share of the first is 0 up to rounding."""
MOST_KEPT = 64 * 2**20
"""Bytes of eigenvalues that are kept."""


def check(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    """Refuse a wrong window, and captures that do not give one state."""
    check_state("geometry", options, steps, ("first", "last"))
    _window(options)


def _window(options: Mapping[str, object]) -> tuple[int, int]:
    first, last = options.get("first"), options.get("last")
    whole = all(isinstance(one, int) and not isinstance(one, bool) for one in (first, last))
    if not whole or not 1 <= first < last:  # type: ignore[operator]
        raise ConfigError(
            f"no window of ranks: {first} to {last}",
            where="scorer_options: first, last",
            hint="ranks are counted from 1, e.g. first: 11, last: 200; the window is part of alpha",
        )
    return int(first), int(last)  # type: ignore[call-overload]


def score(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> Mapping[str, object]:
    """The state of one stimulus.

    Returns:
        ``features`` ``[unit]``; ``first`` and ``last``, the window of ranks.
    """
    first, last = _window(options)
    features = state_of(outputs[0], options, document.id)
    return {"features": features, "first": first, "last": last}


def _spectrum(
    figure: Callable[[Floats, int, int], Floats], *, centred: bool
) -> Callable[[Sequence[Record]], Weighted]:
    """A figure of eigenvalues ``[draw, rank]``, descending, of the weighted second moments."""

    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        part = np.array(["features" in record.parts for record in records], dtype=bool)
        taken = [record for record, one in zip(records, part, strict=True) if one]
        if len(taken) < 3:
            return nothing(records)
        features = np.array([record.parts["features"] for record in taken], np.float64)
        first, last = (int(number(taken[0], name)) for name in ("first", "last"))
        if features.shape[1] > len(features):
            # The same spectrum in as many dimensions as there are stimuli.
            left, sizes, _ = np.linalg.svd(features, full_matrices=False)
            features = left * sizes

        def values(weights: Floats) -> Floats:
            return figure(_SPECTRA.of(features, weights, centred=centred), first, last)

        return Weighted(part, values)

    return prepare


class _Spectra:
    """Eigenvalues of weighted second moments, kept: RankMe and alpha ask for the same ones."""

    def __init__(self) -> None:
        self.kept: dict[bytes, Floats] = {}
        self.size = 0

    def of(self, features: Floats, weights: Floats, *, centred: bool) -> Floats:
        """``[draw, rank]``, descending.

        Args:
            features: ``[stimulus, unit]``.
            weights: ``[draw, stimulus]``.
            centred: Subtract the weighted mean first.
        """
        digest = sha256(features.tobytes())
        digest.update(weights.tobytes())
        digest.update(bytes([centred]))
        key = digest.digest()
        if key not in self.kept:
            found = _eigenvalues(features, weights, centred)
            self.size += found.nbytes
            if self.size > MOST_KEPT:
                self.kept, self.size = {}, found.nbytes
            self.kept[key] = found
        return self.kept[key]


_SPECTRA = _Spectra()


def _eigenvalues(features: Floats, weights: Floats, centred: bool) -> Floats:
    import numpy as np

    found = np.empty((len(weights), features.shape[1]))
    for at, weight in enumerate(weights):
        total = weight.sum()
        rows = features - (weight @ features) / total if centred else features
        moments = (rows * weight[:, None]).T @ rows / total  # [unit, unit]
        found[at] = np.maximum(np.linalg.eigvalsh(moments)[::-1], 0.0)
    return found


def _rank(shares: Floats) -> Floats:
    """Effective number of shares, exp of their entropy: ``[draw, rank]``."""
    import numpy as np

    return np.asarray(np.exp(-(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1)))


def _of_eigenvalues(values: Floats, first: int, last: int) -> Floats:
    import numpy as np

    total = values.sum(axis=1, keepdims=True)
    return np.where(total[:, 0] > 0, _rank(values / np.where(total > 0, total, 1.0)), np.nan)


def _of_singular(values: Floats, first: int, last: int) -> Floats:
    import numpy as np

    from headbench.families.brain.spectrum import EPSILON

    # Eigenvalues of F'F / n below rounding would become singular values of 1e-8.
    sizes = np.sqrt(np.where(values > FLAT * values[:, :1], values, 0.0))
    total = sizes.sum(axis=1, keepdims=True)
    shares = sizes / np.where(total > 0, total, 1.0) + EPSILON
    return np.where(total[:, 0] > 0, _rank(shares), np.nan)


def _alpha(values: Floats, first: int, last: int) -> Floats:
    import numpy as np

    window = values[:, first - 1 : last]
    if window.shape[1] < last - first + 1 or not (window > FLAT * values[:, :1]).all():
        return np.full(len(values), np.nan)
    ranks = np.log(np.arange(first, last + 1))
    ranks = ranks - ranks.mean()
    return np.asarray(-(np.log(window) @ ranks) / (ranks @ ranks))


def _statistic(
    name: str, figure: Callable[[Floats, int, int], Floats], *, centred: bool
) -> SampleStatistic:
    return SampleStatistic(
        name, _spectrum(figure, centred=centred), None, "points", low=None, high=None,
        resampling="bootstrap",
    )  # fmt: skip


RANKME_EIGENVALUES = _statistic("rankme_eigenvalues", _of_eigenvalues, centred=True)
RANKME_SINGULAR = _statistic("rankme_singular", _of_singular, centred=False)
ALPHA = _statistic("alpha_req", _alpha, centred=True)

GEOMETRY = Scorer(
    "geometry",
    1,
    score,
    ("brain.rankme_eigenvalues", "brain.rankme_singular", "brain.alpha_req"),
    summary="effective rank and decay of the spectrum of states",
    check=check,
)
