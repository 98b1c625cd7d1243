"""The needle world: facts hidden in prose-like filler, and questions about them.

A needle is one sentence, "The secret word of KEY is V1 V2 V3." A document hides one to eight of
them at chosen depths and asks for one or more. Text is ordinary English: a capital at the start of
a sentence, punctuation attached to the word before it; each word and each punctuation mark is one
token of the reference models.

Splits are disjoint: each has its own seed space, its own filler sentences
(:mod:`headbench.worlds.filler`) and its own pairs of key and value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from headbench.errors import ConfigError, nearest
from headbench.worlds import words
from headbench.worlds.filler import CLASSES, SPLIT_CLASSES, sentences

Split = Literal["train", "calibration", "test"]
Family = Literal["words", "numbers", "mixed"]

WORLD_VERSION = 1
"""Bumped when the same seed would give another document."""
VALUES = 3
"""Values per needle."""
MAX_NEEDLES = 8
NOUNS: dict[str, str] = {"words": "word", "numbers": "number", "mixed": "code"}
"""Family -> what the needle sentence calls its values."""
_POOLS: dict[str, tuple[str, ...]] = {
    "words": words.WORD_VALUES,
    "numbers": words.NUMBER_VALUES,
    "mixed": (*words.WORD_VALUES, *words.NUMBER_VALUES),
}
_VALUE_INDEX = {value: index for index, value in enumerate(_POOLS["mixed"])}
_ATTACHED = frozenset(".,?!:;")
_ENDS = frozenset(".?!")


@dataclass(frozen=True)
class Needle:
    """A hidden fact, without its position.

    Attributes:
        family: Words, numbers, or both.
        key: What the fact is about; unique within a document.
        values: The :data:`VALUES` words to be recalled, all different.
    """

    family: Family
    key: str
    values: tuple[str, ...]

    @property
    def prefix(self) -> tuple[str, ...]:
        """The words before the values; also the prefix that asks for the answer."""
        return ("the", "secret", NOUNS[self.family], "of", self.key, "is")

    @property
    def sentence(self) -> tuple[str, ...]:
        """The whole needle sentence."""
        return (*self.prefix, *self.values, ".")

    @property
    def question(self) -> tuple[str, ...]:
        """The question about it."""
        return ("what", "is", "the", "secret", NOUNS[self.family], "of", self.key, "?")


@dataclass(frozen=True)
class Context:
    """Filler with needles in it, as words.

    Attributes:
        words: Words and punctuation marks, lower case.
        needles: In the order in which they are asked about; the rest are distractors.
        starts: Index in ``words`` of the first word of each needle's sentence.
    """

    words: tuple[str, ...]
    needles: tuple[Needle, ...]
    starts: tuple[int, ...]


@dataclass(frozen=True)
class Question:
    """One question about one needle, as text.

    Attributes:
        needle: Index into the document's needles.
        text: "What is the secret word of harbor?"
        prefix: The start of the answer, "The secret word of harbor is".
        answer: The values, one space between them.
    """

    needle: int
    text: str
    prefix: str
    answer: str


@dataclass(frozen=True)
class PlacedNeedle:
    """A needle and its position in the context's text.

    Attributes:
        needle: The fact.
        span: Characters ``(start, end)`` of its sentence, full stop included.
        values_span: Characters ``(start, end)`` of its values.
        depth: Its actual depth: filler words before it over all filler words, 0..1.
    """

    needle: Needle
    span: tuple[int, int]
    values_span: tuple[int, int]
    depth: float


@dataclass(frozen=True)
class NeedleDocument:
    """A context with its needles and questions, as ordinary text.

    Attributes:
        id: Split, family, length, depth, counts and seed: unique within a world.
        context: Filler with the needles in it.
        questions: One per query; each is asked separately.
        needles: The needles asked about come first, in the order of ``questions``.
        depth: The requested depth of the first needle, 0 (start) to 1 (end).
        length: Words and punctuation marks of the longest prompt; at most the requested length.
        seed: What it was drawn from.
    """

    id: str
    context: str
    questions: tuple[Question, ...]
    needles: tuple[PlacedNeedle, ...]
    depth: float
    length: int
    seed: int

    def prompt(self, query: int = 0) -> str:
        """Context, question and answer prefix of one query. A needle's span holds in it too."""
        question = self.questions[query]
        return f"{self.context} {question.text} {question.prefix}"


