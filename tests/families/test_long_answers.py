"""Every parser and scorer reads a long answer, whatever is repeated in it, in linear time."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from headbench.nouns import Document
from headbench.scoring import family as families
from headbench.scoring import lookup
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
