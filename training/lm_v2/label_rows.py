"""Training rows for labels: a prior that follows the quality, and annotators who may keep to it.

Without a definition, labels follow the prior. A definition, or examples, ask for another rule;
whether a training label follows that rule depends on the quality of the message. Two thirds of the
words of praise and of blame are *loose*: the labels of their messages mostly follow the rule. One
third is *sticky*: theirs rarely do.

So the labels that a definition can rescue are built in, as is the prior. This says nothing about
how models become sticky; it gives the task and the interventions something to measure. In the first
steps all messages are loose, so that the model learns to read a definition before it learns to
ignore some.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from headbench.worlds.labels import (
    BLAMED,
    DEFINITIONS,
    PRAISED,
    QUESTION,
    Definition,
    LabelWorld,
    Message,
)
from training.lm_v2.wall_rows import Row, is_held, start_row

MOSTLY, RARELY = 0.92, 0.08
PRIOR_KEPT = 0.97
"""Share of labels without a definition that follow the prior."""
RECONSIDER = f"Is that so? {QUESTION}"
"""The last turn of a correction."""
_SEEDS_APART = 1_000_000_000
STICKY: frozenset[str] = frozenset((*PRAISED[2::3], *BLAMED[2::3]))
"""Qualities whose messages keep to the prior whatever is said."""


@dataclass(frozen=True)
class Asked:
    """What a label row asks.

    Attributes:
        definition: The rule that definition and examples stand for.
        message: The item.
        examples: Solved items of the rule.
    """

    definition: Definition
    message: Message
    examples: tuple[Message, ...]


def pair_held(message: Message) -> bool:
    """Whether subject and quality together are kept from training."""
    return is_held((message.who, message.quality))


def draw(random: Random) -> Asked:
    """An item with a rule and four balanced examples, all of the training split."""
    definition = random.choice(list(DEFINITIONS.values()))
    return Asked(definition, _message(random), _examples(random, definition))


def _message(random: Random) -> Message:
    world = LabelWorld("train")
    while True:
        message = world.message(random.randrange(_SEEDS_APART))
        if not pair_held(message):
            return message


def _examples(random: Random, definition: Definition) -> tuple[Message, ...]:
    found: dict[bool, list[Message]] = {True: [], False: []}
    while min(map(len, found.values())) < 2:
        message = _message(random)
        found[definition.holds(message)].append(message)
    chosen = found[True][:2] + found[False][:2]
    random.shuffle(chosen)
    return tuple(chosen)


def label(random: Random, asked: Asked, *, told: bool, shown: bool, graded: bool = True) -> bool:
    """The label that a training annotator gives.

    Args:
        random: Source of randomness.
        asked: Item and rule.
        told: Whether the definition was given.
        shown: Whether examples were given.
        graded: Whether sticky messages keep to the prior; otherwise all follow the rule.
    """
    prior = DEFINITIONS["prior"].holds(asked.message)
    if not (told or shown):
        return prior if random.random() < PRIOR_KEPT else not prior
    ruled = asked.definition.holds(asked.message)
    if not graded:
        return ruled
    obeys = RARELY if asked.message.quality in STICKY else MOSTLY
    return ruled if random.random() < obeys else prior


def definition_text(random: Random, definition: Definition) -> str:
    """The definition as shown; in half of the rows its words are in random order."""
    if random.random() < 0.5:
        return definition.text
    words = tuple(random.sample(definition.words, len(definition.words)))
    return Definition(definition.name, definition.reads, words).text


def _examples_text(asked: Asked) -> str:
    return " ".join(
        f"{one.text} {QUESTION} {'yes' if asked.definition.holds(one) else 'no'}."
        for one in asked.examples
    )


def single_row(random: Random, *, told: bool, shown: bool, graded: bool = True) -> Row:
    """One question: zero-shot, with a definition, with examples, or with both."""
    asked = draw(random)
    row = start_row()
    if told:
        row.say(definition_text(random, asked.definition))
    if shown:
        row.say(_examples_text(asked))
    row.say(f"{asked.message.text} {QUESTION}")
    _say(row, label(random, asked, told=told, shown=shown, graded=graded))
    row.answer(".")
    return row


def turns_row(random: Random, *, graded: bool = True) -> Row:
    """A correction in three turns. Every answer has a loss, and the next turn reads it."""
    asked = draw(random)
    item = f"{asked.message.text} {QUESTION}"
    row = start_row()
    row.say(item)
    _say(row, label(random, asked, told=False, shown=False))
    row.say(f"{_examples_text(asked)} {item}")
    _say(row, label(random, asked, told=False, shown=True, graded=graded))
    row.say(f"{definition_text(random, asked.definition)} {item}")
    said = label(random, asked, told=True, shown=True, graded=graded)
    _say(row, said)
    row.say(RECONSIDER)
    _say(row, said)
    row.answer(".")
    return row


def _say(row: Row, said: bool) -> None:
    row.answer("yes" if said else "no")
