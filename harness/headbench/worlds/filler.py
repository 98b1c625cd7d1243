"""Prose-like filler: seeded sentences from grammar templates.

A protagonist, a place and an object recur within a paragraph, so that a language model has
something to follow. Every sentence has a *class* in 0..4: the sum of the list positions of its
words, modulo :data:`CLASSES`. Each split of a world owns its classes, so no sentence of the test
split occurs verbatim in training.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from headbench.worlds import words

CLASSES = 5
"""Sentences and needle pairs fall into this many classes."""
SPLIT_CLASSES: dict[str, tuple[int, ...]] = {
    "train": (0, 1, 2),
    "calibration": (3,),
    "test": (4,),
}
"""Split -> the classes that it may use: disjoint, and together all classes."""

_SLOTS: dict[str, tuple[str, ...]] = {
    "role": words.ROLES,
    "place": words.PLACES,
    "event": words.EVENTS,
    "thing": (*words.THINGS, *words.GOODS),
    "quality": words.QUALITIES,
    "number": words.NUMBER_VALUES,
    "verb": words.VERBS,
    "motion": words.MOTIONS,
    "manner": words.MANNERS,
    "relation": words.RELATIONS,
    "time": words.TIMES,
    "name": (*words.WOMEN, *words.MEN),
}
# "*" marks the slot that is drawn last, so that the sentence falls into a class of its split.
# Upper-case slots belong to the paragraph: its hero, pronoun, place and thing.
_TEMPLATES: tuple[tuple[str, ...], ...] = tuple(
    tuple(line.split())
    for line in """
    HERO *motion from the <place> to the PLACE .
    HERO *verb the <quality> THING in the PLACE .
    PRONOUN *verb the THING and <motion> back to the <place> .
    the <role> *verb a <quality> <thing> <relation> the PLACE .
    there was a *quality THING <relation> the <place> .
    nobody knew why the <role> <motion> so *manner .
    after <number> days the <role> came back with a *quality <thing> .
    on <time> HERO <motion> *manner through the PLACE .
    PRONOUN counted <number> steps from the PLACE to the *quality <place> .
    the <role> said that the <event> was very *quality .
    before the <event> , HERO had *verb the THING .
    HERO asked the <role> where the *quality <thing> was .
    the THING in the PLACE was <quality> and *quality .
    every <time> the <role> *verb some <thing> for the <event> .
    <name> thought that PRONOUN had *verb the <thing> .
    when the <event> was over , the <quality> <role> *motion into the PLACE .
    PRONOUN hoped that <name> had not *verb the THING .
    some people *motion across the PLACE during the <event> .
    """.strip().splitlines()
)
_TOPIC_INDEX: dict[str, int] = {
    word: index
    for listed in (words.WOMEN, words.MEN, words.PLACES, words.THINGS, ("she", "he"))
    for index, word in enumerate(listed)
}
_PARAGRAPH = (3, 7)
"""Sentences in a paragraph: at least, and fewer than."""


@dataclass(frozen=True)
class _Topic:
    """What recurs within a paragraph."""

    hero: str
    pronoun: str
    place: str
    thing: str


def _topic(random: Random) -> _Topic:
    woman = random.random() < 0.5
    return _Topic(
        hero=random.choice(words.WOMEN if woman else words.MEN),
        pronoun="she" if woman else "he",
        place=random.choice(words.PLACES),
        thing=random.choice(words.THINGS),
    )


def _sentence(random: Random, topic: _Topic, classes: tuple[int, ...]) -> list[str]:
    """One sentence whose class is one of ``classes``."""
    template_index = random.randrange(len(_TEMPLATES))
    total, closing, sentence = template_index, 0, []
    for position, part in enumerate(_TEMPLATES[template_index]):
        if part[0] == "<":
            choices = _SLOTS[part[1:-1]]
            drawn = random.randrange(len(choices))
            total += drawn
            sentence.append(choices[drawn])
        elif part[0] == "*":
            closing = position
            sentence.append(part[1:])
        elif part.isupper():
            word = getattr(topic, part.lower())
            total += _TOPIC_INDEX[word]
            sentence.append(word)
        else:
            sentence.append(part)
    # The class is a sum modulo CLASSES, so the last slot can set it: every CLASSES-th of its words,
    # from the right offset, puts the sentence into the wanted class.
    choices = _SLOTS[sentence[closing]]
    first = (random.choice(classes) - total) % CLASSES
    sentence[closing] = choices[random.randrange(first, len(choices), CLASSES)]
    return sentence


def sentences(random: Random, split: str) -> Iterator[list[str]]:
    """Prose of one split, without end.

    Args:
        random: Source of randomness; the same state gives the same prose.
        split: A key of :data:`SPLIT_CLASSES`.

    Yields:
        The words of one sentence, lower case, its full stop last.
    """
    classes = SPLIT_CLASSES[split]
    while True:
        topic = _topic(random)
        for _ in range(random.randrange(*_PARAGRAPH)):
            yield _sentence(random, topic, classes)
