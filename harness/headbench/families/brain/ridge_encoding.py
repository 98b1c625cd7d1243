"""Encoding models: ridge regression from model features to responses, scored on held-out groups.

Responses (voxels, electrodes, ratings) are predicted from features on folds that keep groups
(passages, stories, runs) whole. Shuffled folds put neighbours of a test sentence into training;
then a feature that knows nothing but the place in the passage beats language models (arXiv
2406.01538). They are refused unless asked for by name, and a nuisance row belongs next to every
score (:mod:`headbench.families.brain.nuisance_features`).

    beta = argmin |Y - X beta|^2 + alpha |beta|^2   (closed form, one SVD per training set)

The penalty alpha is chosen per target by inner grouped folds of the training part alone. *Banded*
ridge (Dupre la Tour et al. 2022) scales each band of features by the square root of its share of
the penalty's budget and chooses the shares per target too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from headbench.errors import ConfigError, DataError, RefusedError, nearest
from headbench.families.brain.held_out_selection import Split, folds
from headbench.families.brain.rdm import Floats, Integers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

FoldKind = Literal["grouped", "shuffled", "shuffled_within_groups"]
FOLD_KINDS: tuple[str, ...] = get_args(FoldKind)
ALPHAS = tuple(10.0**power for power in range(-2, 7))
"""Penalties tried, for features of unit variance."""
ROUNDING = 1e-10
"""A prediction that varies by less than this share of the responses' spread does not vary."""


@dataclass(frozen=True)
class Encoding:
    """Held-out fit of features to responses.

    Attributes:
        scores: ``[target]``, Pearson r of prediction and response in each test fold, averaged over
            folds; not clipped; NaN where a target or its prediction does not vary in a fold.
        by_fold: ``[fold, target]``.
        alphas: ``[fold, target]``, the penalties chosen.
        shares: ``[fold, target, band]``, the bands' shares; 1 for a single band.
    """

    scores: Floats
    by_fold: Floats
    alphas: Floats
    shares: Floats


def response_folds(
    groups: ArrayLike, count: int = 5, *, kind: FoldKind = "grouped", seed: int = 0
) -> list[Split]:
    """Folds of stimuli for an encoding model.

    Args:
        groups: ``[stimulus]``, passage, story or run of each; all different where there is none.
        count: Folds.
        kind: ``grouped`` keeps groups whole. ``shuffled`` ignores them and is refused where a
            group has several stimuli. ``shuffled_within_groups`` is the same by its full name, for
            reproducing papers that did so.
        seed: Of the folds.

    Raises:
        RefusedError: ``shuffled`` over groups of several stimuli.
        ConfigError: No such kind.
    """
    labels = np.asarray(groups)
    if kind not in FOLD_KINDS:
        raise ConfigError(f"no folds {kind!r}", where="kind", hint=nearest(str(kind), FOLD_KINDS))
    if kind == "grouped":
        return folds(labels, count, seed)
    different = len(np.unique(labels))
    if kind == "shuffled" and different < len(labels):
        raise RefusedError(
            "shuffled folds split passages between training and test: neighbours leak",
            where=f"{len(labels)} stimuli in {different} groups",
            hint="use kind=grouped; kind=shuffled_within_groups does it all the same",
        )
    return folds(np.arange(len(labels)), count, seed)


