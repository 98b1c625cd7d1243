"""Geometry of a set of features: effective rank and decay of the spectrum (arXiv 2509.23024).

Two quantities are called RankMe, and they differ by about a factor of two on real features: the
variant is part of the name. Both are exp of the entropy of a normalised spectrum:

* :func:`rankme_eigenvalues`: eigenvalues of the covariance, as in arXiv 2509.23024;
* :func:`rankme_singular`: singular values of the features, not centred, as in the original
  (Garrido et al. 2023, arXiv 2210.02885).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.rdm import Floats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

EPSILON = 1e-7
"""Added to each share of :func:`rankme_singular`, as the original does."""


def covariance_eigenvalues(features: ArrayLike) -> Floats:
    """Eigenvalues of F'F / n for centred features, descending.

    Args:
        features: ``[sample, unit]``, finite, at least two samples.

    Returns:
        ``[min(sample, unit)]``, none below 0.
    """
    table = _table(features)
    return singular_values(table - table.mean(axis=0)) ** 2 / len(table)


def singular_values(features: ArrayLike) -> Floats:
    """Singular values of the features as they are, descending."""
    return np.asarray(np.linalg.svd(_table(features), compute_uv=False))


def rankme_eigenvalues(features: ArrayLike) -> float:
    """exp(-sum p ln p) with p the share of each covariance eigenvalue; 1..min(sample, unit)."""
    return _effective_rank(covariance_eigenvalues(features))


def rankme_singular(features: ArrayLike, *, centred: bool = False) -> float:
    """exp(-sum p ln p) with p the share of each singular value plus 1e-7.

    Args:
        features: ``[sample, unit]``.
        centred: Subtract the mean of each unit first; the original does not.
    """
    table = _table(features)
    return _effective_rank(
        singular_values(table - table.mean(axis=0) if centred else table), EPSILON
    )


def alpha_req(features: ArrayLike, first: int = 11, last: int = 200) -> float:
    """Exponent of s_i ~ i^-alpha: least squares of ln s on ln i over a window of ranks.

    Args:
        features: ``[sample, unit]``.
        first: First rank of the window, from 1.
        last: Last rank. The window is part of the figure: state it.

    Raises:
        DataError: Fewer ranks than the window asks for, or an eigenvalue of 0 in it.
    """
    values = covariance_eigenvalues(features)
    if not 1 <= first < last <= len(values):
        raise DataError(
            f"a window of ranks {first} to {last} of {len(values)} eigenvalues",
            where="first, last",
            hint="a narrower window, and say which",
        )
    window = values[first - 1 : last]
    if not (window > 1e-12 * values[0]).all():
        raise DataError(
            "an eigenvalue of the window is 0: the features have a smaller rank",
            where=f"ranks {first} to {last}",
            hint="a narrower window, and say which",
        )
    slope = np.polyfit(np.log(np.arange(first, last + 1)), np.log(window), 1)[0]
    return -float(slope)


def _effective_rank(values: Floats, epsilon: float = 0.0) -> float:
    total = float(values.sum())
    if total <= 0:
        raise DataError(
            "features without variance have no effective rank",
            where="features",
            hint="leave the head or layer out",
        )
    shares = values / total + epsilon
    kept = shares[shares > 0]
    return float(np.exp(-(kept * np.log(kept)).sum()))


def _table(features: ArrayLike) -> Floats:
    table = np.asarray(features, dtype=np.float64)
    if table.ndim != 2 or len(table) < 2 or not np.isfinite(table).all():
        raise DataError(
            "features must be finite, of two samples or more",
            where=f"shape {table.shape}",
            hint="give [sample, unit]",
        )
    return table
