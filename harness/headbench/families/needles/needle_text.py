"""Words, numbers and phrases of a text in any script, as needles are compared.

Texts are compared after Unicode's compatibility normalisation (NFKC) and case folding, without soft
hyphens and zero-width characters. What is compared are

* words: runs of letters, marks and digits; all other signs, emphasis included, stand between them;
* numbers: the sign counts, and so do decimals; separators of thousands do not. ``-5`` is not ``5``,
  ``2`` is not ``2.5``, ``1,000`` is ``1000``. Digits of any script are digits. An integer with
  leading zeros is a code and stays as written; digits next to letters ("b12") belong to the word;
* runs of scripts that are written without spaces (Chinese, Japanese, Thai, Lao, Tibetan, Burmese,
  Khmer): such a run has no word boundaries, so an expected run may lie inside a longer one.
  Spaces, line breaks and emphasis within a run do not count.

A comma before exactly three digits separates thousands and is a decimal comma otherwise. A stop is
a decimal point, unless it stands more than once or before a decimal comma.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Token(NamedTuple):
    """A word, a number in its one spelling, or a run of a script without blanks."""

    text: str
    kind: str
    """``word``, ``number`` or ``run``."""


_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_GROUPED = re.compile("(?<=\\d)[\u00a0\u2009\u202f](?=\\d{3}(?!\\d))")
_RUNS = (
    (0x0E00, 0x109F), (0x1780, 0x17FF), (0x3005, 0x3007), (0x3040, 0x30FF), (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F), (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)  # fmt: skip
"""Code points of scripts that are written without blanks."""


_SIGNS = {"-": "-", "\u2212": "-", "'": "'", "\u2019": "'", **dict.fromkeys("*_`~", "s")}


class _Shapes(dict[int, str]):
    """Code point -> what it is to the tokens; computed once per character."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if category == "Nd":
            shape = "d"
        elif category[0] in "LMN":
            shape = "r" if any(low <= code <= high for low, high in _RUNS) else "w"
        elif character in ".,+":
            shape = character
        else:
            shape = _SIGNS.get(character, "s" if character.isspace() else "o")
            shape = "$" if category == "Sc" else shape
        self[code] = shape
        return shape


_SHAPES = _Shapes()
_TOKEN = re.compile(
    r"(?P<number>(?<![wd])(?:[-+]\$?)?(?:(?<![wdr.])\.)?d++(?:[.,']d++)*+(?![wd]))"
    r"|(?P<run>r+(?:s+r+)*)|[wd]+(?:(?<=d)\.d[wd]*)*"
)
_NO_DIGIT_OR_SIGN = re.compile("[^0-9.,']")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:([,'.])\d{3})(?:\1\d{3})*(?:(?!\1)[.,]\d+)?")


def tokens(text: str) -> tuple[Token, ...]:
    """Words, numbers and runs of a text, in order.

    Args:
        text: Any text.
    """
    plain = _GROUPED.sub("", _UNSEEN.sub("", text))
    plain = unicodedata.normalize("NFKC", plain).casefold()
    if not unicodedata.is_normalized("NFKC", plain):
        plain = unicodedata.normalize("NFKC", plain)
    return tuple(_tokens(plain))


def _tokens(plain: str) -> Iterator[Token]:
    shape = plain.translate(_SHAPES)
    # A long answer repeats its numbers and words.
    numbers: dict[str, tuple[Token, ...]] = {}
    plain_words: dict[str, Token] = {}
    for match in _TOKEN.finditer(shape):
        piece = plain[match.start() : match.end()]
        if match["number"] is not None:
            if piece not in numbers:
                numbers[piece] = tuple(Token(number, "number") for number in _numbers(piece))
            yield from numbers[piece]
        elif match["run"] is not None:
            yield Token("".join(c for c in piece if _SHAPES[ord(c)] == "r"), "run")
        else:
            if piece not in plain_words:
                plain_words[piece] = Token(piece, "word")
            yield plain_words[piece]


def _numbers(piece: str) -> Iterator[str]:
    """The one spelling of a number; several, where commas separate a list."""
    negative = piece[0] in "-\u2212"
    if piece.isascii():
        body = _NO_DIGIT_OR_SIGN.sub("", piece)
    else:
        body = "".join(
            str(unicodedata.decimal(c)) if c.isdecimal() else "'" if c == "\u2019" else c
            for c in piece.lstrip("+-\u2212")
            if c.isdecimal() or c in ".,'\u2019"
        )
    marks = re.sub(r"\d", "", body)
    thousands = _THOUSANDS.fullmatch(body)
    if thousands and marks != ".":
        group = thousands[1]
        yield _spelt(body.replace(group, "").replace(",", "."), negative)
    elif len(marks) <= 1 and marks != "'":
        yield _spelt(body.replace(",", "."), negative)
    elif set(marks) == {"."}:
        yield body  # a version or an address ("2.5.1")
    else:
        for number, part in enumerate(re.split("[,']", body)):
            yield _spelt(part, negative and number == 0)


def _spelt(number: str, negative: bool) -> str:
    """Without zeros behind the point, and with one before it."""
    whole, point, rest = number.partition(".")
    rest = rest.rstrip("0")
    if point:
        whole = whole.lstrip("0") or "0"
    text = f"{whole}.{rest}" if rest else whole
    return f"-{text}" if negative and text.strip("0.") else text


def words(text: str) -> tuple[str, ...]:
    """The texts of :func:`tokens`."""
    return tuple(token.text for token in tokens(text))


def said_words(text: str, expected: Sequence[Token]) -> tuple[str, ...]:
    """Words of an answer, with expected runs taken out of longer ones.

    Args:
        text: The answer.
        expected: What is searched for, so that "the answer is X" without spaces gives X.
    """
    runs = sorted({one.text for one in expected if one.kind == "run"}, key=len, reverse=True)
    inside = re.compile("|".join(map(re.escape, runs))) if runs else None
    found: list[str] = []
    for token in tokens(text):
        if token.kind == "run" and inside is not None:
            found += inside.findall(token.text)
        else:
            found.append(token.text)
    return tuple(found)


def matched_in_order(expected: Sequence[str], said: Sequence[str]) -> int:
    """Most expected words that occur in ``said`` in the expected order, others may stand between.

    The length of the longest common subsequence, by bits: one step per word of ``said``.
    """
    places: dict[str, int] = {}
    for index, word in enumerate(expected):
        places[word] = places.get(word, 0) | 1 << index
    whole = (1 << len(expected)) - 1
    free = whole  # a zero bit stands for a matched word
    for word in said:
        here = places.get(word)
        if here is not None:
            hit = free & here
            free = (free + hit | free - hit) & whole
    return len(expected) - free.bit_count()


def running(text: str) -> str:
    """A text to be searched for phrases: words with single spaces, numbers marked off."""
    return " ".join(f"#{one.text}#" if one.kind == "number" else one.text for one in tokens(text))


def holds_phrase(where: str, phrase: str) -> bool:
    """Whether a phrase occurs; punctuation, spaces and line breaks between its words do not count.

    Args:
        where: What :func:`running` made of a text.
        phrase: As written. Its first and last word may be part of a longer word ("fig" of "figs"),
            its numbers are whole.
    """
    sought = running(phrase)
    return bool(sought) and sought in where
