"""Answers of models, read by every parser and every scorer that is registered."""

from __future__ import annotations

import json
import random
from pathlib import Path

from fuzz.inputs import HOSTILE, LARGE, TOKENS
from fuzz.oracle import Input, Target
from headbench.nouns import Document
from headbench.scoring import family as families
from headbench.scoring import lookup

PIECES = (
    "yes", "no", "Yes, there is a dog.", "there is no ", "not", "n't ", "I cannot", "a cat, a dog",
    "<think>", "</think>", "<answer>", "</answer>", "PREDICTION: [toxic]", "confidence: 0.9", "0.5",
    "Group 1: a0, a1, a2, a3", "b0, b1, b2, b3\n", ". Connection: x", "**", "- ", "1. ", ";", "|",
    '{"group": ["a", "b"]}', '[["a0","a1"],["b0"]]', "\\boxed{red cup}", "red cup", "answer: ",
    "1,000", "1000", "\u0661", "\u00b2", "\u72d7", "e\u0301", "\n", "\n\n", " ", "\t", "...", "?",
)  # fmt: skip
GROUPS = [[f"{letter}{at}" for at in range(4)] for letter in "abcd"]
TARGETS_OF: dict[str, object] = {
    "pope": "yes",
    "chair": ["dog"],
    "walls": {"groups": GROUPS},
    "stickiness": "toxic",
    "keyphrase3": None,
}
OPTIONS: dict[str, dict[str, object]] = {
    "stickiness": {"conditions": ["zero_shot"], "label": "toxic"}
}


STATES = frozenset(
    name
    for name in families.names("scorers")
    if ".families.brain." in lookup.scorer(name).score.__module__
)
"""Scorers that read captured states, and no answer in words."""


def answering_scorers() -> tuple[str, ...]:
    """Scorers that read answers in words."""
    return tuple(sorted(set(families.names("scorers")) - STATES))


def answer(draw: random.Random) -> str:
    """An answer: pieces that parsers look for, and others."""
    pieces = [*PIECES, *TOKENS, *(str(one) for one in HOSTILE if one != LARGE)]
    count = draw.choice((0, 1, 1, 2, 3, 5, 9))
    chosen = draw.choices(PIECES if draw.random() < 0.5 else pieces, k=count)
    return draw.choice(("", " ", "\n", ", ")).join(chosen)


def _parser(name: str) -> Target:
    def read(given: Input, _path: Path) -> object:
        assert isinstance(given, str)
        return lookup.parser(name).read(given)

    # The published reading of POPE gives every text an answer.
    refused = 0.0 if name == "pope_ref" else 0.01
    return Target(f"parser {name}", answer, read, accepted=0.005, refused=refused)


def _scorer(name: str) -> Target:
    def read(given: Input, _path: Path) -> object:
        assert isinstance(given, str)
        scorer = lookup.scorer(name)
        short = name.partition("@")[0]
        target = TARGETS_OF.get(short, "red cup \u72d7 1000")
        parser = lookup.parser(scorer.default_parser)
        document = Document("d", "d", {}, target)
        record = scorer.record(document, (given,), parser, OPTIONS.get(short, {}))
        json.dumps(dict(record.parts), allow_nan=False)
        return record.parsed

    return Target(f"scorer {name}", answer, read, refused=0.01)


ANSWERS: tuple[Target, ...] = (
    *(_parser(name) for name in families.names("parsers")),
    *(_scorer(name) for name in answering_scorers()),
)
