"""Training rows for walls: sixteen clues to group, four clues to name.

Groups may be given in any order, and so may the clues of a group. So a position of the answer has
several right tokens: the remaining clues of its group or, where a group begins, of all groups. A
row lists them, and the loss takes the total probability of these tokens.

Three things are held out: the walls of the other splits (by the world itself), every group of four
whose digest is in :data:`HELD`, and, for labels, pairs of words (see ``label_rows``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Literal

from headbench.worlds.walls import CATEGORIES, MAX_HERRINGS, WallWorld, naming_prompt, prompt
from training.lm_v2.model import vocabulary_v2
from training.lm_v2.vocabulary import BOS

Split = Literal["train", "calibration", "test"]
Groups = tuple[tuple[str, ...], ...]

DIGEST_CLASSES = 10
HELD: Mapping[str, frozenset[int]] = {
    "test": frozenset({0, 1}),
    "calibration": frozenset({2}),
}
"""Split -> digest classes of word groups and word pairs that no training row contains."""
WHOLE_WALL = 68
"""Tokens of a whole wall with its answer."""
_TOKEN = re.compile(r"\w+|[^\w\s]")
_SEEDS_APART = 1_000_000_000


@dataclass
class Row:
    """One training row while it is built.

    Attributes:
        tokens: Ids, ``<s>`` first.
        wanted: Position -> ids that are right there.
    """

    tokens: list[int] = field(default_factory=list)
    wanted: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """Append text without a loss."""
        self.tokens += ids(text)

    def answer(self, word: str, among: Sequence[str] = ()) -> None:
        """Append a word or mark with a loss; all words of ``among`` are right, if given."""
        self.wanted[len(self.tokens)] = tuple(ids(" ".join(among or (word,))))
        self.tokens += ids(word)


def start_row() -> Row:
    """A row with its ``<s>``."""
    return Row([_entries()[BOS]])


@cache
def _entries() -> dict[str, int]:
    return vocabulary_v2()


def ids(text: str) -> list[int]:
    """Token ids of a text, as the tokenizer gives them, without ``<s>``.

    Raises:
        KeyError: A word is not in the vocabulary; training text has no unknown words.
    """
    entries = _entries()
    return [entries[token] for token in _TOKEN.findall(text.lower())]


def digest_class(words: Sequence[str]) -> int:
    """Class of a set of words, independent of their order; decides whether training may use it."""
    text = " ".join(sorted(words))
    return hashlib.sha256(f"held/{text}".encode()).digest()[0] % DIGEST_CLASSES


def is_held(words: Sequence[str]) -> bool:
    """Whether these words are held out as an answer."""
    return any(digest_class(words) in classes for classes in HELD.values())


def walls(seed: int, step: int) -> Iterator[tuple[tuple[str, ...], Groups, tuple[str, ...]]]:
    """Endless training walls of one step: clues, groups, connections."""
    random = Random(f"lm2-walls/{seed}/{step}")
    worlds = [WallWorld("train", herrings) for herrings in range(MAX_HERRINGS + 1)]
    while True:
        wall = random.choice(worlds).wall(random.randrange(_SEEDS_APART))
        if not any(is_held(group) for group in wall.groups):
            yield wall.clues, wall.groups, wall.connections


def part_of(
    random: Random, clues: Sequence[str], groups: Groups, number: int, size: int
) -> tuple[tuple[str, ...], Groups]:
    """A smaller wall: ``number`` of the groups with ``size`` of their clues, in random order."""
    kept = tuple(tuple(random.sample(group, size)) for group in random.sample(list(groups), number))
    inside = {clue for group in kept for clue in group}
    return tuple(clue for clue in clues if clue in inside), kept


def grouping_row(random: Random, clues: Sequence[str], groups: Groups) -> Row:
    """A wall and its solution: groups in random order, words of two lists last in their group.

    While words of only one list remain, words of several lists do not count as right: after a group
    that begins with "orange" the model would have to guess which group it is.
    """
    row = start_row()
    row.say(prompt(clues))
    left = [sorted(random.sample(group, len(group)), key=has_two_homes) for group in groups]
    random.shuffle(left)
    for number, group in enumerate(left):
        for place, clue in enumerate(group):
            rest = group[place:] if place else [one for later in left[number:] for one in later]
            row.answer(clue, _among(clue, rest))
            last = ";" if number + 1 < len(left) else "."
            row.answer("," if place + 1 < len(group) else last)
    return row


def _among(clue: str, rest: Sequence[str]) -> Sequence[str]:
    """Which of the remaining clues are right in the place of ``clue``."""
    plain = [one for one in rest if not has_two_homes(one)]
    return rest if has_two_homes(clue) else plain


@cache
def has_two_homes(word: str) -> bool:
    """Whether a word belongs to several connections, on this wall or in general."""
    return sum(word in members for members in CATEGORIES.values()) > 1


def naming_row(random: Random, group: Sequence[str], connection: str) -> Row:
    """A solved group and its connection."""
    row = start_row()
    row.say(naming_prompt(random.sample(list(group), len(group))))
    row.answer(connection)
    row.answer(".")
    return row