def encode(
    features: ArrayLike | Sequence[ArrayLike],
    responses: ArrayLike,
    splits: Sequence[Split],
    groups: ArrayLike,
    *,
    alphas: Sequence[float] = ALPHAS,
    inner: int = 4,
    shares: ArrayLike | None = None,
    seed: int = 0,
) -> Encoding:
    """Ridge with a penalty per target, chosen within the training part, scored on the test part.

    Features are brought to mean 0 and variance 1, and responses to mean 0, by the training part.

    Args:
        features: ``[stimulus, unit]``, or several such bands for banded ridge.
        responses: ``[stimulus, target]``.
        splits: From :func:`response_folds`: train on ``choose``, test on ``score``.
        groups: ``[stimulus]``, kept whole by inner folds where a training part has at least two.
        alphas: Penalties to choose from, all above 0.
        inner: Inner folds.
        shares: ``[candidate, band]``, shares of the budget to choose from, each row summing to 1;
            ``None``: each band alone, all alike, and 20 Dirichlet draws. One band needs none.
        seed: Of inner folds and Dirichlet draws.

    Raises:
        DataError: Shapes that do not fit, values that are not finite, a part without stimuli.
    """
    found = held_out_predictions(
        features, responses, splits, groups, alphas=alphas, inner=inner, shares=shares, seed=seed
    )
    table = np.asarray(responses, dtype=np.float64)
    by_fold = np.array(
        [
            column_pearson(predicted, table[split.score])
            for predicted, split in zip(found.by_fold, splits, strict=True)
        ]
    )
    return Encoding(by_fold.mean(axis=0), by_fold, found.alphas, found.shares)


@dataclass(frozen=True)
class Predictions:
    """What models fitted on the other folds say of each fold.

    Attributes:
        by_fold: One ``[stimulus of the fold, target]`` per fold.
        alphas: ``[fold, target]``, the penalties chosen.
        shares: ``[fold, target, band]``, the bands' shares.
    """

    by_fold: tuple[Floats, ...]
    alphas: Floats
    shares: Floats


def held_out_predictions(
    features: ArrayLike | Sequence[ArrayLike],
    responses: ArrayLike,
    splits: Sequence[Split],
    groups: ArrayLike,
    *,
    alphas: Sequence[float] = ALPHAS,
    inner: int = 4,
    shares: ArrayLike | None = None,
    seed: int = 0,
) -> Predictions:
    """Predictions of each test part; arguments and errors as :func:`encode`."""
    bands, table = _checked(features, responses)
    labels = np.asarray(groups)
    budget = _shares(len(bands), shares, seed)
    penalties = np.asarray(alphas, dtype=np.float64)
    if not len(penalties) or not (penalties > 0).all():
        raise ConfigError("penalties must be above 0", where="alphas", hint="e.g. 0.1, 1, 10")
    found, chosen, parts = [], [], []
    for split in splits:
        inside = _inner_folds(labels[split.choose], inner, seed)
        fit = _choose(bands, table, split.choose, inside, penalties, budget)
        found.append(_predict(bands, table, split, penalties, budget, *fit))
        chosen.append(penalties[fit[1]])
        parts.append(budget[fit[0]])
    return Predictions(tuple(found), np.array(chosen), np.array(parts))


def delayed(features: ArrayLike, delays: Sequence[int], runs: ArrayLike) -> Floats:
    """Features of earlier time points beside each other: a finite impulse response.

    Args:
        features: ``[time, unit]``.
        delays: How many time points back, each at least 0; e.g. 1, 2, 3, 4.
        runs: ``[time]``; before the start of a run stand zeros, never another run.

    Returns:
        ``[time, delay * unit]``, delays in the order given.
    """
    table, labels = np.asarray(features, dtype=np.float64), np.asarray(runs)
    if any(delay < 0 for delay in delays):
        raise ConfigError(
            "a delay below 0 looks into the future",
            where=f"delays={tuple(delays)}",
            hint="0 or more",
        )
    columns = []
    for delay in delays:
        moved = np.zeros_like(table)
        moved[delay:] = table[: len(table) - delay]
        same = np.zeros(len(table), dtype=np.bool_)
        same[delay:] = labels[delay:] == labels[: len(labels) - delay]
        columns.append(np.where(same[:, None], moved, 0.0))
    return np.concatenate(columns, axis=1)