def render(tokens: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Words to ordinary text.

    Args:
        tokens: Words and punctuation marks, lower case.

    Returns:
        The text, and the characters ``(start, end)`` of each token in it.
    """
    pieces: list[str] = []
    spans: list[tuple[int, int]] = []
    cursor, opens = 0, True
    for token in tokens:
        if token not in _ATTACHED and pieces:
            pieces.append(" ")
            cursor += 1
        shown = token.capitalize() if opens or token in words.PROPER else token
        pieces.append(shown)
        spans.append((cursor, cursor + len(shown)))
        cursor += len(shown)
        opens = token in _ENDS
    return "".join(pieces), spans


def draw_needles(random: Random, split: str, families: Sequence[Family]) -> tuple[Needle, ...]:
    """Needles with different keys, each key paired only with values of this split.

    The class of a pair is (index of key + index of value) modulo :data:`CLASSES`, so that no
    association of the test split occurs in training.
    """
    owned = SPLIT_CLASSES[split]
    drawn = []
    keys = random.sample(range(len(words.KEYS)), len(families))
    for key, family in zip(keys, families, strict=True):
        values: list[str] = []
        pool = _POOLS[family]
        while len(values) < VALUES:
            value = random.choice(pool)
            if (key + _VALUE_INDEX[value]) % CLASSES in owned and value not in values:
                values.append(value)
        drawn.append(Needle(family, words.KEYS[key], tuple(values)))
    return tuple(drawn)


def build_context(
    random: Random,
    split: str,
    needles: tuple[Needle, ...],
    depths: Sequence[float],
    length: int,
    *,
    exact: bool = False,
) -> Context:
    """Filler of one split with needles inserted at sentence boundaries.

    Args:
        random: Source of randomness.
        split: Whose sentences to use.
        needles: What to hide.
        depths: One per needle, 0..1: the share of filler before it, to the nearest boundary.
        length: Words of the whole context, needles included.
        exact: Cut words off the first sentence to reach ``length`` exactly (training batches);
            otherwise the context falls short by less than a sentence.
    """
    room = length - sum(len(needle.sentence) for needle in needles)
    prose: list[list[str]] = []
    total = 0
    for sentence in sentences(random, split):
        if total >= room or (not exact and total + len(sentence) > room):
            break
        prose.append(sentence)
        total += len(sentence)
    if exact:
        while prose and total - len(prose[0]) >= room:
            total -= len(prose.pop(0))
        if prose:
            prose[0] = prose[0][total - room :]
            total = room
    boundaries = [0]
    for sentence in prose:
        boundaries.append(boundaries[-1] + len(sentence))
    at = [min(range(len(boundaries)), key=lambda b: abs(boundaries[b] - d * total)) for d in depths]
    return _weave(prose, needles, at)


def _weave(prose: list[list[str]], needles: tuple[Needle, ...], at: list[int]) -> Context:
    """Insert each needle before the sentence with the index in ``at``."""
    out: list[str] = []
    starts = [0] * len(needles)
    for boundary in range(len(prose) + 1):
        for index, needle in enumerate(needles):
            if at[index] == boundary:
                starts[index] = len(out)
                out.extend(needle.sentence)
        if boundary < len(prose):
            out.extend(prose[boundary])
    return Context(tuple(out), needles, tuple(starts))


class NeedleWorld:
    """Documents of one split.

    Args:
        split: ``train``, ``calibration`` or ``test``.
        family: Family of every needle.

    Raises:
        ConfigError: Unknown split or family.
    """

    def __init__(self, split: Split, family: Family = "words") -> None:
        if split not in SPLIT_CLASSES:
            raise ConfigError(f"unknown split {split!r}", hint=nearest(split, SPLIT_CLASSES))
        if family not in NOUNS:
            raise ConfigError(f"unknown needle family {family!r}", hint=nearest(family, NOUNS))
        self.split: Split = split
        self.family: Family = family

    def document(
        self, seed: int, length: int, depth: float, needles: int = 1, queries: int = 1
    ) -> NeedleDocument:
        """One document, a pure function of its arguments.

        Args:
            seed: Any integer; splits have seed spaces of their own.
            length: Most words and punctuation marks a prompt may have; at least 48 per needle.
            depth: 0 (start) to 1 (end), for the first needle; the others lie anywhere.
            needles: How many facts are hidden, 1 to :data:`MAX_NEEDLES`.
            queries: How many of them are asked about.

        Raises:
            ConfigError: An argument is out of its range.
        """
        _check(length, depth, needles, queries)
        name = f"{self.split}-{self.family}-{length}-{depth:.3f}-{needles}-{queries}-{seed}"
        random = Random(f"needles@{WORLD_VERSION}/{name}")
        facts = draw_needles(random, self.split, [self.family] * needles)
        depths = [depth, *(random.random() for _ in range(needles - 1))]
        asked = len(facts[0].question) + len(facts[0].prefix)
        context = build_context(random, self.split, facts, depths, length - asked)
        return _document(name, context, seed, depth, queries)


def _check(length: int, depth: float, needles: int, queries: int) -> None:
    if not 1 <= needles <= MAX_NEEDLES:
        raise ConfigError(f"needles must be 1 to {MAX_NEEDLES}, not {needles}")
    if not 1 <= queries <= needles:
        raise ConfigError(f"queries must be 1 to the number of needles ({needles}), not {queries}")
    if not 0.0 <= depth <= 1.0:
        raise ConfigError(f"depth must lie in 0..1, not {depth}")
    if length < 48 * needles:
        raise ConfigError(
            f"length {length} leaves no room for {needles} needles",
            hint=f"use at least {48 * needles}",
        )


def _document(name: str, context: Context, seed: int, depth: float, queries: int) -> NeedleDocument:
    """Turn words into text and word indices into character spans."""
    text, spans = render(context.words)
    filler = len(context.words) - sum(len(needle.sentence) for needle in context.needles)
    placed, questions = [], []
    for needle, start in zip(context.needles, context.starts, strict=True):
        values = start + len(needle.prefix)
        end = start + len(needle.sentence)
        earlier = sum(
            len(other.sentence)
            for other, at in zip(context.needles, context.starts, strict=True)
            if at < start
        )
        placed.append(
            PlacedNeedle(
                needle,
                (spans[start][0], spans[end - 1][1]),
                (spans[values][0], spans[values + VALUES - 1][1]),
                (start - earlier) / max(filler, 1),
            )
        )
    for index, needle in enumerate(context.needles[:queries]):
        questions.append(
            Question(
                index,
                render(needle.question)[0],
                render(needle.prefix)[0],
                " ".join(needle.values),
            )
        )
    asked = len(context.needles[0].question) + len(context.needles[0].prefix)
    return NeedleDocument(
        name,
        text,
        tuple(questions),
        tuple(placed),
        depth,
        len(context.words) + asked,
        seed,
    )
