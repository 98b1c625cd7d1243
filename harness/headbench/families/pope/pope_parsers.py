"""Three readings of a yes/no answer; published POPE figures depend on which one is used.

``pope_ref`` is the reading of the paper's own evaluation (Li et al. 2023, arXiv 2305.10355,
repository RUCAIBox/POPE) and ``pope_strict`` that of lmms-eval; both are kept with their faults,
because published cells contain them. ``pope_robust`` is for new results
(:mod:`.pope_robust`); its version 1 stays here for the figures that name it. That
one reads "no" out of any negation and "yes" only out of the word, so that it favours no.
"""

from __future__ import annotations

import re
from typing import Literal

from headbench.scoring.parser import Parser

YesNo = Literal["yes", "no"]

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_MARKUP = re.compile(r"[*_`~#>|]+")
_SENTENCE_END = re.compile(r"[.!?;\n]+")
_EITHER = re.compile(r"\W*(?:yes\s*(?:/|or|and)\s*no|no\s*(?:/|or|and)\s*yes)\b")
_UNSURE = re.compile(
    r"\b(?:not (?:sure|certain|clear)|unsure|unclear|uncertain|unable to"
    r"|(?:cannot|can't|can not|could not|couldn't) (?:tell|say|see|determine|answer))\b"
)
_NEGATORS = frozenset({"no", "not", "nope", "nah", "without", "cannot"})
_BARE_CONTRACTIONS = frozenset({"isnt", "arent", "doesnt", "dont", "wasnt", "werent"})


def read_ref(text: str) -> YesNo:
    """The paper's reading: everything that is not plainly "no" is "yes", empty outputs included.

    The text before the first full stop, without commas, is split at single spaces; the answer is
    "no" if any piece is exactly ``No``, ``no`` or ``not``.
    """
    pieces = text.partition(".")[0].replace(",", "").split(" ")
    return "no" if {"No", "no", "not"} & set(pieces) else "yes"


def read_strict(text: str) -> YesNo | None:
    """lmms-eval's reading: the whole text, lower-cased and stripped, must be "yes" or "no"."""
    word = text.lower().strip()
    if word == "yes":
        return "yes"
    return "no" if word == "no" else None


def read_robust(text: str) -> YesNo | None:
    """First word, then the first sentence's own yes, no or negation, else unparsed.

    Markup and punctuation are stripped. An answer that offers both ("yes or no") or declines
    ("I cannot tell") is unparsed. Only the first sentence is read, since later ones often speak of
    other objects.
    """
    plain = _MARKUP.sub(" ", text.lower().replace("\u2019", "'"))
    words = _WORD.findall(plain)
    if not words or _EITHER.match(plain):
        return None
    if words[0] in ("yes", "no"):
        return "yes" if words[0] == "yes" else "no"
    sentence = _first_sentence(plain)
    if _UNSURE.search(sentence):
        return None
    words = _WORD.findall(sentence)
    if any(_negates(word) for word in words):
        return None if "yes" in words else "no"
    return "yes" if "yes" in words else None


def _negates(word: str) -> bool:
    return word in _NEGATORS or word in _BARE_CONTRACTIONS or word.endswith("n't")


def _first_sentence(plain: str) -> str:
    """The first stretch between sentence ends that holds a word."""
    return next((part for part in _SENTENCE_END.split(plain) if _WORD.search(part)), "")


POPE_REF = Parser("pope_ref", 1, read_ref, "the POPE paper's reading; never unparsed, default yes")
POPE_STRICT = Parser("pope_strict", 1, read_strict, "lmms-eval's reading; exactly yes or no")
POPE_ROBUST_1 = Parser(
    "pope_robust", 1, read_robust, "the reading before version 2: first word, else negation"
)
