"""How alike two RDMs are, with a weight per stimulus.

All comparators but Kendall's are a ratio of moments over pairs of stimuli. With weights w per
stimulus a pair (i, j) weighs w_i w_j and i != j, so that a resample of stimuli, whose weights are
its counts, never compares a stimulus with itself (Nili et al. 2014; Schuett et al. 2023). A moment
of many draws is then one matrix product: ``m[draw] = sum_ij w_i R_ij w_j``. Ranks are taken once,
over the full sample; at 92 stimuli the bootstrap distribution moves by less than a twentieth of its
standard deviation against ranking each resample anew.

The comparators are listed in :mod:`headbench.families.brain.prepared_rdms`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.prepared_rdms import (
    METHODS,
    WHITENED,
    Constant,
    Method,
    PreparedRdms,
    check_pair,
    prepare,
    refuse_headline,
)
from headbench.families.brain.rdm import LEAST_STIMULI, Floats
from headbench.families.brain.rdm_moments import CELLS, moments, tau, whitened
from headbench.families.brain.rdm_permutation import null_sd, permuted_similarity

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "METHODS",
    "Constant",
    "Method",
    "PreparedRdms",
    "null_sd",
    "permuted_similarity",
    "prepare",
    "prepared_similarity",
    "refuse_headline",
    "similarity",
    "weighted_similarity",
]


def similarity(
    models: ArrayLike,
    targets: ArrayLike,
    method: Method = "rho_a",
    *,
    constant: Constant = "refuse",
) -> Floats:
    """Every model RDM against every target RDM.

    Args:
        models: ``[model, pair]`` or one ``[pair]``: layers, heads, or theories.
        targets: ``[target, pair]`` or one ``[pair]``: subjects, or one group.
        method: The comparator.
        constant: For models, as in :func:`prepare`; a constant target is always refused.

    Returns:
        ``[model, target]``, -1..1.

    Raises:
        DataError: RDMs that cannot be compared.
    """
    left = prepare(models, method, "model RDM", constant=constant)
    return prepared_similarity(left, prepare(targets, method))


def prepared_similarity(models: PreparedRdms, targets: PreparedRdms) -> Floats:
    """:func:`similarity` of RDMs that are ranked already: ``[model, target]``."""
    check_pair(models, targets)
    if models.method == "tau_a":
        return np.asarray(weighted_similarity(models, targets, np.ones((1, models.stimuli)))[0])
    (left, left_diagonal), (right, right_diagonal) = models.unit, targets.unit
    return np.asarray(left @ right.T + left_diagonal @ right_diagonal.T)


def weighted_similarity(models: PreparedRdms, targets: PreparedRdms, weights: ArrayLike) -> Floats:
    """Every model RDM against every target RDM under weights per stimulus.

    Args:
        models: Of one comparator.
        targets: Of the same comparator and stimuli.
        weights: ``[draw, stimulus]``, not negative; counts of a bootstrap, 0 and 1 of a split.

    Returns:
        ``[draw, model, target]``; equal to :func:`prepared_similarity` where all weights are 1. NaN
        where fewer than three stimuli have weight, or one side does not vary over those drawn.

    Raises:
        DataError: Weights of another shape, negative or not finite.
    """
    check_pair(models, targets)
    table = _check_weights(weights, models.stimuli)
    found = np.empty((len(table), len(models), len(targets)))
    step = max(1, CELLS // models.stimuli)
    for start in range(0, len(table), step):
        chunk = table[start : start + step]
        if models.method == "tau_a":
            values = tau(models, targets, chunk)
        elif models.method in WHITENED:
            values = whitened(models, targets, chunk)
        else:
            values = moments(models, targets, chunk)
        values[(chunk > 0).sum(axis=1) < LEAST_STIMULI] = np.nan
        found[start : start + step] = values
    return found


def _check_weights(weights: ArrayLike, stimuli: int) -> Floats:
    table = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    if table.shape[1] != stimuli or not np.isfinite(table).all() or (table < 0).any():
        raise DataError(
            "weights must be [draw, stimulus], finite and not negative",
            where=f"weights of shape {table.shape} for {stimuli} stimuli",
            hint="give the counts of a resample",
        )
    return table
