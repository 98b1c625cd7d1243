"""Representational dissimilarity matrices (RDMs) of feature vectors.

An RDM holds one dissimilarity per pair of stimuli (Kriegeskorte, Mur and Bandettini 2008). It is
kept *condensed*: the upper triangle row by row, without the diagonal, ``n (n - 1) / 2`` values for
``n`` stimuli. That is the order of ``scipy.spatial.distance.squareform`` and of rsatoolbox.

One layer or head is turned into its RDM at a time, so that peak memory does not grow with their
number. Sums run in float64 whatever the dtype of the features.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headbench.errors import ConfigError, DataError, nearest

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Booleans: TypeAlias = NDArray[np.bool_]
Kind = Literal["correlation", "cosine", "euclidean", "squared_euclidean"]
KINDS: tuple[str, ...] = get_args(Kind)
LEAST_STIMULI = 3
"""Fewer stimuli give at most one pair: there is nothing to correlate."""
ROUNDING = 1e-13
"""A dissimilarity below this share of the vectors' sizes is rounding: equal patterns have 0. Ranks
would make a geometry of it."""
FLAT = 1e-7
"""A row whose spread is below this share of its size is constant: float32 resolves no less."""


def condensed_length(stimuli: int) -> int:
    """Pairs of ``stimuli`` stimuli."""
    return stimuli * (stimuli - 1) // 2


def stimulus_count(pairs: int) -> int:
    """Stimuli of an RDM with ``pairs`` values.

    Raises:
        DataError: No whole number of stimuli has so many pairs.
    """
    stimuli = (1 + math.isqrt(1 + 8 * pairs)) // 2
    if pairs < 1 or condensed_length(stimuli) != pairs:
        raise DataError(
            f"{pairs} values are no condensed RDM",
            where="length of an RDM",
            hint="an RDM of n stimuli has n (n - 1) / 2 values: the strict upper triangle",
        )
    return stimuli


def condense(matrix: ArrayLike) -> Floats:
    """The strict upper triangle, row by row.

    Args:
        matrix: ``[..., stimulus, stimulus]``; only what lies above the diagonal is read.

    Returns:
        ``[..., pair]``.
    """
    table = np.asarray(matrix, dtype=np.float64)
    stimuli = table.shape[-1]
    # Slices are copied as runs of memory: five times faster than 2 x n(n-1)/2 indices.
    rows = [table[..., row, row + 1 :] for row in range(stimuli - 1)]
    return np.concatenate(rows, axis=-1) if rows else np.empty((*table.shape[:-2], 0))


def square(condensed: ArrayLike) -> Floats:
    """The symmetric matrix of a condensed RDM, with zeros on its diagonal.

    Args:
        condensed: ``[..., pair]``.

    Returns:
        ``[..., stimulus, stimulus]``.
    """
    table = upper(condensed)
    return table + np.swapaxes(table, -1, -2)


def upper(condensed: ArrayLike) -> Floats:
    """The matrix of a condensed RDM with zeros on and below its diagonal.

    Sums over pairs need no more, and mirroring costs as much as filling.

    Args:
        condensed: ``[..., pair]``.

    Returns:
        ``[..., stimulus, stimulus]``.
    """
    values = np.asarray(condensed, dtype=np.float64)
    stimuli = stimulus_count(values.shape[-1])
    table = np.zeros((*values.shape[:-1], stimuli, stimuli))
    start = 0
    for row in range(stimuli - 1):
        stop = start + stimuli - 1 - row
        table[..., row, row + 1 :] = values[..., start:stop]
        start = stop
    return table


def subset(condensed: ArrayLike, stimuli: ArrayLike) -> Floats:
    """The RDM of some of the stimuli, in the order given.

    Args:
        condensed: ``[..., pair]``.
        stimuli: Indices of different stimuli.

    Returns:
        ``[..., pair]`` of the chosen stimuli.

    Raises:
        DataError: A stimulus is named twice: its pair with itself has no dissimilarity.
    """
    chosen = np.asarray(stimuli, dtype=np.int64)
    if len(np.unique(chosen)) != len(chosen):
        raise DataError(
            "a subset of an RDM names a stimulus twice",
            where="stimuli",
            hint="give resampling as weights (weighted_similarity), which leaves such pairs out",
        )
    table = square(condensed)
    return condense(table[..., chosen[:, None], chosen[None, :]])


def constant_rows(features: ArrayLike) -> Booleans:
    """Which stimuli have the same value in every unit: their correlation with others is undefined.

    Args:
        features: ``[stimulus, unit]``.

    Returns:
        ``[stimulus]``. A head that an intervention sets to zero gives true everywhere.
    """
    table = _features(features)
    spread = np.linalg.norm(table - table.mean(axis=1, keepdims=True), axis=1)
    return np.asarray(spread <= FLAT * np.linalg.norm(table, axis=1), dtype=np.bool_)


def rdm(features: ArrayLike, kind: Kind = "correlation") -> Floats:
    """Dissimilarity of every pair of stimuli.

    Args:
        features: ``[stimulus, unit]``, finite.
        kind: ``correlation``: 1 - Pearson r over units, 0..2. ``cosine``: 1 - cosine, 0..2.
            ``euclidean`` and ``squared_euclidean``: in units of the features, not divided by the
            number of units (rsatoolbox divides its ``euclidean`` by it).

    Returns:
        ``[pair]``, none below 0.

    Raises:
        DataError: Fewer than three stimuli, a value that is not finite, or a row for which the
            dissimilarity is undefined (constant for ``correlation``, zero for ``cosine``).
        ConfigError: No such kind.
    """
    table = _features(features)
    if kind == "correlation":
        table = table - table.mean(axis=1, keepdims=True)
        _refuse_rows(constant_rows(features), "constant", kind)
    elif kind == "cosine":
        _refuse_rows((table == 0).all(axis=1), "zero", kind)
    elif kind not in KINDS:
        raise ConfigError(f"no RDM of kind {kind!r}", where="kind", hint=nearest(str(kind), KINDS))
    if kind in ("correlation", "cosine"):
        table = table / np.linalg.norm(table, axis=1, keepdims=True)
        return _at_least(1.0 - condense(table @ table.T), ROUNDING)
    # |a|^2 + |b|^2 - 2ab cancels badly far from the origin; distances do not see the shift.
    table = table - table.mean(axis=0)
    sizes = np.einsum("su,su->s", table, table)
    both = condense(sizes[:, None] + sizes[None, :])
    squares = _at_least(both - 2.0 * condense(table @ table.T), ROUNDING * both)
    return squares if kind == "squared_euclidean" else np.sqrt(squares)


def crossnobis(patterns: ArrayLike, noise_precision: ArrayLike | None = None) -> Floats:
    """Cross-validated squared Mahalanobis distance (Walther et al. 2016, eq. 6), per unit.

    The difference of two stimuli in one repeat times their difference in the others: noise that
    repeats do not share averages out, so a true distance of 0 is estimated as 0 on average and
    single values may be negative.

    Args:
        patterns: ``[repeat, stimulus, unit]``: at least two repeats of every stimulus.
        noise_precision: ``[unit, unit]``, inverse of the noise covariance; ``None``: the identity,
            which gives the cross-validated squared Euclidean distance.

    Returns:
        ``[pair]``, divided by the number of units; each repeat against the mean of the others, then
        averaged.

    Raises:
        DataError: Fewer than two repeats or three stimuli, or a value that is not finite.
    """
    table = np.asarray(patterns, dtype=np.float64)
    if table.ndim != 3 or table.shape[0] < 2:
        raise DataError(
            "crossnobis needs repeats of every stimulus",
            where=f"patterns of shape {table.shape}, not [repeat >= 2, stimulus, unit]",
            hint="without repeats use kind=correlation or squared_euclidean",
        )
    for repeat in table:
        _features(repeat)
    repeats, _, units = table.shape
    total = table.sum(axis=0)
    found = np.zeros(condensed_length(table.shape[1]))
    for repeat in table:
        others = (total - repeat) / (repeats - 1)
        left = repeat if noise_precision is None else repeat @ np.asarray(noise_precision)
        kernel = left @ others.T  # [stimulus, stimulus]
        own = np.diag(kernel)
        found += condense(own[:, None] + own[None, :] - kernel - kernel.T)
    return np.asarray(found / (repeats * units))


def check_rdms(rdms: ArrayLike, what: str = "RDM") -> Floats:
    """Condensed RDMs as a table, refused where they cannot be compared.

    Args:
        rdms: ``[rdm, pair]`` or one ``[pair]``.
        what: Names them in errors.

    Returns:
        ``[rdm, pair]``.

    Raises:
        DataError: A wrong length, fewer than three stimuli, or a value that is not finite.
    """
    table = np.atleast_2d(np.asarray(rdms, dtype=np.float64))
    if table.ndim != 2 or not len(table):
        raise DataError(f"{what}s of shape {table.shape}", where="shape", hint="give [rdm, pair]")
    _refuse_few(stimulus_count(table.shape[1]))
    bad = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if len(bad):
        raise DataError(
            f"{what} {bad[0]} holds a value that is not finite",
            where=f"{len(bad)} of {len(table)}",
            hint="leave out the stimuli whose patterns are missing",
        )
    return table


def _at_least(values: Floats, least: float | Floats) -> Floats:
    """Zero instead of values below the least one that means anything."""
    return np.where(values > least, values, 0.0)


def _features(features: ArrayLike) -> Floats:
    table = np.asarray(features, dtype=np.float64)
    if table.ndim != 2 or not table.shape[1]:
        raise DataError(
            f"features of shape {table.shape}", where="shape", hint="give [stimulus, unit]"
        )
    _refuse_few(table.shape[0])
    bad = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if len(bad):
        raise DataError(
            "a feature is not finite",
            where=f"stimulus {bad[0]}, and {len(bad) - 1} more of {len(table)}",
            hint="drop the stimulus, or find out why its vector is missing",
        )
    return table


def _refuse_few(stimuli: int) -> None:
    if stimuli < LEAST_STIMULI:
        raise DataError(
            f"an RDM of {stimuli} stimuli cannot be compared",
            where=f"{stimuli} stimuli, at least {LEAST_STIMULI}",
            hint="give more stimuli",
        )


def _refuse_rows(wrong: Booleans, word: str, kind: str) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        raise DataError(
            f"the {kind} dissimilarity of a {word} vector is undefined",
            where=f"stimulus {rows[0]}, and {len(rows) - 1} more of {len(wrong)}",
            hint="use kind=euclidean, or leave the layer or head out (constant_rows finds it)",
        )
