"""Documents of the rating tasks: norms of words, similarity of pairs, typicality, word pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from headbench.errors import ConfigError, DataError, nearest
from headbench.families.brain.concept_world import concept_world
from headbench.families.brain.packed_rows import pack
from headbench.families.brain.rating_tables import (
    RatingTable,
    named_table,
    refuse_few,
    refuse_repeated,
)
from headbench.families.brain.rdm import Floats
from headbench.families.brain.vendored_data import things_concepts
from headbench.tasks.data.source import DataRow, DataSpec
from headbench.tasks.images import Images
from headbench.tasks.schema import Strict

GROUP_MEAN = ""
"""Name of the rater of a table that names none."""


class TableOptions(Strict):
    """``dataset_kwargs`` of a user's table of ratings."""

    table: str = Field("", description="CSV file: `headbench.families.brain.rating_tables`.")
    sha256: str = Field("", description="Expected hash of the file; empty: not checked.")


class NormOptions(TableOptions):
    """``dataset_kwargs`` of norms of words."""

    words: Literal["packaged", "things", "table"] = Field(
        "things",
        description="Whose ratings: THINGS concepts that the reference models read, all THINGS "
        "concepts, or `table`, a user's own.",
    )
    norms: tuple[str, ...] = Field((), description="Properties or columns; empty: all.")
    questions: Mapping[str, str] = Field(
        default_factory=dict, description="What is asked, per norm; else its own name."
    )


@dataclass(frozen=True)
class _Norms:
    """Human means ``[word, norm]`` and the variance of a mean (NaN where it is not known)."""

    names: tuple[str, ...]
    ids: tuple[str, ...]
    words: tuple[str, ...]
    means: Floats
    errors: Floats


def norm_rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """One row per word, with every norm that is asked about.

    Raises:
        AbsentDataError: A table is asked for, and none is named.
        ConfigError: There is no such norm, or a table is named that nobody reads.
        DataError: A wrong table, or fewer than 20 words.
    """
    options = spec.options(NormOptions)
    if options.table and options.words != "table":
        raise ConfigError(
            f"this task reads the ratings of THINGS, and the table {options.table} is not read",
            where=spec.where("table"),
            hint="use the task norms_table",
        )
    found = _table_norms(spec, options) if options.words == "table" else _things(options)
    for name in options.norms:
        if name not in found.names:
            raise ConfigError(
                f"nobody rated {name!r}",
                where=spec.where("norms"),
                hint=nearest(name, found.names) or f"one of {', '.join(found.names)}",
            )
    chosen = options.norms or found.names
    at = [found.names.index(name) for name in chosen]
    for row, (one, word) in enumerate(zip(found.ids, found.words, strict=True)):
        asked = [{"name": name, "question": options.questions.get(name, name)} for name in chosen]
        yield DataRow(
            {
                "id": one,
                "cluster": one,
                "word": word,
                "asked": asked,
                "norms": list(chosen),
                "rated": [float(value) for value in found.means[row, at]],
                "errors": [float(value) for value in found.errors[row, at]],
                "target": None,
            }
        )


def _things(options: NormOptions) -> _Norms:
    """Ratings of THINGS. Words that name two concepts are left out: raters saw which was meant."""
    concepts = things_concepts()
    known = frozenset(concept_world().words)
    kept = [
        at
        for at, word in enumerate(concepts.words)
        if concepts.words.count(word) == 1 and (options.words == "things" or word in known)
    ]
    return _Norms(
        tuple(name.replace(".", "_") for name in concepts.properties),
        tuple(concepts.ids[at] for at in kept),
        tuple(concepts.words[at] for at in kept),
        concepts.means[kept],
        concepts.deviations[kept] ** 2 / concepts.raters[kept, None],
    )


def _table_norms(spec: DataSpec, options: NormOptions) -> _Norms:
    table = named_table(spec, options.table, options.sha256, ("word", *options.norms))
    words = table.text("word")
    refuse_repeated(words, "word", table.path)
    refuse_few(len(words), "words", str(table.path))
    names = [
        name
        for name in table.columns
        if name != "word" and not any(name == f"{base}{end}" for base in table.columns
                                      for end in ("_sd", "_n"))
    ]  # fmt: skip
    if not names:
        raise DataError(
            "the table has no column of ratings",
            where=str(table.path),
            hint="columns: word, one per norm, and perhaps NORM_sd and NORM_n",
        )
    means = np.stack([table.numbers(name) for name in names], axis=1)
    errors = np.stack([_error(table, name, len(words)) for name in names], axis=1)
    return _Norms(tuple(names), words, words, means, errors)


def _error(table: RatingTable, name: str, count: int) -> Floats:
    """Variance of each mean rating; NaN where the table does not say."""
    if f"{name}_sd" not in table.columns or f"{name}_n" not in table.columns:
        return np.full(count, np.nan)
    raters = table.numbers(f"{name}_n")
    if (raters <= 0).any():
        raise DataError(
            "a mean of no raters",
            where=f"{table.path}, column {name}_n, row {int(np.argmax(raters <= 0)) + 1}",
            hint="leave the row out",
        )
    return np.asarray(table.numbers(f"{name}_sd") ** 2 / raters)


