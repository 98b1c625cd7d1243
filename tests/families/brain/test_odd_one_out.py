"""Odd one out: choices, ties, orders of options, agreement."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

import headbench
from headbench.errors import ConfigError, DataError
from headbench.families.brain.concept_rows import ORDERS
from headbench.families.brain.odd_one_out import (
    agreement,
    embedding_choices,
    embedding_probabilities,
    majority_ceiling,
    odd_places,
    option_choices,
)
from headbench.nouns import ScoredText
from headbench.results.files import read_entries
from headbench.scoring import lookup
from headbench.scoring.parser import VERBATIM
from headbench.scoring.scorer import AskedStep
from headbench.tasks.loader import load

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


def test_options_are_asked_in_orders_and_read_by_log_probability(tmp_path: Path) -> None:
    """Through a run, over words that the shipped model reads."""
    triplets = [["apple", "banana", "red"], ["red", "blue", "dog"], ["cat", "green", "dog"]]
    rows = [
        {
            "id": f"t{at}",
            "cluster": f"t{at}",
            "orders": [[words[place] for place in order] for order in ORDERS[:3]],
            "places": [list(order) for order in ORDERS[:3]],
            "target": {"human": at},
        }
        for at, words in enumerate(triplets)
    ]
    data = tmp_path / "triplets.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "task: mine\ndataset_path: json\nfor_each: orders\noutput_type: multiple_choice\n"
        f"dataset_kwargs: {{data_files: {data}}}\n"
        "doc_to_text: 'Question: {{ item[0] }} {{ item[1] }} {{ item[2] }} are what? Answer:'\n"
        "doc_to_choice: ['{{ item[0] }}', '{{ item[1] }}', '{{ item[2] }}']\n"
        "scorer: odd_one_out_options\nmetadata: {version: 1}\n"
        "metric_list: [{metric: brain.odd_one_out, main: true}, {metric: brain.order_decides},"
        " {metric: brain.option_mass}]\n"
    )
    done = headbench.run(
        str(mine), "mask_heads(map=retrieval, top=2)", model="ref-lm-v2", controls=0, draws=20,
        out=tmp_path / "out",
    )  # fmt: skip
    entries = read_entries(done.files[0], done.results[0])
    figures = done.results[0].metrics
    assert figures["odd_one_out"].value == pytest.approx(
        np.mean([one.record.parts["correct"] for one in entries])
    )
    assert 0 <= figures["order_decides"].value <= 1
    assert 0 < figures["option_mass"].value <= 1


def test_the_choice_is_the_likeliest_concept_over_orders() -> None:
    scorer = lookup.scorer("odd_one_out_options")
    document = load("ooo_things_options").documents(limit=1)[0]
    assert document.fields["places"] == [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
    liking = np.log([0.2, 0.1, 0.3])  # of the concepts of the triplet
    said = tuple(
        ScoredText.of("x", tuple(liking[order].tolist())) for order in document.fields["places"]
    )
    parts = scorer.record(document, said, VERBATIM).parts
    human = document.target["human"]
    assert (parts["choice"], parts["fickle"]) == (2, 0)
    assert parts["correct"] == float(human == 2) and parts["mass"] == pytest.approx(0.6)
    letters = tuple(ScoredText.of("x", (-0.1, -3.0, -3.0)) for _ in range(3))  # always the first
    biased = scorer.record(document, letters, VERBATIM).parts
    assert (biased["choice"], biased["fickle"]) == (-1, 1)
    assert biased["correct"] == pytest.approx(1 / 3)
    alone = load("ooo_things_options", args={"orders": "1"}).documents(limit=1)[0]
    assert "fickle" not in scorer.record(alone, said[:1], VERBATIM).parts
    with pytest.raises(DataError, match="no log-probabilities of three options"):
        scorer.record(document, ("A", "B", "C"), VERBATIM)
    with pytest.raises(DataError, match="no place in the triplet"):
        scorer.record(load("ooo_things").documents(limit=1)[0], said, VERBATIM)
    with pytest.raises(ConfigError, match="reads the log-probabilities"):
        scorer.check_options({}, [AskedStep("answer", "represent")])
