"""Odd one out: choices, ties, orders of options, agreement."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from headbench.errors import DataError
from headbench.families.brain.odd_one_out import (
    agreement,
    embedding_choices,
    embedding_probabilities,
    majority_ceiling,
    odd_places,
    option_choices,
)

CONCEPTS = np.array([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0], [2.0, 2.1]])


def test_the_concept_outside_the_most_similar_pair_is_odd() -> None:
    triplets = list(itertools.permutations([0, 1, 2]))
    choices = embedding_choices(CONCEPTS, triplets)
    assert [triplet[place] for triplet, place in zip(triplets, choices.argmax(1), strict=True)] == [
        2
    ] * 6
    # The dot product sees length: the long vector pulls 0 and 3 together.
    assert embedding_choices(CONCEPTS, [[0, 1, 3]], "dot").tolist() == [[0, 1, 0]]
    assert embedding_choices(CONCEPTS, [[0, 1, 3]]).tolist() == [[0, 0, 1]]


def test_ties_earn_what_guessing_would() -> None:
    same = np.ones((3, 2))
    choices = embedding_choices(same, [[0, 1, 2]])
    np.testing.assert_allclose(choices, 1 / 3)
    assert agreement(choices, [2]).rate == pytest.approx(1 / 3)


def test_probabilities_are_the_softmax_over_pairs() -> None:
    found = embedding_probabilities(CONCEPTS, [[0, 1, 2], [2, 1, 0]])
    pairs = np.exp(
        [CONCEPTS[1] @ CONCEPTS[2], CONCEPTS[0] @ CONCEPTS[2], CONCEPTS[0] @ CONCEPTS[1]]
    )
    np.testing.assert_allclose(found[0], pairs / pairs.sum())
    np.testing.assert_allclose(found[1], found[0][::-1])


def test_options_count_by_their_place_in_the_triplet() -> None:
    # Asked in two orders; the model likes the first option printed, and the concept at place 2.
    orders = np.array([[0, 1, 2], [1, 2, 0]])
    liking = np.array([0.2, 0.2, 1.0])
    scores = np.array([[liking[order] + [0.5, 0, 0] for order in orders]])
    choices, fickle = option_choices(scores, orders)
    assert choices.tolist() == [[0, 0, 1]]
    assert fickle == 0
    biased = np.array([[liking[order] + [5.0, 0, 0] for order in orders]])
    assert option_choices(biased, orders)[1] == 1
    shifted, _ = option_choices(scores - 30, orders)
    assert shifted.tolist() == choices.tolist()
    assert np.isnan(option_choices(scores[:, 0])[1])


def test_labels_of_concepts_do_not_matter() -> None:
    random = np.random.default_rng(0)
    features = random.standard_normal((30, 4))
    triplets = np.array([random.permutation(30)[:3] for _ in range(50)])
    odd = triplets[np.arange(50), random.integers(3, size=50)]
    plain = agreement(embedding_choices(features, triplets), odd_places(triplets, odd))
    names = random.permutation(30)
    renamed = np.empty_like(features)
    renamed[names] = features
    again = agreement(
        embedding_choices(renamed, names[triplets]), odd_places(names[triplets], names[odd])
    )
    assert again == plain
    turned = triplets[:, [2, 0, 1]]
    assert agreement(embedding_choices(features, turned), odd_places(turned, odd)) == plain


def test_agreement_counts_and_its_error() -> None:
    found = agreement(np.eye(3)[[0, 1, 2, 2]], [0, 1, 2, 0])
    assert (found.rate, found.n) == (0.75, 4)
    assert found.standard_error == pytest.approx(np.sqrt(0.75 * 0.25 / 4))
    ceiling = majority_ceiling([[15, 3, 2], [10, 9, 1]])
    assert ceiling.rate == pytest.approx((0.75 + 0.5) / 2)


def test_wrong_triplets_are_refused() -> None:
    with pytest.raises(DataError, match=r"outside 0 \.\. 3"):
        embedding_choices(CONCEPTS, [[1, 2, 4]])
    with pytest.raises(DataError, match="not one of its three concepts"):
        odd_places([[0, 1, 2]], [3])
    with pytest.raises(DataError, match="zero vector has no cosine"):
        embedding_choices(CONCEPTS * 0, [[0, 1, 2]])
    with pytest.raises(DataError, match="no permutation"):
        option_choices(np.zeros((1, 1, 3)), [[0, 0, 2]])
    with pytest.raises(DataError, match="three per triplet"):
        option_choices(np.full((1, 3), np.nan))
