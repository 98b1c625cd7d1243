"""The wall world: sixteen words in four groups; some words would also fit another group.

A wall shows four groups of four words, shuffled; the task is to find the groups and to name what
each has in common. A *red herring* is a word that also belongs to another group of the same wall:
orange is a fruit and a color. Every wall has exactly one solution (all assignments are tried).

Every clue, and every word of the prompt, is a word of the needle or the scene world, so a
model that knows those worlds can read walls too; only the names of the connections are new. Splits
never share a wall: the digest of its words decides its class, and each split owns its classes.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from headbench.errors import ConfigError, nearest
from headbench.worlds.filler import CLASSES, SPLIT_CLASSES

Split = Literal["train", "calibration", "test"]

WORLD_VERSION = 1
"""Bumped when the same seed would give another wall."""
GROUPS = 4
SIZE = 4
MAX_HERRINGS = 3

_LISTS = """
colors: red green blue yellow purple orange brown white black silver olive peach plum ruby ivory
fruits: orange lemon cherry olive peach plum raisin melon apricot apple banana
vegetables: onion carrot radish turnip pumpkin garlic pepper
spices: cinnamon ginger saffron mustard vanilla garlic pepper
birds: owl heron raven falcon sparrow
beasts: fox badger otter rabbit donkey dog cat
swimmers: salmon fish crab turtle otter
instruments: violin trumpet drum flute bell whistle
weapons: sword dagger arrow pistol axe
tools: hammer chisel shovel sickle axe mallet plow broom
tableware: spoon fork bowl cup goblet dish knife teapot kettle
clothes: jacket scarf apron coat veil boot hat shoe helmet crown
materials: marble velvet linen leather paper wool silk granite timber ivory silver
treasures: ruby pearl amber coin crown medal locket silver
furniture: table chair bench desk cabinet cradle bed chest
jobs: baker sailor teacher farmer painter doctor miller hunter tailor captain nurse judge
buildings: castle tower temple chapel palace school hospital factory prison museum library
waters: lagoon marsh harbor fountain glacier flood
calendar: monday friday sunday april june october winter summer autumn
events: wedding festival parade feast concert picnic contest funeral flood
women: anna clara elena grace helen iris julia laura maria nora olivia rosa june ruby pearl
men: adam boris carl david emil felix george henry ivan jacob leo martin oscar peter victor
motions: walked hurried wandered climbed drifted marched rushed sailed strolled crawled danced
"""
CATEGORIES: Mapping[str, tuple[str, ...]] = {
    name: tuple(members.split())
    for name, members in (line.split(":") for line in _LISTS.strip().splitlines())
}
"""Name of a connection -> the words that share it."""
WALL_WORDS: tuple[str, ...] = tuple(
    dict.fromkeys((*CATEGORIES, *itertools.chain(*CATEGORIES.values())))
)
"""Every word of the wall world, each once, in a fixed order."""

_HOMES: dict[str, frozenset[str]] = {
    word: frozenset(name for name, members in CATEGORIES.items() if word in members)
    for word in itertools.chain(*CATEGORIES.values())
}
_PAIRS: tuple[tuple[str, str], ...] = tuple(
    (one, other)
    for one, other in itertools.combinations(CATEGORIES, 2)
    if not set(CATEGORIES[one]).isdisjoint(CATEGORIES[other])
)


@dataclass(frozen=True)
class Wall:
    """One puzzle with its solution.

    Attributes:
        id: Split, seed and number of red herrings: unique within a world.
        clues: The sixteen words as shown.
        groups: The solution, four words each.
        connections: What each group has in common, in the groups' order.
        herrings: Clues that also belong to another group's connection.
        seed: What it was drawn from.
    """

    id: str
    clues: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    connections: tuple[str, ...]
    herrings: tuple[str, ...]
    seed: int


class WallWorld:
    """Walls of one split.

    Args:
        split: ``train``, ``calibration`` or ``test``.
        herrings: Red herrings per wall, 0 to :data:`MAX_HERRINGS`.

    Raises:
        ConfigError: Unknown split, or a number out of range.
    """

    def __init__(self, split: Split, herrings: int = 2) -> None:
        if split not in SPLIT_CLASSES:
            raise ConfigError(f"unknown split {split!r}", hint=nearest(split, SPLIT_CLASSES))
        if not 0 <= herrings <= MAX_HERRINGS:
            raise ConfigError(f"herrings must be 0 to {MAX_HERRINGS}, not {herrings}")
        self.split: Split = split
        self.herrings = herrings

    def wall(self, seed: int) -> Wall:
        """One wall, a pure function of split, number of herrings and seed."""
        name = f"{self.split}-{self.herrings}-{seed}"
        random = Random(f"walls@{WORLD_VERSION}/{name}")
        while True:
            groups = _draw(random, self.herrings)
            if groups is None or _class(groups) not in SPLIT_CLASSES[self.split]:
                continue
            if sum(1 for _ in solutions(groups)) == 1:
                break
        clues = [word for _, members in groups for word in members]
        random.shuffle(clues)
        return Wall(
            id=f"wall-{name}",
            clues=tuple(clues),
            groups=tuple(members for _, members in groups),
            connections=tuple(connection for connection, _ in groups),
            herrings=_herrings(groups),
            seed=seed,
        )


def prompt(clues: Sequence[str]) -> str:
    """The prompt of a wall: ``Question: orange, doctor, ... sword. Answer:``."""
    return f"Question: {', '.join(clues)}. Answer:"


def answer(groups: Sequence[Sequence[str]]) -> str:
    """The expected answer: groups in any order, separated by semicolons, all on one line."""
    return "; ".join(", ".join(group) for group in groups) + "."


def naming_prompt(group: Sequence[str]) -> str:
    """The prompt for a name: ``Question: owl, heron, raven, falcon are what? Answer:``."""
    return f"Question: {', '.join(group)} are what? Answer:"


Solution = Sequence[tuple[str, tuple[str, ...]]]
"""``(connection, members)`` of each group."""


def solutions(groups: Solution) -> Iterator[dict[str, str]]:
    """Every way to give each word one of its homes on the wall with four words per connection.

    Args:
        groups: A wall's groups; only their words and connections are read.

    Yields:
        Word -> connection.
    """
    names = [name for name, _ in groups]
    words = [word for _, members in groups for word in members]
    homes = {word: [name for name in names if name in _HOMES[word]] for word in words}
    fixed = {word: found[0] for word, found in homes.items() if len(found) == 1}
    open_words = [word for word in words if word not in fixed]
    for choice in itertools.product(*(homes[word] for word in open_words)):
        given = fixed | dict(zip(open_words, choice, strict=True))
        counts = [sum(home == name for home in given.values()) for name in names]
        if counts == [SIZE] * GROUPS:
            yield given


def _draw(random: Random, wanted: int) -> list[tuple[str, tuple[str, ...]]] | None:
    """Four groups with exactly ``wanted`` red herrings, or ``None`` if this draw cannot have it."""
    names = _connections(random, wanted)
    shared = {
        word: sorted(home for home in names if home in _HOMES[word])
        for word in sorted({word for name in names for word in CATEGORIES[name]})
    }
    double = [word for word, homes in shared.items() if len(homes) > 1]
    if len(double) < wanted:
        return None
    chosen: dict[str, list[str]] = {name: [] for name in names}
    for word in random.sample(double, wanted):
        chosen[random.choice(shared[word])].append(word)
    for name in names:
        plain = [word for word in CATEGORIES[name] if len(shared[word]) == 1]
        missing = SIZE - len(chosen[name])
        if missing < 0 or len(plain) < missing:
            return None
        chosen[name] += random.sample(plain, missing)
    return [(name, tuple(sorted(members))) for name, members in chosen.items()]


def _connections(random: Random, wanted: int) -> list[str]:
    """Four connections; with herrings wanted, pairs that share words come first."""
    names: list[str] = []
    for _ in range(wanted):
        if len(names) <= GROUPS - 2:
            names += [name for name in random.choice(_PAIRS) if name not in names]
    rest = [name for name in CATEGORIES if name not in names]
    return [*names, *random.sample(rest, GROUPS - len(names))]


def _herrings(groups: Solution) -> tuple[str, ...]:
    names = {name for name, _ in groups}
    return tuple(
        word for name, members in groups for word in members if len(_HOMES[word] & (names - {name}))
    )


def _class(groups: Solution) -> int:
    """Class of a wall: the digest of its words, whatever their order."""
    words = " ".join(sorted(word for _, members in groups for word in members))
    return hashlib.sha256(words.encode()).digest()[0] % CLASSES
