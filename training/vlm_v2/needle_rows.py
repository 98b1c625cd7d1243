"""Training batches of the needle world as integer arrays, a pure function of (seed, step)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random
from typing import TYPE_CHECKING, get_args

import numpy as np

from headbench.worlds.needles import (
    MAX_NEEDLES,
    VALUES,
    Family,
    Needle,
    Split,
    build_context,
    draw_needles,
)
from headbench.worlds.words import NEEDLE_WORDS
from training.vlm_v2.vocabulary import BOS, vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_QUERIES = 6
_WORDS_PER_NEEDLE = 10

LANGUAGE, ANSWER, REPEAT, NOISE = 0, 1, 2, 3
"""Role of a token as a prediction target: plain text, an answer, a repeated sequence, or none. The
first occurrence of a random sequence is noise: it cannot be predicted, so it has no loss."""


@dataclass(frozen=True)
class Batch:
    """Equal-length rows.

    Attributes:
        tokens: Token ids ``[row, position]``, ``<s>`` first.
        roles: ``[row, position]``: :data:`LANGUAGE`, :data:`ANSWER`, :data:`REPEAT` or
            :data:`NOISE`, the role of the token *at* that position as a prediction target.
    """

    tokens: NDArray[np.int64]
    roles: NDArray[np.int8]


@dataclass(frozen=True)
class DataSettings:
    """What a batch holds.

    Attributes:
        length: Tokens per row.
        rows: Rows per batch.
        repeats: Share of rows that repeat one random block.
        split: World of the needle rows.
        question: Probability that a query is a question and a prefix, not the prefix alone.
    """

    length: int
    rows: int
    repeats: float = 0.0
    split: Split = "train"
    question: float = 0.5


@cache
def _ids() -> dict[str, int]:
    return vocabulary()


@cache
def _needle_ids() -> NDArray[np.int64]:
    ids = _ids()
    return np.array([ids[word] for word in NEEDLE_WORDS], dtype=np.int64)


def needle_row(
    random: Random, length: int, split: Split = "train", question: float = 0.5
) -> tuple[list[int], list[int]]:
    """One document of 1-8 needles followed by 1-6 queries with their answers.

    Args:
        random: Source of randomness.
        length: Tokens, at least 32; reached exactly (the first filler sentence is cut to fit).
        split: Whose sentences and pairs to use.
        question: As in :class:`DataSettings`.

    Returns:
        Token ids, and the role of each.
    """
    count = random.randint(1, max(1, min(MAX_NEEDLES, length // 21)))
    families = [random.choice(get_args(Family)) for _ in range(count)]
    needles = draw_needles(random, split, families)
    room = length - 1 - count * _WORDS_PER_NEEDLE
    asked: list[str] = []
    roles: list[int] = []
    queries = random.randint(1, min(MAX_QUERIES, count))
    for needle in random.sample(needles, queries):
        query, role = _query(random, needle, question)
        if len(asked) + len(query) <= room:
            asked += query
            roles += role
    context = build_context(
        random,
        split,
        needles,
        [random.random() for _ in needles],
        length - 1 - len(asked),
        exact=True,
    )
    ids = _ids()
    tokens = [ids[BOS], *(ids[word] for word in (*context.words, *asked))]
    return tokens, [LANGUAGE] * (1 + len(context.words)) + roles


def _query(random: Random, needle: Needle, question: float) -> tuple[list[str], list[int]]:
    """A query with its answer, as words and roles."""
    before = (*needle.question, *needle.prefix) if random.random() < question else needle.prefix
    words = [*before, *needle.values, "."]
    return words, [LANGUAGE] * len(before) + [ANSWER] * VALUES + [LANGUAGE]


def repeat_row(random: np.random.Generator, length: int) -> tuple[list[int], list[int]]:
    """A block of random words, repeated until the row is full.

    The period varies from row to row. With a fixed period a head could learn to attend that far
    back, instead of searching for an earlier occurrence. Short periods give many targets per row;
    with only two occurrences in noise, induction had not begun after 300 steps.

    Returns:
        Token ids, and the role of each: all repetitions are to be predicted, except the first word
        of the first one.
    """
    room = length - 1
    period = int(random.integers(6, room // 2 + 1))
    block = random.choice(_needle_ids(), period)
    tokens = np.tile(block, room // period + 1)[:room]
    roles = np.full(room, REPEAT)
    roles[: period + 1] = NOISE
    return [_ids()[BOS], *tokens.tolist()], [NOISE, *roles.tolist()]


def batch(settings: DataSettings, seed: int, step: int) -> Batch:
    """The batch of one step. A training that is killed and continued sees the same data.

    Args:
        settings: What it holds.
        seed: Of the training run.
        step: Counted over the whole schedule.
    """
    random = Random(f"lm-data/{settings.split}/{seed}/{step}")
    numbers = np.random.default_rng((seed, step))
    tokens, roles = [], []
    for _ in range(settings.rows):
        if random.random() < settings.repeats:
            row, role = repeat_row(numbers, settings.length)
        else:
            row, role = needle_row(random, settings.length, settings.split, settings.question)
        tokens.append(row)
        roles.append(role)
    return Batch(np.array(tokens, dtype=np.int64), np.array(roles, dtype=np.int8))
