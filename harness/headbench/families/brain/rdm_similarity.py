"""How alike two RDMs are, with a weight per stimulus.

All comparators but Kendall's are a ratio of moments over pairs of stimuli. With weights w per
stimulus a pair (i, j) weighs w_i w_j and i != j, so that a resample of stimuli, whose weights are
its counts, never compares a stimulus with itself (Nili et al. 2014; Schuett et al. 2023). A moment
of many draws is then one matrix product: ``m[draw] = sum_ij w_i R_ij w_j``. Ranks are taken once,
over the full sample; at 92 stimuli the bootstrap distribution moves by less than a twentieth of its
standard deviation against ranking each resample anew.

==============  =================================================================================
``pearson``     Pearson r of the dissimilarities
``spearman``    Pearson r of their average ranks
``rho_a``       Spearman without credit for ties: the expected value under random breaking of ties
                (Schuett et al. 2023); the choice where a model RDM has few distinct values
``tau_a``       Kendall's tau-a: ties count as neither concordant nor discordant (Nili et al. 2014)
``cosine``      Uncentred; only for RDMs with negative entries (crossnobis), see
                :func:`refuse_headline`
``cosine_cov``  Cosine after whitening by the covariance that pairs with a common stimulus share
                (Diedrichsen et al. 2021): the cosine of the doubly centred second moments
``corr_cov``    The same after subtracting the mean dissimilarity
==============  =================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from headbench.errors import ConfigError, DataError, RefusedError, nearest
from headbench.families.brain.kendall import weighted_tau_a
from headbench.families.brain.ranks import average_ranks, ranks_and_tie_variance
from headbench.families.brain.rdm import (
    LEAST_STIMULI,
    Floats,
    Integers,
    check_rdms,
    condense,
    square,
    stimulus_count,
    upper,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Method = Literal["spearman", "rho_a", "tau_a", "pearson", "cosine", "corr_cov", "cosine_cov"]
Constant = Literal["refuse", "nan"]
METHODS: tuple[str, ...] = get_args(Method)
RANKED = ("spearman", "rho_a")
WHITENED = ("corr_cov", "cosine_cov")
CELLS = 4_000_000
"""Most numbers held at once in a chunk of draws (32 MB)."""
BLOCK = 64
"""Rows gathered at once under a permutation: a block stays in the processor's cache."""
SINGLE_FROM = 400
"""Stimuli from which a permutation gathers in float32: half the traffic, error below 1e-6."""
FLAT = 1e-12
"""A weighted variance below this share of the unweighted one is zero up to rounding."""


@dataclass(frozen=True)
class PreparedRdms:
    """RDMs made ready for one comparator: ranked or centred once, whatever is resampled later.

    Attributes:
        method: The comparator.
        stimuli: How many.
        values: ``[rdm, pair]``: ranks or dissimilarities, scaled so that the plain variance (the
            plain mean square for ``cosine`` and the whitened ones) is 1; for ``tau_a`` as given.
        ties: ``[rdm, pair]``: for ``rho_a``, the variance that breaking ties at random would add
            to each value; ``None`` where there is none.
    """

    method: Method
    stimuli: int
    values: Floats
    ties: Floats | None = None

    def __len__(self) -> int:
        """How many RDMs."""
        return len(self.values)

    def pick(self, rdms: slice | Integers) -> PreparedRdms:
        """Some of the RDMs."""
        ties = None if self.ties is None else self.ties[rdms]
        return PreparedRdms(self.method, self.stimuli, self.values[rdms], ties)

    @cached_property
    def unit(self) -> tuple[Floats, Floats]:
        """Full matrices whose elementwise product sums to the similarity, unweighted.

        Returns:
            Off-diagonal part ``[rdm, pair]``, to be summed over i < j, and diagonal ``[rdm,
            stimulus]``.
        """
        if self.method in WHITENED:
            values = self.values
            if self.method == "corr_cov":
                values = values - values.mean(axis=1, keepdims=True)
            table = square(values)
            rows = table.mean(axis=1)  # [rdm, stimulus]
            centred = table - rows[:, :, None] - rows[:, None, :] + rows.mean(axis=1)[:, None, None]
            norm = np.sqrt(np.einsum("rij,rij->r", centred, centred))[:, None]
            diagonal = np.einsum("rii->ri", centred)
            return np.sqrt(2.0) * condense(centred) / norm, diagonal / norm
        # Centred and of mean square 1 already.
        return self.values / np.sqrt(self.values.shape[1]), np.zeros((len(self), self.stimuli))


