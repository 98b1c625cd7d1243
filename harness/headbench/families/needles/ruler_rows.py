"""``dataset_path: ruler``: needles of the RULER kind in filler, in other needles or in user texts.

Hsieh et al. 2024 (arXiv 2404.06654): several needles with a key and a value each; some keys, or
all values of a key, are asked for. The needle sentence is the published one. Words of keys, filler
and questions are ours, and length is counted in words, so figures are not RULER's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Literal
from uuid import UUID

from pydantic import Field

from headbench.errors import ConfigError
from headbench.families.needles.haystack import Haystack, Words
from headbench.tasks.data.source import DataRow, DataSpec
from headbench.tasks.images import Images
from headbench.tasks.schema import Strict
from headbench.worlds import words
from headbench.worlds.filler import sentences
from headbench.worlds.needles import render

Made = Literal["words", "numbers", "uuids"]
_DEPTHS = [round(step * 100 / 39) for step in range(40)]
"""Forty depths in percent; the needles of a document lie at different ones."""


class RulerOptions(Strict):
    """``dataset_kwargs`` of RULER-like needles."""

    haystack: Literal["filler", "needles", "folder"] = Field(
        "filler", description="Packaged prose, other needles, or texts of `folder`."
    )
    folder: str | None = Field(None, description="Folder of texts, for `haystack: folder`.")
    keys: Made = Field("words", description="What keys are made of.")
    values: Made = Field("numbers", description="What values are made of; numbers have 7 digits.")
    num_keys: int = Field(1, ge=1, le=40, description="Needles with different keys.")
    num_values: int = Field(1, ge=1, le=10, description="Values of each key, a needle each.")
    num_queries: int = Field(1, ge=1, le=10, description="Keys asked for.")
    lengths: tuple[Words, ...] = Field((500, 1000, 2000), description="Words of the context.")
    repeats: int = Field(20, ge=1, le=10_000, description="Documents per length.")
    seed: int = Field(0, description="Which documents.")


def rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Yield documents, repetition by repetition over all lengths.

    Raises:
        ConfigError: A folder is needed and not named, or the needles fill the context.
    """
    options = spec.options(RulerOptions)
    texts = None
    if options.haystack == "folder":
        if options.folder is None:
            raise ConfigError("dataset_kwargs.folder is missing", where=spec.where("haystack"))
        texts = Haystack(spec.locate("folder", options.folder))
    for repeat in range(options.repeats):
        for length in options.lengths:
            chance = Random(f"ruler/{options.seed}/{length}/{repeat}")
            yield _row(options, texts, chance, f"{length}-{repeat}", length, spec)


def _row(
    options: RulerOptions,
    texts: Haystack | None,
    chance: Random,
    name: str,
    length: int,
    spec: DataSpec,
) -> DataRow:
    # Upstream raises the number of keys to the number of queries, else there were too few.
    count = max(options.num_keys, options.num_queries)
    used_words: set[str] = set()
    pairs = [
        (
            _fresh(chance, options.keys, used_words),
            [_fresh(chance, options.values, used_words) for _ in range(options.num_values)],
        )
        for _ in range(count)
    ]
    noun = options.values[:-1]
    needles = [_needle(noun, key, value) for key, values in pairs for value in values]
    room = length - sum(len(needle.split()) for needle in needles)
    if room < 1:
        raise ConfigError(f"{length} words leave no room", where=spec.where("lengths"))
    straw = _straw(options, texts, chance, room, noun, used_words)
    queried = pairs[: options.num_queries]
    context = _hide(straw, needles, chance)
    return DataRow(
        {
            "id": name,
            "cluster": name,
            "context": context,
            "keys": [key for key, _ in queried],
            "noun": noun,
            "length": length,
            "target": [value for _, values in queried for value in values],
        }
    )


def _needle(noun: str, key: str, value: str) -> str:
    return f"One of the special magic {noun}s for {key} is: {value}."


def _straw(
    options: RulerOptions,
    texts: Haystack | None,
    chance: Random,
    room: int,
    noun: str,
    taken: set[str],
) -> list[str]:
    """Sentences of about ``room`` words in all."""
    drawn: list[str] = []
    total = 0
    if texts is not None:
        return _sentences_of(texts.cut(room))
    prose = sentences(chance, "test")
    while True:
        if options.haystack == "needles":
            key, value = _fresh(chance, options.keys, taken), _fresh(chance, options.values, taken)
            sentence = _needle(noun, key, value)
        else:
            sentence = render(next(prose))[0]
        total += len(sentence.split())
        if total > room:
            return drawn
        drawn.append(sentence)


def _sentences_of(cut: list[str]) -> list[str]:
    """Group words into pieces that end with a full stop."""
    pieces: list[str] = []
    piece = ""
    for word in cut:
        piece += word
        if word.rstrip().endswith("."):
            pieces.append(piece.strip())
            piece = ""
    return [*pieces, piece.strip()] if piece.strip() else pieces


def _hide(straw: list[str], needles: list[str], chance: Random) -> str:
    """Put needles between sentences at different depths."""
    depths = sorted(chance.sample(_DEPTHS, len(needles)))
    chance.shuffle(needles)
    out: list[str] = []
    start = 0
    for depth, needle in zip(depths, needles, strict=True):
        at = int(len(straw) * depth / 100)
        out += [*straw[start:at], needle]
        start = at
    return " ".join([*out, *straw[start:]])


def _fresh(chance: Random, kind: Made, taken: set[str]) -> str:
    """A key or value that the document does not have yet."""
    while True:
        if kind == "numbers":
            value = str(chance.randint(1_000_000, 9_999_999))
        elif kind == "uuids":
            value = str(UUID(int=chance.getrandbits(128), version=4))
        else:
            value = f"{chance.choice(words.QUALITIES)}-{chance.choice(words.KEYS)}"
        if value not in taken:
            taken.add(value)
            return value
