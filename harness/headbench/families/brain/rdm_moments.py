"""Similarities under a weight per stimulus, as moments over pairs of stimuli.

A pair (i, j) weighs w_i w_j, and i != j. A moment of many draws is one matrix product:
``m[draw] = sum_ij w_i R_ij w_j``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headbench.families.brain.kendall import weighted_tau_a
from headbench.families.brain.prepared_rdms import PreparedRdms
from headbench.families.brain.rdm import Floats, square, upper

CELLS = 4_000_000
"""Most numbers held at once in a chunk of draws (32 MB)."""
FLAT = 1e-12
"""A weighted variance below this share of the unweighted one is zero up to rounding."""


def _pair_sums(condensed: Floats, weights: Floats) -> Floats:
    """Sum of w_i w_j R_ij over ordered pairs i != j: ``[draw]``."""
    return _sums(upper(condensed), weights)


def _sums(table: Floats, weights: Floats) -> Floats:
    """As :func:`_pair_sums`, of what stands above the diagonal of the full matrix."""
    return np.asarray(2.0 * np.einsum("dn,dn->d", weights @ table, weights))


def moments(models: PreparedRdms, targets: PreparedRdms, weights: Floats) -> Floats:
    """Weighted correlation (cosine: without the means): ``[draw, model, target]``."""
    total = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        right = [_Moments.of(targets, t, weights, total) for t in range(len(targets))]
        found = np.empty((len(weights), len(models), len(targets)))
        for m in range(len(models)):
            left = _Moments.of(models, m, weights, total)
            for t, other in enumerate(right):
                # Matrices are multiplied: making one of a condensed RDM costs more than a product.
                cross = _sums(left.table * other.table, weights) / total
                found[:, m, t] = (cross - left.mean * other.mean) / (left.size * other.size)
    return found


@dataclass(frozen=True)
class _Moments:
    """One RDM under weights.

    Attributes:
        table: ``[stimulus, stimulus]``, zero on and below the diagonal.
        mean: Weighted mean, ``[draw]``.
        size: Weighted standard deviation, ``[draw]``; NaN where it does not vary.
    """

    table: Floats
    mean: Floats
    size: Floats

    @classmethod
    def of(cls, side: PreparedRdms, at: int, weights: Floats, total: Floats) -> _Moments:
        """The moments of one RDM of a side."""
        table = upper(side.values[at])
        mean = np.zeros(len(weights))
        if side.method != "cosine":
            mean = _sums(table, weights) / total
        squares = table**2
        if side.ties is not None:
            squares += upper(side.ties[at])
        variance = _sums(squares, weights) / total - mean**2
        return cls(table, mean, np.sqrt(np.where(variance > FLAT, variance, np.nan)))


def whitened(models: PreparedRdms, targets: PreparedRdms, weights: Floats) -> Floats:
    """Cosine of what an additive row and column term leaves of each RDM: ``[draw, model, target]``.

    With weights of 1 the residual is the doubly centred matrix. With counts, the rows and columns
    of a stimulus's copies are equal, entries between copies are missing, and each copy keeps its
    own diagonal entry 0: for G = RDM - mean, row terms u solve, for every i with weight,

        sum_{j != i} w_j (G_ij - u_i - u_j) + (0 - 2 u_i) = 0,

    that is (D + 1 w') u = r with D_i = sum(w) - 2 w_i + 2 and r_i = sum_{j != i} w_j G_ij: rank one
    plus diagonal, solved in closed form. The residual is orthogonal to additive terms, therefore
    <residual G, residual H> = sum_{i != j} w_i w_j G_ij H_ij - 2 sum_i w_i u_i r^H_i.
    """
    weight = weights.sum(axis=1)
    total = weight**2 - (weights**2).sum(axis=1)
    others = weight[:, None] - weights  # [draw, stimulus]: weight of all other stimuli
    scale = others - weights + 2.0  # D
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(scale > 0, 1.0 / scale, np.nan)

        def side(rdms: PreparedRdms) -> list[tuple[Floats, Floats, Floats]]:
            """Mean [draw], row sums r and row terms u [draw, stimulus] of each RDM."""
            found = []
            for values in rdms.values:
                rows = weights @ square(values)
                mean = np.zeros(len(weights))
                if rdms.method == "corr_cov":
                    mean = np.einsum("dn,dn->d", rows, weights) / total
                    rows = rows - mean[:, None] * others
                solved = inverse * rows
                shared = np.einsum("dn,dn->d", weights, solved)
                shared /= 1.0 + np.einsum("dn,dn->d", weights, inverse)
                found.append((mean, rows, solved - inverse * shared[:, None]))
            return found

        def inner(
            product: Floats,
            one: tuple[Floats, Floats, Floats],
            two: tuple[Floats, Floats, Floats],
        ) -> Floats:
            cross = _pair_sums(product, weights) - total * one[0] * two[0]
            return np.asarray(cross - 2.0 * np.einsum("dn,dn,dn->d", weights, one[2], two[1]))

        left, right = side(models), side(targets)
        left_size = [
            inner(values**2, one, one) for values, one in zip(models.values, left, strict=True)
        ]
        right_size = [
            inner(values**2, one, one) for values, one in zip(targets.values, right, strict=True)
        ]
        found = np.empty((len(weights), len(models), len(targets)))
        for m, model in enumerate(models.values):
            for t, target in enumerate(targets.values):
                size = left_size[m] * right_size[t]
                size = np.where(size > (FLAT * total) ** 2, size, np.nan)
                found[:, m, t] = inner(model * target, left[m], right[t]) / np.sqrt(size)
    return found


def tau(models: PreparedRdms, targets: PreparedRdms, weights: Floats) -> Floats:
    """Weighted Kendall tau-a: ``[draw, model, target]``."""
    rows, columns = np.triu_indices(models.stimuli, 1)
    step = max(1, CELLS // len(rows))
    found = np.empty((len(weights), len(models), len(targets)))
    for start in range(0, len(weights), step):
        chunk = weights[start : start + step]
        pairs = chunk[:, rows] * chunk[:, columns]
        for m, model in enumerate(models.values):
            for t, target in enumerate(targets.values):
                known = not np.isnan(model).any() and not np.isnan(target).any()
                value = weighted_tau_a(model, target, pairs) if known else np.nan
                found[start : start + step, m, t] = value
    return found
