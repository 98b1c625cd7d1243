"""ROUGE-1: words that two texts share, each counted at most as often as both hold it.

Lin 2004. Words are lower-cased runs of ASCII letters and digits; with ``stemmed``, those of more
than three letters are stemmed, as in ``rouge_score`` with ``use_stemmer=True``.
"""

from __future__ import annotations

import re
from collections import Counter

from headbench.scoring.porter import stem

_WORD = re.compile(r"[a-z0-9]+")


def tokens(text: str, stemmed: bool = True) -> list[str]:
    """ROUGE's words of a text, in order."""
    words = _WORD.findall(text.lower())
    if not stemmed:
        return words
    stems = {word: stem(word) if len(word) > 3 else word for word in set(words)}
    return [stems[word] for word in words]


def rouge1_recall(reference: str, response: str, stemmed: bool = True) -> float:
    """Share of the reference's words that the response holds, 0..1; 0 for an empty reference."""
    wanted, said = Counter(tokens(reference, stemmed)), Counter(tokens(response, stemmed))
    total = sum(wanted.values())
    return sum((wanted & said).values()) / total if total else 0.0


def rouge1_f1(reference: str, candidate: str) -> float:
    """F1 of the words that two texts share, counted with repetition; 0 where either is empty."""
    gold, given = (Counter(_WORD.findall(text.lower())) for text in (reference, candidate))
    shared = sum((gold & given).values())
    return 2 * shared / (gold.total() + given.total()) if shared else 0.0