def cross_subject_ceiling(
    responses: ArrayLike, subject: int, splits: Sequence[Split], groups: ArrayLike
) -> Encoding:
    """How well the other subjects predict one subject: an estimated ceiling per target.

    Args:
        responses: ``[subject, stimulus, target]``.
        subject: Whose responses are predicted.
        splits: The folds that score the model.
        groups: ``[stimulus]``.

    Raises:
        RefusedError: Fewer than two subjects.
    """
    table = np.asarray(responses, dtype=np.float64)
    if len(table) < 2:
        raise RefusedError(
            "one subject has no cross-subject ceiling",
            where=f"{len(table)} subject",
            hint="split_half_ceiling serves where stimuli were repeated",
        )
    others = np.concatenate([one for at, one in enumerate(table) if at != subject], axis=1)
    return encode(others, table[subject], splits, groups)


def split_half_ceiling(repeats: ArrayLike, seed: int, halvings: int = 10) -> Floats:
    """Greatest correlation with the mean of repeats: sqrt(2 r / (1 + r)), r between random halves.

    Args:
        repeats: ``[repeat, stimulus, target]``, at least two.
        seed: Of the halves.
        halvings: How many, averaged before the Spearman-Brown correction.

    Returns:
        ``[target]``; NaN where the halves correlate negatively.
    """
    table = np.asarray(repeats, dtype=np.float64)
    if len(table) < 2:
        raise RefusedError("one repeat has no halves", where="repeats", hint="give two or more")
    random = np.random.default_rng(seed)
    found = []
    for _ in range(halvings):
        order = random.permutation(len(table))
        half = len(table) // 2
        found.append(column_pearson(table[order[:half]].mean(0), table[order[half:]].mean(0)))
    r = np.mean(found, axis=0)
    return np.sqrt(np.where(r >= 0, 2 * r / (1 + r), np.nan))


def column_pearson(one: Floats, two: Floats) -> Floats:
    """Pearson r of matching columns, ``[target]``; NaN where a column does not vary."""
    left, right = one - one.mean(axis=0), two - two.mean(axis=0)
    size = np.linalg.norm(left, axis=0) * np.linalg.norm(right, axis=0)
    flat = np.ptp(one, axis=0) * np.ptp(two, axis=0) == 0
    cross = np.einsum("st,st->t", left, right)
    return np.where(flat, np.nan, cross / np.where(flat, 1.0, size))


def _choose(
    bands: list[Floats],
    table: Floats,
    rows: Integers,
    inside: list[Split],
    alphas: Floats,
    budget: Floats,
) -> tuple[Integers, Integers]:
    """Index of the shares and of the penalty with the greatest inner score: ``[target]`` each."""
    total = np.zeros((len(budget), len(alphas), table.shape[1]))
    for part in inside:
        train, test = rows[part.choose], rows[part.score]
        for c, share in enumerate(budget):
            for a, predicted in enumerate(_paths(bands, table, train, test, share, alphas)):
                total[c, a] += np.nan_to_num(column_pearson(predicted, table[test]))
    # A tie goes to the greater penalty: predictions that never vary score alike for all.
    flat = total[:, ::-1].reshape(-1, table.shape[1]).argmax(axis=0)
    return flat // len(alphas), len(alphas) - 1 - flat % len(alphas)


def _predict(
    bands: list[Floats],
    table: Floats,
    split: Split,
    alphas: Floats,
    budget: Floats,
    share: Integers,
    alpha: Integers,
) -> Floats:
    """Predictions of the test part under each target's choice: ``[stimulus, target]``."""
    found = np.empty((len(split.score), table.shape[1]))
    for c in np.unique(share):
        paths = _paths(bands, table, split.choose, split.score, budget[c], alphas)
        for a, predicted in enumerate(paths):
            mine = (share == c) & (alpha == a)
            found[:, mine] = predicted[:, mine]
    return found


