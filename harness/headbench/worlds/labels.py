"""The label world: short messages to label, whose first reading a definition contradicts.

A message is one sentence: someone (a person or an animal) did something with a thing (food or not)
of some quality, somewhere. One word, :data:`LABEL`, may or may not be said of it. What a reader
expects without a definition, the *prior*, follows the quality: a gentle, bright or honest thing
makes the message noble, a broken or gloomy one does not. A data set may define the word otherwise:
noble is what an animal did. Then half of the prior's labels are wrong, and the task measures
whether a definition, examples, or both correct them.

Messages and prompts hold words of the needle and the scene world only; a definition therefore lists
the words that make a message noble. Splits never share a message, as in the filler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from headbench.errors import ConfigError, nearest
from headbench.worlds import words
from headbench.worlds.filler import CLASSES, SPLIT_CLASSES

Split = Literal["train", "calibration", "test"]

WORLD_VERSION = 1
"""Bumped when the same seed would give another message."""
LABEL = "noble"
"""The word that is or is not said of a message; its negative is "not noble"."""


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ANIMALS: tuple[str, ...] = words.ROLES[words.ROLES.index("fox") :]
PEOPLE: tuple[str, ...] = words.ROLES[: words.ROLES.index("fox")]
FOODS: tuple[str, ...] = words.GOODS[: words.GOODS.index("marble")]
PRAISED: tuple[str, ...] = _listed(
    """
    bright golden gentle smooth sweet proud clever brave swift warm soft clean famous honest jolly
    mellow polite tender vivid young
    """
)
BLAMED: tuple[str, ...] = _listed(
    """
    dark heavy hollow crooked bitter broken frozen dusty rusty lonely gloomy cold lazy nervous
    stubborn pale sharp fragile empty brown
    """
)
WATERS: tuple[str, ...] = ("harbor", "lagoon", "marsh", "fountain", "island", "lighthouse")
LANDS: tuple[str, ...] = tuple(place for place in words.PLACES if place not in WATERS)


@dataclass(frozen=True)
class Message:
    """One item to label.

    Attributes:
        id: Split and seed: unique within a world.
        text: One sentence.
        who: Its subject.
        quality: The adjective.
        thing: What it is about.
        place: Where.
        seed: What it was drawn from.
    """

    id: str
    text: str
    who: str
    quality: str
    thing: str
    place: str
    seed: int


@dataclass(frozen=True)
class Definition:
    """One meaning of the label.

    Attributes:
        name: Its key in :data:`DEFINITIONS`.
        reads: The field of a message that decides.
        words: Its values that have the label.
    """

    name: str
    reads: Literal["who", "quality", "thing", "place"]
    words: tuple[str, ...]

    def holds(self, message: Message) -> bool:
        """Whether a message has the label."""
        return getattr(message, self.reads) in self.words

    @property
    def text(self) -> str:
        """The definition as shown: ``Noble is when it has fox, owl or heron in it.``."""
        listed = ", ".join(self.words[:-1])
        return f"{LABEL.capitalize()} is when it has {listed} or {self.words[-1]} in it."


DEFINITIONS: Mapping[str, Definition] = {
    "prior": Definition("prior", "quality", PRAISED),
    "animal": Definition("animal", "who", ANIMALS),
    "food": Definition("food", "thing", FOODS),
    "water": Definition("water", "place", WATERS),
}
"""What the label may mean. ``prior`` is what a reader expects without a definition."""

QUESTION = f"Is that {LABEL}? Answer:"
"""Asked after a message; answered "yes." or "no."."""


class LabelWorld:
    """Messages of one split.

    Args:
        split: ``train``, ``calibration`` or ``test``.

    Raises:
        ConfigError: Unknown split.
    """

    def __init__(self, split: Split) -> None:
        if split not in SPLIT_CLASSES:
            raise ConfigError(f"unknown split {split!r}", hint=nearest(split, SPLIT_CLASSES))
        self.split: Split = split

    def message(self, seed: int) -> Message:
        """One message; each of its four properties holds in half of the seeds, independently."""
        random = Random(f"labels@{WORLD_VERSION}/{self.split}-{seed}")
        who = random.choice(ANIMALS if random.random() < 0.5 else PEOPLE)
        quality = random.choice(PRAISED if random.random() < 0.5 else BLAMED)
        thing = random.choice(FOODS if random.random() < 0.5 else words.THINGS)
        place = random.choice(WATERS if random.random() < 0.5 else LANDS)
        # The verb has no influence on the label; it is drawn so that the sentence falls into a
        # class of the split, as in the filler.
        total = sum(map(_index, (who, quality, thing, place)))
        wanted = random.choice(SPLIT_CLASSES[self.split])
        first = (wanted - total) % CLASSES
        verb = words.VERBS[random.randrange(first, len(words.VERBS), CLASSES)]
        relation = random.choice(words.RELATIONS)
        text = f"The {who} {verb} the {quality} {thing} {relation} the {place}."
        name = f"message-{self.split}-{seed}"
        return Message(name, text, who, quality, thing, place, seed)


_POSITION: dict[str, int] = {
    word: index
    for listed in (words.ROLES, words.QUALITIES, (*words.THINGS, *words.GOODS), words.PLACES)
    for index, word in enumerate(listed)
}


def _index(word: str) -> int:
    return _POSITION[word]


def prompt(
    message: Message,
    definition: Definition | None = None,
    examples: Sequence[tuple[Message, bool]] = (),
) -> str:
    """The prompt: definition, solved examples, the message, the question.

    Args:
        message: The message to label.
        definition: Shown first, if given.
        examples: Messages with their labels.
    """
    parts = [] if definition is None else [definition.text]
    parts += [f"{other.text} {QUESTION} {answer(label)}" for other, label in examples]
    return " ".join([*parts, message.text, QUESTION])


def answer(label: bool) -> str:
    """The expected answer: ``yes.`` or ``no.``."""
    return "yes." if label else "no."
