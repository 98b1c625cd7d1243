"""``pope_robust`` reads yes and no alike: each form in both polarities, or in none.

``data/yes_no_answers.json`` holds pairs of answers to "is there a dog?" that say yes and no in one
form, and answers that say neither.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headbench.families.pope.pope_statements import DIRECT
from headbench.scoring import lookup

TABLE = json.loads((Path(__file__).parent / "data/yes_no_answers.json").read_text("utf-8"))
PAIRS: list[list[str]] = TABLE["pairs"]
PLAIN = [pair for pair in PAIRS if all(re.fullmatch(r"[A-Za-z',.!’ ]+", text) for text in pair)]
ANSWERS = [(text, said) for pair in PAIRS for text, said in zip(pair, ("yes", "no"), strict=True)]
read = lookup.parser("pope_robust").read
BEFORE = (
    "", " ", "\n", "1. ", "2) ", "(b) ", "- ", "Answer: ", "**Answer:** ", "A: ", "<answer>",
    "Is there a dog in the image? ", "Question: Is there a dog?\nAnswer: ", "Well, ", "> ",
)  # fmt: skip
AFTER = ("", " ", "\n", "</s>", "</answer>", "\nThe couch is brown.", "<|im_end|>")
SPELLING = {"as is": str, "lower": str.lower, "upper": str.upper, "bold": "**{}**".format}


def test_the_table_holds_150_answers_in_both_polarities() -> None:
    assert len(dict(ANSWERS)) >= 150
    assert len(PLAIN) >= 60
    assert sorted(dict(ANSWERS).values()).count("yes") >= 75


@pytest.mark.parametrize(("text", "said"), ANSWERS, ids=[text for text, _ in ANSWERS])
def test_each_form_is_read_in_both_polarities(text: str, said: str) -> None:
    assert read(text) == said


@pytest.mark.parametrize("text", TABLE["unparsed"])
def test_what_says_neither_is_unparsed(text: str) -> None:
    assert read(text) is None


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from(PLAIN),
    st.sampled_from(BEFORE),
    st.sampled_from(AFTER),
    st.sampled_from(sorted(SPELLING)),
)
def test_swapping_the_polarity_swaps_the_reading(
    pair: list[str], before: str, after: str, spelling: str
) -> None:
    answers = [before + SPELLING[spelling](text) + after for text in pair]
    assert [read(answer) for answer in answers] == ["yes", "no"], answers


OTHERS = ["dog", "the", "picture", "brown", ".", ",", "\n", "!", "1.", "hay", "quickly"]
SWAP = {"yes": "no", "nope": "yep", "True": "False", "Affirmative": "Negative"}


@settings(deadline=None, max_examples=400)
@given(st.lists(st.sampled_from([*OTHERS, *SWAP]), max_size=8))
def test_swapping_direct_answers_among_other_words_swaps_the_reading(words: list[str]) -> None:
    said, swapped = (" ".join(some) for some in (words, [SWAP.get(w, w) for w in words]))
    assert read(swapped) == {"yes": "no", "no": "yes"}.get(read(said) or ""), said


def test_direct_answers_come_in_pairs() -> None:
    said = list(DIRECT.values())
    assert said == ["yes", "no"] * (len(said) // 2)


@pytest.mark.parametrize("text", ["No hay un perro.", "No, non c'è un cane.", "No tak, jest pies."])
def test_no_of_another_language_is_not_no(text: str) -> None:
    assert read(text) is None
    assert lookup.parser("pope_robust@1").read(text) == "no"
