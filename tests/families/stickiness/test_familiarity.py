"""Familiarity asks encoders, and means over them; nothing is compared with the wrong definition."""

from __future__ import annotations

import pytest
import torch

from headbench.errors import DataError
from headbench.families.stickiness.familiarity import familiarity, vectors
from headbench.models.encoder import wrap
from helpers_tiny import tiny_bert, tiny_tokenizer

DESCRIPTIONS = {"one": "a cat", "two": "a dog and a red lamp near the table"}
DEFINITIONS = {"two": "who describe the photo please", "one": "a cat"}


@pytest.fixture(scope="module")
def encoder():
    return wrap(tiny_bert(), tiny_tokenizer(), batch_size=2)


def test_a_description_in_the_definitions_words_is_wholly_familiar(encoder):
    found = familiarity(DESCRIPTIONS, DEFINITIONS, [encoder])
    assert found["one"].value == pytest.approx(1.0, abs=1e-5)
    assert found["two"].value < 0.999
    assert found["one"].encoders == 1


def test_each_is_the_cosine_of_its_own_pair(encoder):
    found = familiarity(DESCRIPTIONS, DEFINITIONS, [encoder])
    with torch.no_grad():
        pair = [
            encoder.model(torch.tensor([tiny_tokenizer()(text)["input_ids"]])).last_hidden_state
            for text in (DESCRIPTIONS["two"], DEFINITIONS["two"])
        ]
    one, other = (state[0].mean(0) for state in pair)
    wanted = float(torch.nn.functional.cosine_similarity(one, other, dim=0).clamp(0, 1))
    assert found["two"].value == pytest.approx(wanted, abs=1e-5)


def test_the_consensus_is_the_mean_over_encoders(encoder):
    torch.manual_seed(7)
    other = wrap(tiny_bert(), tiny_tokenizer())
    for parameter in other.model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    alone = [familiarity(DESCRIPTIONS, DEFINITIONS, [one])["two"].value for one in (encoder, other)]
    assert alone[0] != pytest.approx(alone[1], abs=1e-3)
    both = familiarity(DESCRIPTIONS, DEFINITIONS, [encoder, other])["two"]
    assert both.value == pytest.approx(sum(alone) / 2)
    assert both.encoders == 2


def test_vectors_keep_their_order_over_batches(encoder):
    texts = ["who", "a dog and a red lamp near the table", "a cat", "who"]
    found = vectors(encoder, texts)
    assert found[0] == pytest.approx(found[3], abs=1e-6)
    assert found[0] != pytest.approx(found[2], abs=1e-3)


@pytest.mark.parametrize(
    ("descriptions", "definitions", "message"),
    [
        ({"one": "a"}, {"two": "a"}, "same data sets"),
        ({}, {}, "same data sets"),
        ({"one": " "}, {"one": "a"}, "empty"),
    ],
)
def test_unmatched_and_empty_texts_are_refused(encoder, descriptions, definitions, message):
    with pytest.raises(DataError, match=message):
        familiarity(descriptions, definitions, [encoder])


def test_no_encoder_is_refused():
    with pytest.raises(DataError, match="at least one encoder"):
        familiarity({"one": "a"}, {"one": "a"}, [])
