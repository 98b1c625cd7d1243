"""Porter's stemmer (Porter 1980, "An algorithm for suffix stripping"), as ROUGE uses it.

``rouge_score`` stems with NLTK's variant, which departs from the paper in a few suffixes and a
short list of irregular words; the departures are followed here and marked, so that published
ROUGE figures come out without either package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

_IRREGULAR = {
    form: stem
    for stem, forms in {
        "sky": ("sky", "skies"),
        "die": ("dying",),
        "lie": ("lying",),
        "tie": ("tying",),
        "news": ("news",),
        "inning": ("innings", "inning"),
        "outing": ("outings", "outing"),
        "canning": ("cannings", "canning"),
        "howe": ("howe",),
        "proceed": ("proceed",),
        "exceed": ("exceed",),
        "succeed": ("succeed",),
    }.items()
    for form in forms
}
"""NLTK's departure: words that the rules would merge wrongly."""
_STEP_2 = (
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),  # the paper: abli -> able
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),  # not in the paper
)
_STEP_3 = (
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
)
_STEP_4 = tuple(
    (suffix, "")
    for suffix in (
        *("al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent"),
        *("ion", "ou", "ism", "ate", "iti", "ous", "ive", "ize"),
    )
)


def stem(word: str) -> str:
    """The stem of one lower-case word; words of one or two letters are their own stems."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 2:
        return word
    word = _y_to_i(_past(_plural(word)))
    word = _replace(_derived(word), _STEP_3, lambda left: _measure(left) > 0)
    word = _replace(word, _STEP_4, lambda left: _measure(left) > 1)
    return _final_letters(word)


def _consonant(word: str, index: int) -> bool:
    """Whether a letter is a consonant; y is one at the start and after a vowel."""
    if word[index] == "y":
        return index == 0 or not _consonant(word, index - 1)
    return word[index] not in "aeiou"


def _shape(word: str) -> list[bool]:
    return [_consonant(word, index) for index in range(len(word))]


def _measure(word: str) -> int:
    """The paper's m: how often a vowel is followed by a consonant."""
    shape = _shape(word)
    return sum(not left and right for left, right in pairwise(shape))


def _has_vowel(word: str) -> bool:
    return not all(_shape(word))


def _doubled(word: str) -> bool:
    return len(word) > 1 and word[-1] == word[-2] and _consonant(word, len(word) - 1)


def _short_end(word: str) -> bool:
    """The paper's *o: ends consonant, vowel, consonant, the last not w, x or y."""
    shape = _shape(word)
    if len(word) == 2:  # not in the paper
        return shape == [False, True]
    return shape[-3:] == [True, False, True] and word[-1] not in "wxy"


def _replace(word: str, rules: Sequence[tuple[str, str]], allowed: Callable[[str], bool]) -> str:
    """The first rule whose suffix matches decides, whether or not its condition holds."""
    for suffix, new in rules:
        if word.endswith(suffix):
            left = word.removesuffix(suffix)
            # "ion" goes only after s or t.
            fits = suffix != "ion" or left[-1:] in ("s", "t")
            if fits:
                return left + new if allowed(left) else word
    return word


def _plural(word: str) -> str:
    """Step 1a."""
    if word.endswith("ies") and len(word) == 4:  # not in the paper: dies -> die
        return word[:-1]
    for suffix, new in (("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", "")):
        if word.endswith(suffix):
            return word.removesuffix(suffix) + new
    return word


def _past(word: str) -> str:
    """Step 1b."""
    if word.endswith("ied"):  # not in the paper: died -> die, spied -> spi
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        left = word.removesuffix(suffix)
        if left != word and _has_vowel(left):
            return _corrected(left)
    return word


def _corrected(left: str) -> str:
    """What remains of a word after -ed or -ing, made a word again."""
    if left.endswith(("at", "bl", "iz")):
        return left + "e"
    if _doubled(left):
        return left if left[-1] in "lsz" else left[:-1]
    return left + "e" if _measure(left) == 1 and _short_end(left) else left


def _y_to_i(word: str) -> str:
    """Step 1c; the paper asks for a vowel before, NLTK for a consonant and one letter more."""
    if len(word) > 2 and word.endswith("y") and _consonant(word, len(word) - 2):
        return word[:-1] + "i"
    return word


def _derived(word: str) -> str:
    """Step 2."""
    if word.endswith("alli") and _measure(word[:-4]) > 0:  # the paper: alli -> al, and done
        return _derived(word[:-2])
    if word.endswith("alli"):
        return word
    if word.endswith("logi"):  # not in the paper
        return word[:-1] if _measure(word[:-3]) > 0 else word
    return _replace(word, _STEP_2, lambda left: _measure(left) > 0)


def _final_letters(word: str) -> str:
    """Step 5."""
    if word.endswith("e"):
        left = word[:-1]
        measure = _measure(left)
        if measure > 1 or (measure == 1 and not _short_end(left)):
            word = left
    if word.endswith("ll") and _measure(word[:-1]) > 1:
        word = word[:-1]
    return word
