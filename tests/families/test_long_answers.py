"""Every parser and scorer reads an answer of a megabyte in under a second, whatever is repeated."""

from __future__ import annotations

import gc
import random
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fuzz.answers import ANSWERS
from fuzz.oracle import Target
from headbench.families.chair.chair_lexicon import coco_lexicon
from headbench.families.chair.treebank import sentences, word_tokens
from headbench.families.chair.treebank import tokens as treebank_tokens
from headbench.families.needles.needle_text import _numbers
from headbench.scoring import rouge

SHORT, LONG = 10**5, 10**6
SLOWEST = 2
"""Pieces of a target that are tried at full length: the slowest at a tenth of it."""
PIECES = (
    "a,", "a, b, c, d\n", ", ", "no ", "yes. ", "is there a dog? ", "there is not a ", "<answer>",
    "<think>", "</think>", "<|channel|>analysis<|message|>", "[", '{"a":', "\\boxed{", "\n", " ",
    "\t", "a", "a;b,", "1. ", "'", "n't ", "a.' ", "answer: ", "PREDICTION: [", "confidence ",
    "connection ", "group 1", "**", "- ", "1,000 ", "1\u00a0000 ", "red cup ", "狗", "...", "7",
    "],", ")", "(", "e\u0301 ", "\ufdfa", "\u2028", "a b\r\n", "dogs ", "<", "not ", "|", "\u3316",
)  # fmt: skip


def repeated(piece: str, size: int) -> str:
    """A text of so many bytes, those of its normal form counted: one character may become 18."""
    bytes_each = len(unicodedata.normalize("NFKC", piece).encode())
    return piece * (size // bytes_each)


def spent(target: Target, text: str, times: int = 1) -> float:
    """Processor time of the quickest reading: another process may be in the way."""
    best = float("inf")
    for _ in range(times):
        start = time.process_time()
        target.read(text, Path())
        best = min(best, time.process_time() - start)
    return best


@contextmanager
def uncollected() -> Iterator[None]:
    """Without Python's collector, which looks through all that other tests left, again and again:
    its time grows with what is alive, and says nothing of the reading."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("target", ANSWERS, ids=lambda one: one.name)
def test_a_long_answer_is_read_in_time_that_grows_with_its_length(target: Target) -> None:
    target.read("no", Path())  # imports and tables are not reading
    times = {piece: spent(target, repeated(piece, SHORT)) for piece in PIECES}
    for piece in sorted(PIECES, key=times.__getitem__)[-SLOWEST:]:
        half, whole = repeated(piece, LONG // 2), repeated(piece, LONG)
        once = spent(target, whole)
        assert once < 1 or spent(target, whole, 3) < 1, f"{target.name}, {piece!r}: {once:.2f} s"
        # What takes so little at full length is mostly noise.
        grows = once > 0.2 and once > 2.5 * spent(target, half)
        if grows:
            with uncollected():
                assert spent(target, whole, 3) <= 2.5 * spent(target, half, 3), piece


def test_pieces_that_differ_are_read_as_quickly() -> None:
    """What repeats is read once; here nothing does."""
    draw = random.Random(0)
    words = [f"{draw.choice('abcde')}{number}" for number in range(40_000)]
    for target in ANSWERS:
        for joint in (" ", ";", ", "):
            text = joint.join(words)[: LONG // 5]
            assert spent(target, text) < 0.5 or spent(target, text, 3) < 0.5, (target.name, joint)


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
