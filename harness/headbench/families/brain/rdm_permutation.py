"""Similarities with one side relabelled: the null of r = 0, drawn and in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.prepared_rdms import RANKED, PreparedRdms, check_pair
from headbench.families.brain.rdm import Floats, Integers, condense, square, upper
from headbench.families.brain.rdm_moments import tau

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

BLOCK = 64
"""Rows gathered at once under a permutation: a block stays in the processor's cache."""
SINGLE_FROM = 400
"""Stimuli from which a permutation gathers in float32: half the traffic, error below 1e-6."""


def permuted_similarity(
    models: PreparedRdms, targets: PreparedRdms, permutations: ArrayLike
) -> Floats:
    """Every model RDM, its stimuli relabelled, against every target RDM: the null of r = 0.

    Only the cross moment changes under a permutation: ranks, means and norms do not.

    Args:
        models: Of one comparator.
        targets: Of the same comparator and stimuli.
        permutations: ``[draw, stimulus]``: at place i stands the model's stimulus
            ``permutations[draw, i]``.

    Returns:
        ``[draw, model, target]``.
    """
    check_pair(models, targets)
    orders = np.atleast_2d(np.asarray(permutations, dtype=np.int64))
    if (
        orders.shape[1] != models.stimuli
        or (np.sort(orders, axis=1) != np.arange(models.stimuli)).any()
    ):
        raise DataError(
            "not a permutation of the stimuli",
            where=f"permutations of shape {orders.shape} for {models.stimuli} stimuli",
            hint="each row holds every index once",
        )
    if models.method == "tau_a":
        whole = square(models.values)
        ones = np.ones((1, models.stimuli))
        rows = (condense(whole[:, order[:, None], order[None, :]]) for order in orders)
        moved = (PreparedRdms("tau_a", models.stimuli, row) for row in rows)
        return np.array([tau(row, targets, ones)[0] for row in moved])
    if len(models) <= len(targets):
        return _gathered(models, targets, orders)
    backwards = np.argsort(orders, axis=1)  # moving the other side back is the same comparison
    return np.swapaxes(_gathered(targets, models, backwards), 1, 2)


def null_sd(models: PreparedRdms, targets: PreparedRdms) -> Floats:
    """Standard deviation of the similarity, averaged over targets, when stimuli are relabelled.

    In closed form (Mantel 1967): with A and B centred and of unit size, T the sum of squares over
    ordered pairs, R the sum of squared row sums, and n stimuli::

        var = 2 Ta Tb / n(n-1) + 4 (Ra - Ta)(Rb - Tb) / n(n-1)(n-2)
              + (2 Ta - 4 Ra)(2 Tb - 4 Rb) / n(n-1)(n-2)(n-3)

    The mean of the null is 0. Of ``tau_a``, ``cosine`` and the whitened comparators: NaN.

    Args:
        models: Of one comparator.
        targets: Of the same comparator and stimuli, at least four.

    Returns:
        ``[model]``.
    """
    check_pair(models, targets)
    if models.method not in ("pearson", *RANKED):
        return np.full(len(models), np.nan)
    n = models.stimuli
    pairs = n * (n - 1)
    target = targets.unit[0].mean(axis=0)  # [pair]: averaging similarities averages unit targets

    def sums(values: Floats) -> tuple[float, float]:
        table = upper(values)
        rows = table.sum(axis=1) + table.sum(axis=0)
        return 2 * float(values @ values), float(rows @ rows)

    other, other_rows = sums(target)
    found = np.empty(len(models))
    for at, values in enumerate(models.unit[0]):
        own, own_rows = sums(values)
        variance = (
            2 * own * other / pairs
            + 4 * (own_rows - own) * (other_rows - other) / (pairs * (n - 2))
            + (2 * own - 4 * own_rows) * (2 * other - 4 * other_rows) / (pairs * (n - 2) * (n - 3))
        )
        # The sum over ordered pairs counts each pair twice.
        found[at] = np.sqrt(variance) / 2
    return found


def _gathered(moved: PreparedRdms, fixed: PreparedRdms, orders: Integers) -> Floats:
    """Cross moments with one side's stimuli permuted: ``[draw, moved, fixed]``."""
    stimuli = moved.stimuli
    kind = np.float32 if stimuli >= SINGLE_FROM else np.float64
    starts = range(0, stimuli, BLOCK)
    (_, moved_diagonal), (triangle, fixed_diagonal) = moved.unit, fixed.unit
    # Rows [start, start + BLOCK) from column start on, zero on and below the diagonal: each pair
    # once, and half of the gathering saved. [fixed, rows * columns] per block.
    table = upper(triangle).astype(kind)
    blocks = [
        np.ascontiguousarray(table[:, start : start + BLOCK, start:]).reshape(len(fixed), -1)
        for start in starts
    ]
    found = np.empty((len(orders), len(moved), len(fixed)))
    for m, values in enumerate(moved.unit[0]):
        whole = square(values).astype(kind)
        for draw, order in enumerate(orders):
            found[draw, m] = fixed_diagonal @ moved_diagonal[m, order]
            for start, block in zip(starts, blocks, strict=True):
                rows = np.take(whole, order[start : start + BLOCK], axis=0)
                part = np.take(rows, order[start:], axis=1, mode="clip")
                found[draw, m] += block @ part.reshape(-1)
    return found
