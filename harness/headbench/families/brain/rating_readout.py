"""Ratings from the log-probabilities of a scale's answers: norms of words, similarity of pairs.

The *expected rating* sum_r r p(r) / sum_r p(r) over the answers of the scale uses the whole
distribution; the most probable answer throws most of it away (arXiv 2506.22439 reads both). What
people were once asked, with their instructions, is asked of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.rdm import Floats, condense
from headbench.families.brain.weighted_correlation import pearson, spearman

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class NormAgreement:
    """How a model's ratings of items follow people's.

    Attributes:
        pearson: r with the human means.
        spearman: rho; parts from r on skewed norms such as taste and smell.
        n: Items.
        ceiling: Square root of the human means' reliability: the r of a perfect predictor.
            NaN where it is not known.
    """

    pearson: float
    spearman: float
    n: int
    ceiling: float


@dataclass(frozen=True)
class PairRatings:
    """Similarity ratings of every pair of stimuli as an RDM.

    Attributes:
        rdm: ``[pair]``: highest rating of the scale less the mean rating of both orders.
        order_asymmetry: Mean abs(r_ij - r_ji), in points of the scale.
    """

    rdm: Floats
    order_asymmetry: float


def expected_rating(scores: ArrayLike, scale: ArrayLike) -> Floats:
    """Mean of the scale under the model's distribution over its answers.

    Args:
        scores: ``[..., answer]``, log-probability of each answer.
        scale: ``[answer]``, the number each answer stands for.

    Returns:
        ``[...]``, within the scale.

    Raises:
        DataError: Shapes that do not fit, or an item none of whose answers is possible.
    """
    table, values = _answers(scores, scale)
    share = np.exp(table - table.max(axis=-1, keepdims=True))
    return np.asarray((share @ values) / share.sum(axis=-1))


def likeliest_rating(scores: ArrayLike, scale: ArrayLike) -> Floats:
    """The number of the most probable answer: ``[...]``; the first of equals."""
    table, values = _answers(scores, scale)
    return np.asarray(values[table.argmax(axis=-1)])


def scale_mass(scores: ArrayLike) -> Floats:
    """Probability that the model gives to the scale's answers together: ``[...]``, 0..1.

    A small mass says that the model would have said something else.
    """
    return np.asarray(np.exp(np.asarray(scores, dtype=np.float64)).sum(axis=-1))


def pair_ratings(ratings: ArrayLike, highest: float) -> PairRatings:
    """The RDM of similarity ratings asked in both orders (arXiv 2412.00577; scale and mean ours).

    Args:
        ratings: ``[stimulus, stimulus]``, rating of (row, column) as asked; the diagonal is not
            read.
        highest: Greatest rating of the scale: no dissimilarity.

    Raises:
        DataError: A rating off the diagonal that is not finite or above ``highest``.
    """
    table = np.array(ratings, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise DataError(
            f"ratings of shape {table.shape}", where="shape", hint="give [stimulus, stimulus]"
        )
    np.fill_diagonal(table, highest)
    if not np.isfinite(table).all() or (table > highest).any():
        raise DataError(
            "a pair has no rating, or one above the scale",
            where=f"{int((~np.isfinite(table)).sum())} missing, highest {np.nanmax(table)}",
            hint="ask every pair in both orders",
        )
    one, other = condense(table), condense(table.T)
    return PairRatings(highest - (one + other) / 2, float(np.abs(one - other).mean()))


def norm_agreement(
    model: ArrayLike, human: ArrayLike, human_reliability: float = float("nan")
) -> NormAgreement:
    """Correlation of a model's ratings with the human means.

    Args:
        model: ``[item]``.
        human: ``[item]``, mean ratings.
        human_reliability: Of those means (``weighted_correlation.reliability``).
    """
    ceiling = float(np.sqrt(human_reliability)) if human_reliability >= 0 else float("nan")
    return NormAgreement(pearson(model, human), spearman(model, human), np.size(human), ceiling)


def _answers(scores: ArrayLike, scale: ArrayLike) -> tuple[Floats, Floats]:
    table, values = np.asarray(scores, np.float64), np.asarray(scale, np.float64)
    if table.ndim < 1 or values.shape != table.shape[-1:]:
        raise DataError(
            f"{np.shape(scores)} log-probabilities for a scale of {values.size} answers",
            where="scores",
            hint="give one log-probability per answer of the scale",
        )
    if np.isnan(table).any() or (table.max(axis=-1) == -np.inf).any():
        raise DataError(
            "no answer of the scale is possible for an item",
            where="scores",
            hint="score each answer's text as the continuation of the prompt",
        )
    return table, values
