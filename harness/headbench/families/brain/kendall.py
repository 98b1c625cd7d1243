"""Kendall's tau-a with a weight per observation, without a loop over pairs of observations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headbench.families.brain.rdm import Floats, Integers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

CELLS = 4_000_000
"""Most numbers held at once in a chunk of draws (32 MB)."""


def weighted_tau_a(x: ArrayLike, y: ArrayLike, weights: ArrayLike) -> Floats:
    """Concordant less discordant pairs over all pairs; ties count as neither.

    A pair of observations p < q weighs w_p w_q, so that whole numbers count repeats of an
    observation whose pairs with itself are left out.

    Discordant pairs are the weighted inversions of y after sorting by x (Knight 1966). They are
    counted bit by bit of the position: at each bit, elements of the right half of a block that come
    before an element of the left half in the order of y. One running sum per bit serves all blocks
    and all draws: O(n log n) per draw.

    Args:
        x: ``[observation]``.
        y: ``[observation]``.
        weights: ``[draw, observation]``, not negative.

    Returns:
        ``[draw]``, -1..1; NaN where fewer than two observations have weight.
    """
    left, right = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    table = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    by_x = np.lexsort((right, left))  # ties in x stand in the order of y: no inversion among them
    x_groups, y_groups, both = _groups(left[by_x]), *_tied(left, right, by_x)
    levels = _levels(np.argsort(right[by_x], kind="stable"))
    step = max(1, CELLS // len(left))
    found = np.empty(len(table))
    for start in range(0, len(table), step):
        chunk = table[start : start + step, by_x]  # [draw, observation], sorted by x
        in_y = chunk[:, y_groups[0]]
        total = _pairs(chunk.sum(axis=1), (chunk**2).sum(axis=1))
        tied = _tie_sum(chunk, x_groups) + _tie_sum(in_y, y_groups[1]) - _tie_sum(chunk, both)
        discordant = sum(_inversions(chunk, *level) for level in levels)
        with np.errstate(divide="ignore", invalid="ignore"):
            found[start : start + step] = (total - tied - 2.0 * discordant) / total
    return np.where(np.isfinite(found), found, np.nan)


def _pairs(total: Floats, squares: Floats) -> Floats:
    """Sum of w_p w_q over p < q."""
    return (total**2 - squares) / 2.0


def _groups(ordered: Floats) -> Integers:
    """Where each run of equal values starts."""
    first = np.append(True, ordered[1:] != ordered[:-1])
    return np.flatnonzero(first)


def _tied(x: Floats, y: Floats, by_x: Integers) -> tuple[tuple[Integers, Integers], Integers]:
    """The order of y with its runs of ties, and the runs tied in both, in the order of x."""
    by_y = np.argsort(y[by_x], kind="stable")
    runs = _groups(y[by_x][by_y])
    same = np.append(True, (x[by_x][1:] != x[by_x][:-1]) | (y[by_x][1:] != y[by_x][:-1]))
    return (by_y, runs), np.flatnonzero(same)


def _tie_sum(weights: Floats, starts: Integers) -> Floats:
    """Sum of w_p w_q over pairs within runs."""
    if len(starts) == weights.shape[1]:
        return np.zeros(len(weights))
    sums = np.add.reduceat(weights, starts, axis=1)
    squares = np.add.reduceat(weights**2, starts, axis=1)
    return np.asarray(_pairs(sums, squares).sum(axis=1))


def _levels(order: Integers) -> list[tuple[Integers, Integers, Integers]]:
    """For each bit of the position: elements by (block, y), which are left, and block starts.

    Args:
        order: Positions (in the order of x), sorted by y.
    """
    count = len(order)
    found = []
    for bit in reversed(range(max(1, (count - 1).bit_length()))):
        blocks = order >> (bit + 1)
        found.append((order, np.asarray((order >> bit) & 1), np.searchsorted(blocks, blocks)))
        order = order[np.argsort(order >> bit, kind="stable")]
    return found


def _inversions(
    weights: Floats, sequence: Integers, is_right: Integers, block_start: Integers
) -> Floats:
    """Weighted pairs (left, right) of a block with the right one first in y: ``[draw]``."""
    ordered = weights[:, sequence]
    right = ordered * is_right
    before = np.cumsum(right, axis=1) - right  # exclusive: right ones ahead, over all blocks
    before -= before[:, block_start]
    return np.asarray(np.einsum("dn,dn->d", ordered - right, before))