def prepare(
    rdms: ArrayLike, method: Method = "rho_a", what: str = "RDM", *, constant: Constant = "refuse"
) -> PreparedRdms:
    """Rank or scale RDMs once.

    Args:
        rdms: ``[rdm, pair]`` or one ``[pair]``.
        method: The comparator.
        what: Names the RDMs in errors.
        constant: What to do with an RDM that does not vary, for which no comparator is defined:
            ``refuse`` it, or make all its similarities ``nan``, as a map over heads wants for a
            head that an intervention has silenced.

    Raises:
        ConfigError: No such comparator.
        DataError: RDMs that cannot be compared; a constant one, unless ``nan`` is asked for.
    """
    if method not in METHODS:
        raise ConfigError(
            f"no comparator {method!r}", where="method", hint=nearest(str(method), METHODS)
        )
    table = check_rdms(rdms, what).copy()
    flat = np.flatnonzero(np.ptp(table, axis=1) == 0)
    if len(flat) and constant == "refuse":
        raise DataError(
            f"{what} {flat[0]} is constant: its similarity to any other is undefined",
            where=f"{len(flat)} of {len(table)}",
            hint="leave it out: it holds no geometry; constant='nan' marks it instead",
        )
    stimuli = stimulus_count(table.shape[1])
    if method == "tau_a":
        table[flat] = np.nan
        return PreparedRdms(method, stimuli, table)
    ties: Floats | None = None
    if method == "rho_a":
        for at, row in enumerate(table):
            table[at], found = ranks_and_tie_variance(row)
            if found is not None:
                ties = np.zeros_like(table) if ties is None else ties
                ties[at] = found
    elif method in RANKED:
        for at, row in enumerate(table):
            table[at] = average_ranks(row)
    if method not in ("cosine", *WHITENED):
        table -= table.mean(axis=1, keepdims=True)
    table[flat] = np.nan  # only now: ranks would number them
    sizes = np.einsum("rp,rp->r", table, table)
    if ties is not None:
        sizes += ties.sum(axis=1)
    sizes = (sizes / table.shape[1])[:, None]
    table /= np.sqrt(sizes)
    if ties is not None:
        ties /= sizes
    return PreparedRdms(method, stimuli, table, ties)


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
    _check_pair(models, targets)
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
    _check_pair(models, targets)
    table = _check_weights(weights, models.stimuli)
    found = np.empty((len(table), len(models), len(targets)))
    step = max(1, CELLS // models.stimuli)
    for start in range(0, len(table), step):
        chunk = table[start : start + step]
        if models.method == "tau_a":
            values = _tau(models, targets, chunk)
        elif models.method in WHITENED:
            values = _whitened(models, targets, chunk)
        else:
            values = _moments(models, targets, chunk)
        values[(chunk > 0).sum(axis=1) < LEAST_STIMULI] = np.nan
        found[start : start + step] = values
    return found


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
    _check_pair(models, targets)
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
        return np.array([_tau(row, targets, ones)[0] for row in moved])
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
    _check_pair(models, targets)
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


def refuse_headline(method: Method, *rdms: ArrayLike) -> None:
    """Refuse the cosine as a headline where no RDM has a meaningful zero.

    Dissimilarities that are never negative share their mean, and unrelated ones score .99.

    Args:
        method: The comparator.
        rdms: The RDMs, ``[..., pair]``.

    Raises:
        RefusedError: ``cosine`` of RDMs without a negative entry.
    """
    if method == "cosine" and all(np.min(np.asarray(one)) >= 0 for one in rdms):
        raise RefusedError(
            "the cosine of uncentred RDMs says nothing: unrelated ones score about .99",
            where="method=cosine, no dissimilarity below 0",
            hint="use rho_a, spearman, pearson or corr_cov; cosine suits crossnobis RDMs",
        )


def _check_pair(models: PreparedRdms, targets: PreparedRdms) -> None:
    if models.method != targets.method:
        raise DataError(
            "two RDMs were prepared for different comparators",
            where=f"{models.method} and {targets.method}",
            hint="prepare both with the same method",
        )
    if models.stimuli != targets.stimuli:
        raise DataError(
            "two RDMs are of different stimuli",
            where=f"{models.stimuli} and {targets.stimuli} stimuli",
            hint="keep the stimuli that both sides share, in one order",
        )


def _check_weights(weights: ArrayLike, stimuli: int) -> Floats:
    table = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    if table.shape[1] != stimuli or not np.isfinite(table).all() or (table < 0).any():
        raise DataError(
            "weights must be [draw, stimulus], finite and not negative",
            where=f"weights of shape {table.shape} for {stimuli} stimuli",
            hint="give the counts of a resample",
        )
    return table


def _pair_sums(condensed: Floats, weights: Floats) -> Floats:
    """Sum of w_i w_j R_ij over ordered pairs i != j: ``[draw]``."""
    return _sums(upper(condensed), weights)


def _sums(table: Floats, weights: Floats) -> Floats:
    """As :func:`_pair_sums`, of what stands above the diagonal of the full matrix."""
    return np.asarray(2.0 * np.einsum("dn,dn->d", weights @ table, weights))


def _moments(models: PreparedRdms, targets: PreparedRdms, weights: Floats) -> Floats:
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


def _whitened(models: PreparedRdms, targets: PreparedRdms, weights: Floats) -> Floats:
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


def _tau(models: PreparedRdms, targets: PreparedRdms, weights: Floats) -> Floats:
    rows, columns = np.triu_indices(models.stimuli, 1)
    step = max(1, CELLS // len(rows))
    found = np.empty((len(weights), len(models), len(targets)))
    for start in range(0, len(weights), step):
        chunk = weights[start : start + step]
        pairs = chunk[:, rows] * chunk[:, columns]
        for m, model in enumerate(models.values):
            for t, target in enumerate(targets.values):
                known = not np.isnan(model).any() and not np.isnan(target).any()
                tau = weighted_tau_a(model, target, pairs) if known else np.nan
                found[start : start + step, m, t] = tau
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
