"""Tokens of captions against stored values of the tokeniser that published figures were read with.

``data/treebank_tokens.json`` holds odd strings with what ``nltk.word_tokenize(text,
preserve_line=True)`` of NLTK 3.10.4 returned for each.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headbench.errors import ConfigError
from headbench.families.chair.chair_lexicon import coco_lexicon, from_vocabulary
from headbench.families.chair.treebank import sentences, tokens, word_tokens

STORED = json.loads((Path(__file__).parent / "data/treebank_tokens.json").read_text("utf-8"))


def test_there_are_300_different_strings() -> None:
    assert len({text for text, _ in STORED}) >= 300


@pytest.mark.parametrize(("text", "expected"), STORED, ids=[text for text, _ in STORED])
def test_a_sentence_has_the_stored_tokens(text: str, expected: list[str]) -> None:
    assert list(word_tokens(text)) == expected


def test_sentences_end_at_stops_before_blanks() -> None:
    text = 'A dog. "A cat." (A cow.) Wait... A bus'
    assert [one.strip() for one in sentences(text)] == [
        "A dog.",
        '"A cat."',
        "(A cow.)",
        "Wait... A bus",
    ]
    assert tokens("A dog.\nA cat.") == ("a", "dog", ".", "a", "cat", ".")


@given(st.text(alphabet=" .'\"*—–-:,()`s1a\n", max_size=40))
def test_no_letter_is_lost(text: str) -> None:
    kept = "".join(tokens(text))
    assert [c for c in kept if c.isalnum()] == [c for c in text if c.isalnum()]
    assert all(tokens(text))


@pytest.mark.parametrize("profile", ["chair-2018", "chair-clean"])
@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        (
            "**Dogs**: two sit on the grass. A **cat** and a *person* are near.",
            ("dog", "cat", "person"),
        ),
        (
            "The man’s bicycle leans on a wall; the dog’s bowl is empty.",
            ("person", "bicycle", "dog", "bowl"),
        ),
        ("Dogs—cats—birds, and a 'horse'.", ("dog", "cat", "bird", "horse")),
        ("- **cat**: a small one\n- **buses**: red\n* a **horse**", ("cat", "bus", "horse")),
    ],
)
def test_objects_in_markup_are_counted(profile: str, caption: str, expected: tuple[str]) -> None:
    assert coco_lexicon(profile).mentions(caption) == expected


def test_the_first_version_stays_for_figures_that_name_it() -> None:
    first, now = coco_lexicon("chair-2018@1"), coco_lexicon("chair-2018")
    assert (first.id, now.id) == ("chair-2018@1", "chair-2018@2")
    assert first.mentions("a **dog** and a cat") == ("cat",)
    assert first.mentions("a dog’s cat") == ("cat",)
    given_words = from_vocabulary("mine@1", ["dog"])
    assert (given_words.id, given_words.mentions("*dog*")) == ("mine@1", ())
    assert from_vocabulary("mine", ["dog"]).mentions("*dog*") == ("dog",)
    with pytest.raises(ConfigError, match="versions 1, 2, not 7"):
        coco_lexicon("chair-2018@7")
