"""Between all wrong and all right: every family's metrics over perfect, random, inverted answers.

The same records in another order, or under other document names, give the same figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headbench.nouns import Document, Record
from headbench.scoring import lookup

Answers = Callable[[Random], tuple[Document, tuple[str, ...]]]
COLOURS = ("red", "blue", "green", "amber", "black", "white", "pink", "grey")
OBJECTS = ("dog", "cat", "car", "bus", "boat", "bear", "bird", "horse")
CONDITIONS = ("zero_shot", "aligned", "few_shot")
OPTIONS: dict[str, dict[str, object]] = {
    "stickiness": {"conditions": list(CONDITIONS), "pooled": ["aligned"], "label": "noble"},
    "chair": {"profile": "chair-clean"},
}


def needle(kind: str) -> Answers:
    def make(rng: Random) -> tuple[Document, tuple[str, ...]]:
        word = rng.choice(COLOURS)
        others = [colour for colour in COLOURS if colour != word]
        said = {"perfect": word, "random": rng.choice(COLOURS), "inverted": rng.choice(others)}
        return Document("d", "d", {}, target=word), (said[kind],)

    return make


def yes_or_no(kind: str) -> Answers:
    def make(rng: Random) -> tuple[Document, tuple[str, ...]]:
        gold = rng.choice(("yes", "no"))
        other = {"yes": "no", "no": "yes"}[gold]
        said = {"perfect": gold, "random": rng.choice(("yes", "no")), "inverted": other}
        return Document("d", "d", {}, target=gold), (said[kind],)

    return make


def caption(kind: str) -> Answers:
    def make(rng: Random) -> tuple[Document, tuple[str, ...]]:
        there = rng.sample(OBJECTS, 4)
        absent = [name for name in OBJECTS if name not in there]
        named = {"perfect": there, "random": rng.sample(OBJECTS, 4), "inverted": absent}[kind]
        return Document("d", "d", {}, target=there), (f"A {', a '.join(named)}.",)

    return make


def wall(kind: str) -> Answers:
    def make(rng: Random) -> tuple[Document, tuple[str, ...]]:
        groups = [[f"{letter}{at}" for at in range(4)] for letter in "abcd"]
        shuffled = rng.sample([clue for group in groups for clue in group], 16)
        mixed = [shuffled[at : at + 4] for at in range(0, 16, 4)]
        across = [list(column) for column in zip(*groups, strict=True)]
        said = {"perfect": groups, "random": mixed, "inverted": across}[kind]
        return Document("d", "d", {}, target={"groups": groups}), (
            "\n".join(", ".join(group) for group in said),
        )

    return make


def label(kind: str) -> Answers:
    """The prior is wrong half of the time; what follows rescues all, some, or none."""

    def make(rng: Random) -> tuple[Document, tuple[str, ...]]:
        gold, prior = rng.choice(("yes", "no")), rng.choice(("yes", "no"))
        other = {"yes": "no", "no": "yes"}[gold]
        after = {"perfect": gold, "random": rng.choice(("yes", "no")), "inverted": other}[kind]
        return Document("d", "d", {}, target=gold), (prior, after, after)

    return make


FAMILIES: dict[str, Callable[[str], Answers]] = {
    "niah": needle,
    "pope": yes_or_no,
    "chair": caption,
    "walls": wall,
    "stickiness": label,
}
# Family -> metric -> its value when all is right, at random, and when all is wrong.
BRACKETS: dict[str, dict[str, tuple[float, float, float]]] = {
    "niah": {"recall": (1, 1 / 8, 0), "fraction": (1, 1 / 8, 0)},
    "pope": {"accuracy": (1, 0.5, 0), "f1": (1, 0.5, 0), "recall": (1, 0.5, 0)},
    "chair": {"chair_i": (0, 0.5, 1), "recall": (1, 0.5, 0), "object_f1": (1, 0.5, 0)},
    "walls": {"group_rate": (1, 0, 0), "wd": (0, 0.919, 1), "fms": (1, 0.2, 0)},
    "stickiness": {"rescue": (1, 0.5, 0), "stickiness": (0, 0.5, 1), "damage": (0, 0.5, 1)},
}


def records(family: str, kind: str, seed: int, count: int) -> list[Record]:
    """Records of seeded answers of one kind, each document under a name of its own."""
    scorer, rng = lookup.scorer(family), Random(f"{family} {seed}")
    parser = lookup.parser(scorer.default_parser)
    made = []
    for at in range(count):
        document, outputs = FAMILIES[family](kind)(rng)
        named = replace(document, id=f"{at}", cluster=f"{at}")
        made.append(scorer.record(named, outputs, parser, OPTIONS.get(family, {})))
    return made


def all_figures(family: str, rows: Sequence[Record]) -> dict[str, float]:
    scorer = lookup.scorer(family)
    return {metric.name: metric.of(rows) for metric in lookup.metrics_of(scorer)}


def near(one: dict[str, float], other: dict[str, float]) -> bool:
    return one.keys() == other.keys() and all(
        (math.isnan(one[name]) and math.isnan(other[name]))
        or one[name] == pytest.approx(other[name])
        for name in one
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("place", "kind"), list(enumerate(("perfect", "random", "inverted"))))
def test_figures_lie_where_they_must(family: str, place: int, kind: str) -> None:
    count = 40 if family == "walls" else 600  # clustering scores are slow to compute
    found = all_figures(family, records(family, kind, 1, count))
    slack = 0.09 if kind == "random" else 1e-12
    for name, values in BRACKETS[family].items():
        assert found[name] == pytest.approx(values[place], abs=slack), name


@settings(max_examples=8)
@given(st.integers(0, 10_000))
@pytest.mark.parametrize("family", FAMILIES)
def test_neither_order_nor_names_of_documents_count(family: str, seed: int) -> None:
    rows = records(family, "random", seed, 12 if family == "walls" else 80)
    shuffled = Random(seed).sample(rows, len(rows))
    renamed = [replace(row, document=f"x{at}", cluster="x") for at, row in enumerate(shuffled)]
    assert near(all_figures(family, rows), all_figures(family, renamed))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_set_twice_over_has_the_same_fractions_and_twice_the_counts(family: str) -> None:
    rows = records(family, "random", 3, 80 if family != "walls" else 12)
    once, twice = all_figures(family, rows), all_figures(family, [*rows, *rows])
    for metric in lookup.metrics_of(lookup.scorer(family)):
        if metric.unit == "count":
            assert twice[metric.name] == 2 * once[metric.name], metric.name
        elif not math.isnan(once[metric.name]):
            assert twice[metric.name] == pytest.approx(once[metric.name]), metric.name
