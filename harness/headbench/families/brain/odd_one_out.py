"""Which of three concepts is the odd one out: from embeddings, from options, against people.

Human triplets of THINGS (Hebart et al. 2020; models in arXiv 2407.01067). Chance is 1/3. A choice
is kept as a distribution over the three places, so that a tie counts as the share that guessing
among the tied would earn, and the order of a triplet cannot matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.rdm import Floats, Integers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

CHANCE = 1 / 3
PLACES = ((1, 2), (0, 2), (0, 1))
"""Leaving out place k, the pair that remains."""


@dataclass(frozen=True)
class Agreement:
    """How often choices are the human ones.

    Attributes:
        rate: Share of triplets, 0..1; expected over ties.
        n: Triplets.
        standard_error: Binomial, of ``rate``.
    """

    rate: float
    n: int
    standard_error: float


def embedding_choices(
    features: ArrayLike,
    triplets: ArrayLike,
    measure: Literal["cosine", "dot"] = "cosine",
) -> Floats:
    """The concept that is not in the most similar pair.

    Args:
        features: ``[concept, unit]``, finite.
        triplets: ``[triplet, 3]``, 0-based rows of ``features``.
        measure: ``cosine``, or ``dot`` for spaces fitted to triplets by their dot product.

    Returns:
        ``[triplet, place]``: 1 at the odd one; shared equally among the tied.

    Raises:
        DataError: An index without features, or a zero vector under the cosine.
    """
    similar = _similarities(
        _vectors(features, measure), _indices(triplets, len(np.asarray(features)))
    )
    top = similar == similar.max(axis=1, keepdims=True)
    return np.asarray(top / top.sum(axis=1, keepdims=True))


def embedding_probabilities(features: ArrayLike, triplets: ArrayLike) -> Floats:
    """Softmax over the three pair dot products (SPoSE; Zheng et al. 2019).

    p(k is odd | i, j, k) = exp(x_i x_j) / (exp(x_i x_j) + exp(x_i x_k) + exp(x_j x_k)).

    Args:
        features: ``[concept, unit]``.
        triplets: ``[triplet, 3]``.

    Returns:
        ``[triplet, place]``, rows sum to 1.
    """
    similar = _similarities(
        _vectors(features, "dot"), _indices(triplets, len(np.asarray(features)))
    )
    grown = np.exp(similar - similar.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))


def option_choices(scores: ArrayLike, orders: ArrayLike | None = None) -> tuple[Floats, float]:
    """The option that a model finds most probable, averaged over the orders it was asked in.

    Args:
        scores: ``[triplet, order, option]``, log-probability of each option as printed, or
            ``[triplet, option]`` for one order.
        orders: ``[order, 3]`` or ``[triplet, order, 3]``: place in the triplet of each printed
            option; ``None``: as in the triplet.

    Returns:
        Choices ``[triplet, place]``, and the share of triplets whose choice depends on the order:
        NaN for one order.
    """
    table = np.asarray(scores, dtype=np.float64)
    table = table[:, None] if table.ndim == 2 else table
    if table.ndim != 3 or table.shape[2] != 3 or not np.isfinite(table).all():
        raise DataError(
            "log-probabilities of options must be finite, three per triplet and order",
            where=f"shape {np.shape(scores)}",
            hint="give [triplet, order, 3]",
        )
    given = np.arange(3) if orders is None else np.asarray(orders, dtype=np.int64)
    places = np.broadcast_to(given, table.shape)
    if (np.sort(places, axis=2) != np.arange(3)).any():
        raise DataError(
            "an order of options is no permutation of 0, 1, 2",
            where=f"orders of shape {given.shape}",
            hint="give the place in the triplet of each printed option",
        )
    share = np.exp(table - table.max(axis=2, keepdims=True))
    share /= share.sum(axis=2, keepdims=True)
    by_place = np.take_along_axis(share, np.argsort(places, axis=2), axis=2)
    mean = by_place.mean(axis=1)  # [triplet, place]
    top = mean >= mean.max(axis=1, keepdims=True) * (1 - 1e-12)
    picked = by_place.argmax(axis=2)
    fickle = float((picked != picked[:, :1]).any(axis=1).mean())
    return top / top.sum(axis=1, keepdims=True), fickle if table.shape[1] > 1 else float("nan")


def agreement(choices: ArrayLike, human_odd: ArrayLike) -> Agreement:
    """Share of triplets on which choices are the human ones.

    Args:
        choices: ``[triplet, place]``.
        human_odd: ``[triplet]``, the place of the human odd one, 0..2.
    """
    table, human = np.asarray(choices, np.float64), np.asarray(human_odd, np.int64)
    if table.shape != (len(human), 3) or not np.isin(human, (0, 1, 2)).all() or not len(human):
        raise DataError(
            "choices and human answers do not fit",
            where=f"choices {table.shape}, answers {human.shape}",
            hint="give [triplet, 3] and places 0, 1 or 2",
        )
    rate = float(table[np.arange(len(human)), human].mean())
    return Agreement(rate, len(human), float(np.sqrt(rate * (1 - rate) / len(human))))


def odd_places(triplets: ArrayLike, odd: ArrayLike) -> Integers:
    """Place of the odd concept in each triplet.

    Args:
        triplets: ``[triplet, 3]`` of concepts, in any order.
        odd: ``[triplet]``, the concept that was chosen.

    Raises:
        DataError: A choice that is not in its triplet, or twice.
    """
    table, chosen = np.asarray(triplets, np.int64), np.asarray(odd, np.int64)
    same = table == chosen[:, None]
    if (same.sum(axis=1) != 1).any():
        raise DataError(
            "an odd one out is not one of its three concepts",
            where=f"triplet {int(np.flatnonzero(same.sum(axis=1) != 1)[0])}",
            hint="both files must number concepts from the same 0",
        )
    return np.asarray(same.argmax(axis=1), dtype=np.int64)


def majority_ceiling(responses: ArrayLike) -> Agreement:
    """Mean share of the most frequent choice among repeated human answers to one triplet.

    Args:
        responses: ``[triplet, place]``, counts of answers.
    """
    counts = np.asarray(responses, dtype=np.float64)
    shares = counts.max(axis=1) / counts.sum(axis=1)
    spread = float(shares.std(ddof=1) / np.sqrt(len(shares))) if len(shares) > 1 else float("nan")
    return Agreement(float(shares.mean()), len(shares), spread)


def _vectors(features: ArrayLike, measure: str) -> Floats:
    table = np.asarray(features, dtype=np.float64)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise DataError(
            "features must be finite", where=f"shape {table.shape}", hint="give [concept, unit]"
        )
    if measure == "dot":
        return table
    sizes = np.linalg.norm(table, axis=1, keepdims=True)
    if not sizes.all():
        raise DataError(
            "a zero vector has no cosine",
            where=f"concept {int(np.flatnonzero(sizes[:, 0] == 0)[0])}",
            hint="leave the head or layer out",
        )
    return np.asarray(table / sizes)


def _indices(triplets: ArrayLike, concepts: int) -> Integers:
    table = np.asarray(triplets, dtype=np.int64)
    if table.ndim != 2 or table.shape[1] != 3 or table.min() < 0 or table.max() >= concepts:
        raise DataError(
            f"triplets name concepts outside 0 .. {concepts - 1}",
            where=f"triplets of shape {table.shape}",
            hint="concepts are numbered from 0, in the order of the features",
        )
    return table


def _similarities(table: Floats, triplets: Integers) -> Floats:
    """Similarity of the pair that remains without each place: ``[triplet, place]``."""
    pairs = [(triplets[:, one], triplets[:, two]) for one, two in PLACES]
    return np.stack([np.einsum("tu,tu->t", table[a], table[b]) for a, b in pairs], axis=1)
