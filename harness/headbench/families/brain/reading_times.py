"""Surprisal against reading times: tokens and words aligned by character, not by count.

    surprisal(word) = -sum over its tokens of log2 p(token | everything before)            (bits)

A word's reading time is correlated with its surprisal (Futrell et al. 2021; arXiv 2312.00575). A
misalignment by one word still correlates, a little less: .176 or .116 instead of .212 on Natural
Stories, whose copies of before May 2025 had such errors. :func:`shift_profile` shows it and
:func:`check_alignment` refuses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.rdm import Booleans, Floats
from headbench.families.brain.weighted_correlation import pearson

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SENTENCE_ENDS = ".!?"
CLOSING_MARKS = "'\"’”)]»"


@dataclass(frozen=True)
class WordSurprisal:
    """Surprisal of each word of a text.

    Attributes:
        bits: ``[word]``, summed over the word's tokens; NaN where the word is not aligned.
        aligned: ``[word]``: the tokens' characters are the word's, each token belongs to one word,
            and each has a log-probability. The first word of a text mostly has none.
    """

    bits: Floats
    aligned: Booleans


def word_surprisal(
    tokens: Sequence[str], log_probabilities: ArrayLike, words: Sequence[str]
) -> WordSurprisal:
    """Sum token surprisal per word, aligned by the characters that are no white space.

    Args:
        tokens: Texts of the tokens, blanks included; together the text that the words make.
        log_probabilities: ``[token]``, natural logarithms; NaN for a token without one.
        words: In order, without blanks.

    Returns:
        Per word. A token of white space alone counts to the next word. Words that spell one
        character otherwise than the tokens, and words that share a token, are not aligned.

    Raises:
        DataError: The texts differ in length, so that characters cannot be paired.
    """
    chances = np.asarray(log_probabilities, dtype=np.float64)
    if chances.shape != (len(tokens),):
        raise DataError(
            f"{chances.size} log-probabilities for {len(tokens)} tokens",
            where="log_probabilities",
            hint="give one per token, NaN for the first",
        )
    letters, owner = _characters(words)
    spelled, _ = _characters(tokens)
    if len(letters) != len(spelled):
        at = next((i for i, (a, b) in enumerate(zip(letters, spelled, strict=False)) if a != b), 0)
        raise DataError(
            "tokens and words are different texts",
            where=f"{len(spelled)} and {len(letters)} characters; they part at character {at}: "
            f"{spelled[at : at + 20]!r} and {letters[at : at + 20]!r}",
            hint="use the same version of the text on both sides",
        )
    bits, aligned = np.zeros(len(words)), np.ones(len(words), dtype=np.bool_)
    place, waiting = 0, 0.0
    for token, chance in zip(tokens, chances.tolist(), strict=True):
        own = "".join(token.split())
        part = slice(place, place + len(own))
        place += len(own)
        if not own:
            waiting += chance
            continue
        mine = np.unique(owner[part])
        bits[mine] -= (chance + waiting) / np.log(2)
        waiting = 0.0
        if len(mine) > 1 or letters[part] != own:
            aligned[mine] = False
    aligned &= np.isfinite(bits)
    return WordSurprisal(np.where(aligned, bits, np.nan), aligned)


def sentence_initial(words: Sequence[str]) -> Booleans:
    """``[word]``: the first word of a text, and each after . ! or ? and closing marks."""
    found = []
    before = "."
    for word in words:
        found.append(before.rstrip(CLOSING_MARKS)[-1:] in tuple(SENTENCE_ENDS))
        before = word
    return np.array(found, dtype=np.bool_)


def shift_profile(
    surprisal: ArrayLike, times: ArrayLike, shifts: Sequence[int] = (-1, 0, 1)
) -> Mapping[int, float]:
    """Correlation with the reading times of words further on or back in the list.

    Args:
        surprisal: ``[word]``, NaN where unknown: such words are dropped before the shift.
        times: ``[word]``, mean reading times in milliseconds, in the same order.
        shifts: ``s`` pairs word i with the time of word ``i - s``; the ends are left out.

    Returns:
        Shift -> Pearson r.
    """
    bits, ms = np.asarray(surprisal, np.float64), np.asarray(times, np.float64)
    if bits.shape != ms.shape or bits.ndim != 1:
        raise DataError(
            f"{bits.size} surprisals and {ms.size} reading times",
            where="shape",
            hint="one per word",
        )
    known = np.isfinite(bits) & np.isfinite(ms)
    bits, ms = bits[known], ms[known]
    found = {}
    for shift in shifts:
        left = bits[max(shift, 0) : len(bits) + min(shift, 0)]
        right = ms[max(-shift, 0) : len(ms) + min(-shift, 0)]
        found[shift] = pearson(left, right)
    return found


def check_alignment(surprisal: ArrayLike, times: ArrayLike) -> float:
    """The correlation of aligned words, refused where a shift by one word gives a greater one.

    Returns:
        Pearson r without a shift.

    Raises:
        DataError: Shifted lists fit better: the two files count words differently.
    """
    profile = shift_profile(surprisal, times)
    best = max(profile, key=lambda shift: profile[shift])
    if best:
        raise DataError(
            "reading times fit the neighbouring word better than their own",
            where=f"r {profile[0]:.3f} in place, {profile[best]:.3f} shifted by {best}",
            hint="a word is missing or doubled in one of the files: compare their texts",
        )
    return profile[0]


def _characters(texts: Sequence[str]) -> tuple[str, np.ndarray]:
    """All characters that are no white space, and the index of the text each belongs to."""
    parts = ["".join(text.split()) for text in texts]
    owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return "".join(parts), owner
