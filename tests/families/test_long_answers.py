"""Every parser and scorer reads a long answer, whatever is repeated in it, in linear time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from headbench.families.chair.chair_lexicon import coco_lexicon
from headbench.families.chair.treebank import sentences, word_tokens
from headbench.families.chair.treebank import tokens as treebank_tokens
from headbench.families.needles.needle_text import _numbers
from headbench.nouns import Document
from headbench.scoring import family as families
from headbench.scoring import lookup, rouge
from headbench.scoring.thoughts import cut

SIZE = 10**5
PIECES = (
    "a,", "a, b, c, d\n", ", ", "no ", "yes. ", "is there a dog? ", "there is not a ", "<answer>",
    "<think>", "</think>", "<|channel|>analysis<|message|>", "[", '{"a":', "\\boxed{", "\n", " ",
    "\t", "a", "a;b,", "1. ", "'", "n't ", "a.' ", "answer: ", "PREDICTION: [", "confidence ",
    "connection ", "group 1", "**", "- ", "1,000 ", "1\u00a0000 ", "red cup ", "狗", "...",
)  # fmt: skip
GROUPS = [[f"{letter}{at}" for at in range(4)] for letter in "abcd"]
TARGETS: dict[str, object] = {
    "pope": "yes",
    "chair": ["dog"],
    "walls": {"groups": GROUPS},
    "stickiness": "toxic",
    "keyphrase3": None,
}
OPTIONS: dict[str, dict[str, object]] = {
    "stickiness": {"conditions": ["zero_shot"], "label": "toxic"}
}


def assert_quick(work: Callable[[str], object], name: str) -> None:
    """Far below what growth with the square of the length takes (8 s and more at this length)."""
    for piece in PIECES:
        text = piece * (SIZE // len(piece))
        start = time.process_time()
        work(text)
        spent = time.process_time() - start
        assert spent < 2, f"{name}, {piece!r}: {spent:.2f} s"


@pytest.mark.parametrize("name", families.names("parsers"))
def test_a_parser_reads_a_long_answer(name: str) -> None:
    assert_quick(lookup.parser(name).read, name)


STATES = {
    "categories",
    "cosine",
    "geometry",
    "mutual_neighbours",
    "norms",
    "odd_one_out",
    "originality",
    "pair_ratings",
    "reading_times",
    "rsa",
    "table_encoding",
    "table_rsa",
}
"""These read captured states, and no answer."""


@pytest.mark.parametrize("name", sorted(set(families.names("scorers")) - STATES))
def test_a_scorer_reads_a_long_answer(name: str) -> None:
    scorer = lookup.scorer(name)
    parser = lookup.parser(scorer.default_parser)
    document = Document("d", "d", {}, TARGETS.get(name.partition("@")[0], "red cup 狗 1000"))
    options = OPTIONS.get(name, {})
    assert_quick(lambda text: scorer.record(document, (text,), parser, options), name)


def test_thoughts_of_a_long_answer_are_cut() -> None:
    assert_quick(lambda text: cut([text]), "thoughts")


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("chair", ("a.' ", ". ", ":")),
        ("niah", ("1. ", "1,", "a;b,")),
        ("needle_rouge", ("\\boxed{", "answer: ")),
        ("keyphrase3", ("1,000 ", "n't ")),
        ("walls", ("\n",)),
        ("stickiness", ("PREDICTION: [", "\n")),
    ],
)
def test_a_scorer_reads_a_megabyte_in_seconds(name: str, pieces: tuple[str, ...]) -> None:
    scorer = lookup.scorer(name)
    parser = lookup.parser(scorer.default_parser)
    document = Document("d", "d", {}, TARGETS.get(name, "red cup 狗 1000"))
    options = OPTIONS.get(name, {})
    scorer.record(document, ("no",), parser, options)  # imports and tables are not reading
    for piece in pieces:
        text = piece * (10**6 // len(piece))
        start = time.process_time()
        scorer.record(document, (text,), parser, options)
        spent = time.process_time() - start
        # A second alone; three where another process shares the core. Quadratic takes minutes.
        assert spent < 3, f"{name}, {piece!r}: {spent:.2f} s"


def test_what_is_read_once_reads_as_what_is_read_each_time() -> None:
    """Sentences, phrases, numbers and stems, each by the plain way, over random answers."""
    lexicon = coco_lexicon()
    drawn = random.Random(0)
    pieces = (*PIECES, "hot dog ", "hot ", "dog", "fire hydrant. ", "cat's ", "-1.50 ", "1,5", "$3")
    phrases = 0
    for _ in range(1500):
        text = "".join(drawn.choices(pieces, k=drawn.randint(1, 16)))
        plain = [word for one in sentences(text.lower()) for word in word_tokens(one)]
        assert treebank_tokens(text) == tuple(plain), text
        merged: list[str] = []
        at = 0
        while at < len(plain):
            ends = range(min(len(plain), at + 5), at + 1, -1)
            end = next((end for end in ends if " ".join(plain[at:end]) in lexicon.phrases), at + 1)
            joined = " ".join(plain[at:end])
            merged.append(lexicon.phrases.get(joined, joined) if end > at + 1 else joined)
            phrases += end > at + 1
            at = end
        assert lexicon._merged(plain) == merged, text
        assert rouge.tokens(text) == [
            rouge.stem(word) if len(word) > 3 else word for word in rouge.tokens(text, False)
        ], text
        number = drawn.choice("+-$ ") + "".join(drawn.choices("0123.,'", k=6)).strip(".,'") + "0"
        fullwidth = number.translate({ord("0"): "\uff10"})
        assert list(_numbers(number)) == list(_numbers(fullwidth)), number
    assert phrases > 100
