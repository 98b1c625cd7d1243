"""Tests over subjects: is a group's median 0? (arXiv 2604.03480, released code)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

FLIPS = 10_000
LEAST = 5
"""Subjects below which no test can reach .05: five signs give .0625."""


def sign_flip_p(values: ArrayLike, *, flips: int = FLIPS, seed: int = 0) -> float:
    """Two-sided p of a median of 0: signs of whole subjects are flipped at random.

    Args:
        values: ``[subject]``, e.g. normalised scores; NaN is left out.
        flips: Random flips.
        seed: Of the flips.

    Returns:
        (1 + as extreme) / (1 + flips); NaN below :data:`LEAST` subjects.
    """
    known = _known(values)
    if len(known) < LEAST:
        return math.nan
    random = np.random.default_rng(seed)
    signs = random.choice((-1.0, 1.0), size=(flips, len(known)))
    drawn = np.abs(np.median(signs * known, axis=1))
    return float((1 + (drawn >= abs(np.median(known)) - 1e-12).sum()) / (1 + flips))


def sign_p(values: ArrayLike) -> float:
    """Two-sided exact sign test; zeros and NaN are left out; NaN below :data:`LEAST` subjects."""
    from scipy.special import bdtr

    known = _known(values)
    known = known[known != 0]
    if len(known) < LEAST:
        return math.nan
    fewer = min(int((known > 0).sum()), int((known < 0).sum()))
    return float(min(1.0, 2 * bdtr(fewer, len(known), 0.5)))


def _known(values: ArrayLike) -> np.ndarray:
    table = np.asarray(values, dtype=np.float64)
    return table[np.isfinite(table)]
