"""Training rows for walls: sixteen clues to group, four clues to name.

Groups may be given in any order, and so may the clues of a group. A word of the answer therefore
has several right continuations: all clues that are left of the group it stands in or, where a group
begins, of all groups. A row lists them, and the loss asks for any one of them.

Three things are kept from training: the walls of the other splits (the world sees to that), every
group of four whose digest falls into :data:`HELD_GROUPS`, and, for labels, pairs of words (see
``lm2_labels``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Literal

from headbench.reference.lm2_model import vocabulary_v2
from headbench.reference.vocabulary import BOS
from headbench.worlds.walls import MAX_HERRINGS, WallWorld, naming_prompt, prompt

Split = Literal["train", "calibration", "test"]

DIGEST_CLASSES = 10
HELD: Mapping[str, frozenset[int]] = {
    "test": frozenset({0, 1}),
    "calibration": frozenset({2}),
}
"""Digest classes of word groups and word pairs that no training row holds, by who asks them."""
_TOKEN = re.compile(r"\w+|[^\w\s]")
_SEEDS_APART = 1_000_000_000


@dataclass
class Row:
    """One training row while it is built.

    Attributes:
        tokens: Ids, ``<s>`` first.
        wanted: Position -> ids of which any one is right there.
    """

    tokens: list[int] = field(default_factory=list)
    wanted: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """Append a text that nobody asks for."""
        self.tokens += ids(text)

    def answer(self, token: int, among: Sequence[int] = ()) -> None:
        """Append a token that is asked for; with ``among``, any of these would do."""
        self.wanted[len(self.tokens)] = tuple(among) or (token,)
        self.tokens.append(token)


def start_row() -> Row:
    """A row with its ``<s>``."""
    return Row([_entries()[BOS]])


@cache
def _entries() -> dict[str, int]:
    return vocabulary_v2()


def ids(text: str) -> list[int]:
    """Token ids of a text, as the tokenizer gives them, without ``<s>``.

    Raises:
        KeyError: A word is not in the vocabulary: training text must be known fully.
    """
    entries = _entries()
    return [entries[token] for token in _TOKEN.findall(text.lower())]


def digest_class(words: Sequence[str]) -> int:
    """Class of a set of words, whatever their order; decides who may train on it."""
    text = " ".join(sorted(words))
    return hashlib.sha256(f"held/{text}".encode()).digest()[0] % DIGEST_CLASSES


def is_held(words: Sequence[str]) -> bool:
    """Whether training must not show these words together as one answer."""
    return any(digest_class(words) in classes for classes in HELD.values())


def walls(
    seed: int, step: int
) -> Iterator[tuple[tuple[str, ...], tuple[tuple[str, ...], ...], tuple[str, ...]]]:
    """Endless training walls of one step: clues, groups, connections."""
    random = Random(f"lm2-walls/{seed}/{step}")
    worlds = [WallWorld("train", herrings) for herrings in range(MAX_HERRINGS + 1)]
    while True:
        wall = random.choice(worlds).wall(random.randrange(_SEEDS_APART))
        if not any(is_held(group) for group in wall.groups):
            yield wall.clues, wall.groups, wall.connections


def grouping_row(random: Random, clues: Sequence[str], groups: Sequence[Sequence[str]]) -> Row:
    """A wall and its solution, groups and clues in random order."""
    row = start_row()
    row.say(prompt(clues))
    left = [[ids(clue)[0] for clue in group] for group in groups]
    random.shuffle(left)
    comma, semicolon, stop = ids(",;.")
    for number, group in enumerate(left):
        random.shuffle(group)
        for place, clue in enumerate(group):
            among = group[place:] if place else [one for rest in left[number:] for one in rest]
            row.answer(clue, among)
            last = semicolon if number + 1 < len(left) else stop
            row.answer(comma if place + 1 < len(group) else last)
    return row


def naming_row(random: Random, group: Sequence[str], connection: str) -> Row:
    """A solved group and its connection."""
    row = start_row()
    row.say(naming_prompt(random.sample(list(group), len(group))))
    for token in ids(f"{connection}."):
        row.answer(token)
    return row