def _paths(
    bands: list[Floats],
    table: Floats,
    train: Integers,
    test: Integers,
    share: Floats,
    alphas: Floats,
) -> list[Floats]:
    """Predictions for every penalty from one decomposition: ``[alpha]`` of ``[test, target]``."""
    scaled = [np.sqrt(part) * _scale(band, train) for band, part in zip(bands, share, strict=True)]
    whole = np.concatenate(scaled, axis=1)
    left, right = whole[train], whole[test]
    mean = table[train].mean(axis=0)
    # X = U S V': predictions are X_test V diag(s / (s^2 + alpha)) U' Y, so that each further
    # penalty costs one product. Fewer stimuli than units: U and S come from X X' alone.
    values, vectors = np.linalg.eigh(left @ left.T if len(left) <= left.shape[1] else left.T @ left)
    values = np.maximum(values, 0.0)
    if len(left) <= left.shape[1]:
        inner = vectors.T @ (table[train] - mean)
        outer = (right @ left.T) @ vectors
    else:
        inner = vectors.T @ (left.T @ (table[train] - mean))
        outer = right @ vectors
    least = ROUNDING * table[train].std(axis=0)
    return [_flattened((outer / (values + alpha)) @ inner, least) + mean for alpha in alphas]


def _flattened(predicted: Floats, least: Floats) -> Floats:
    """Columns that vary by less than rounding made constant: features may be equal on a fold."""
    return np.where(np.ptp(predicted, axis=0) <= least, 0.0, predicted)


def _scale(band: Floats, train: Integers) -> Floats:
    """Mean 0 and variance 1 over the training part; a unit that is constant there becomes 0."""
    spread = band[train].std(axis=0)
    constant = spread <= 1e-12 * (np.abs(band[train]).max(axis=0) + 1e-300)
    moved = (band - band[train].mean(axis=0)) / np.where(constant, 1.0, spread)
    return np.where(constant, 0.0, moved)


def _inner_folds(labels: np.ndarray, count: int, seed: int) -> list[Split]:
    different = len(np.unique(labels))
    if different >= 2:
        return folds(labels, min(count, different), seed)
    return folds(np.arange(len(labels)), count, seed)


def _shares(bands: int, shares: ArrayLike | None, seed: int) -> Floats:
    if bands == 1:
        return np.ones((1, 1))
    if shares is None:
        drawn = np.random.default_rng(seed).dirichlet(np.ones(bands), size=20)
        return np.concatenate([np.eye(bands), np.full((1, bands), 1 / bands), drawn])
    table = np.atleast_2d(np.asarray(shares, dtype=np.float64))
    if table.shape[1] != bands or (table < 0).any() or not np.allclose(table.sum(axis=1), 1):
        raise ConfigError(
            "shares of bands must be at least 0 and sum to 1",
            where=f"shares of shape {table.shape} for {bands} bands",
            hint="give [candidate, band]",
        )
    return table


def _checked(
    features: ArrayLike | Sequence[ArrayLike], responses: ArrayLike
) -> tuple[list[Floats], Floats]:
    """Bands ``[stimulus, unit]`` and responses ``[stimulus, target]``."""
    several = isinstance(features, (list, tuple)) and np.ndim(features[0]) == 2
    given = features if several and isinstance(features, (list, tuple)) else [features]
    bands = [np.asarray(band, dtype=np.float64) for band in given]
    table = np.asarray(responses, dtype=np.float64)
    shapes = [band.shape for band in bands]
    if table.ndim != 2 or any(len(s) != 2 or s[0] != len(table) or not s[1] for s in shapes):
        raise DataError(
            "features and responses do not fit",
            where=f"features {shapes}, responses {table.shape}",
            hint="give [stimulus, unit] and [stimulus, target] of the same stimuli",
        )
    for name, values in (("responses", table), *(("features", band) for band in bands)):
        if not np.isfinite(values).all():
            raise DataError(
                f"{name} hold a value that is not finite",
                where=f"{int((~np.isfinite(values)).sum())} of {values.size} values",
                hint="drop the stimulus or the target",
            )
    return bands, table