def pair_rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """One row per stimulus, with people's ratings of its similarity to every other.

    Columns ``one``, ``two``, ``rating``, and perhaps ``subject``. Ratings of a pair in both orders,
    or twice, are averaged per subject; a table without subjects is taken for the group's mean.

    Raises:
        AbsentDataError: No table is named.
        DataError: A wrong table, a pair that nobody rated, or fewer than 20 stimuli.
    """
    options = spec.options(TableOptions)
    table = named_table(spec, options.table, options.sha256, ("one", "two", "rating"))
    one, two, rating = table.text("one"), table.text("two"), table.numbers("rating")
    who = table.text("subject") if "subject" in table.columns else (GROUP_MEAN,) * len(one)
    stimuli = tuple(dict.fromkeys(name for pair in zip(one, two, strict=True) for name in pair))
    refuse_few(len(stimuli), "stimuli", str(table.path))
    subjects = tuple(dict.fromkeys(who))
    place = {name: at for at, name in enumerate(stimuli)}
    sums = np.zeros((len(subjects), len(stimuli), len(stimuli)))
    counts = np.zeros_like(sums)
    for s, a, b, value in zip(who, one, two, rating, strict=True):
        if a == b:
            continue  # a pair of a stimulus with itself has no place in an RDM
        for i, j in ((place[a], place[b]), (place[b], place[a])):
            sums[subjects.index(s), i, j] += value
            counts[subjects.index(s), i, j] += 1
    with np.errstate(invalid="ignore"):
        ratings = sums / counts  # [subject, stimulus, stimulus]; NaN: not rated
    unrated = np.argwhere(np.triu(counts.sum(axis=0) == 0, 1))
    if len(unrated):
        a, b = unrated[0]
        raise DataError(
            f"{len(unrated)} pairs have no rating: a list of some pairs is no full RDM",
            where=f"{table.path}: for one, {stimuli[a]} and {stimuli[b]}",
            hint="rate every pair, leave stimuli out, or compare pairs alone: task wordsim",
        )
    for at, stimulus in enumerate(stimuli):
        yield DataRow(
            {
                "id": stimulus,
                "cluster": stimulus,
                "word": stimulus,
                "place": at,
                "others": [name for name in stimuli if name != stimulus],
                "subjects": len(subjects),
                "named": subjects != (GROUP_MEAN,),
                "people": pack(ratings[:, at]),
                "target": None,
            }
        )


def word_pair_rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Rated pairs of words: columns ``one``, ``two``, ``rating``.

    Raises:
        AbsentDataError: No table is named.
        DataError: A wrong table, or fewer than 20 pairs.
    """
    options = spec.options(TableOptions)
    table = named_table(spec, options.table, options.sha256, ("one", "two", "rating"))
    one, two, rating = table.text("one"), table.text("two"), table.numbers("rating")
    refuse_few(len(one), "pairs", str(table.path))
    for at, (a, b, value) in enumerate(zip(one, two, rating.tolist(), strict=True)):
        name = f"pair-{at:04d}"
        yield DataRow(
            {"id": name, "cluster": name, "words": [a, b], "target": value},
            place=f"{table.path.name}, row {at + 1}",
        )


def typicality_rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Items with their typicality for a category: columns ``item``, ``category``, ``rating``.

    Greater ratings must mean more typical.

    Raises:
        AbsentDataError: No table is named.
        DataError: A wrong table, a category of fewer than three items, or fewer than 20 items.
    """
    options = spec.options(TableOptions)
    table = named_table(spec, options.table, options.sha256, ("item", "category", "rating"))
    items, categories = table.text("item"), table.text("category")
    names = tuple(f"{b}: {a}" for a, b in zip(items, categories, strict=True))
    refuse_repeated(names, "item", table.path)
    refuse_few(len(items), "items", str(table.path))
    small = [name for name in dict.fromkeys(categories) if categories.count(name) < 3]
    if small:
        raise DataError(
            f"the category {small[0]!r} has fewer than three items, so no order to compare",
            where=str(table.path),
            hint="leave it out",
        )
    ratings = table.numbers("rating").tolist()
    for name, item, category, value in zip(names, items, categories, ratings, strict=True):
        fields = {"id": name, "cluster": name, "category": category, "words": [item, category]}
        yield DataRow({**fields, "target": value})


class CategoryOptions(Strict):
    """``dataset_kwargs`` of categorised concepts."""

    words: Literal["packaged", "things"] = "things"
    least: int = Field(15, ge=2, description="Fewest concepts of a category.")


def category_rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Concepts that are in exactly one category, of those that have enough."""
    options = spec.options(CategoryOptions)
    if options.words == "things":
        concepts = things_concepts()
        kept, names = concepts.single_category(options.least)
        rows = [
            (concepts.ids[at], concepts.words[at], name)
            for at, name in zip(kept.tolist(), names, strict=True)
        ]
    else:
        world = concept_world()
        lone = np.flatnonzero(world.features.sum(axis=1) == 1)
        column = world.features[lone].argmax(axis=1)
        large = np.bincount(column, minlength=len(world.categories)) >= options.least
        rows = [
            (world.words[at], world.words[at], world.categories[c])
            for at, c in zip(lone.tolist(), column.tolist(), strict=True)
            if large[c]
        ]
    refuse_few(len(rows), "concepts", spec.where("least"))
    for name, word, category in rows:
        yield DataRow({"id": name, "cluster": name, "word": word, "target": category})
