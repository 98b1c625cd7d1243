"""Walls: the golden table, invariances, parsers over odd answers, clustering, chance."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headbench.errors import DataError
from headbench.families.walls import walls_scorer as walls
from headbench.families.walls.walls_chance import CHANCE, simulate
from headbench.families.walls.walls_connections import read_connections
from headbench.families.walls.walls_forms import wall_of
from headbench.families.walls.walls_parse import fit, key, read_reference, read_robust, same_group
from headbench.nouns import Document
from headbench.scoring import lookup
from headbench.scoring.rouge import rouge1_f1
from headbench.tasks.balanced_kmeans import balanced_kmeans
from headbench.worlds.walls import MAX_HERRINGS, WallWorld

GOLD = [[f"{letter}{at}" for at in range(4)] for letter in "abcd"]
KEYS = ("wd", "ami", "ari", "fms", "nmi")


def swapped(one: int, other: int) -> list[list[str]]:
    groups = [list(group) for group in GOLD]
    groups[one][0], groups[other][0] = groups[other][0], groups[one][0]
    return groups


def exchanged(groups: list[list[str]]) -> list[list[str]]:
    return [groups[1], groups[0], *groups[2:]]


@pytest.mark.parametrize(
    ("predicted", "figures", "correct"),
    [
        (GOLD[::-1], (0, 1, 1, 1, 1), 4),
        (swapped(0, 1), (0.125, 0.7173, 0.6875, 0.75, 0.7972), 2),
        (exchanged(swapped(0, 1)), (0.375, 0.7173, 0.6875, 0.75, 0.7972), 2),
        (swapped(0, 3), (0.375, 0.7173, 0.6875, 0.75, 0.7972), 2),
        ([["unknown", "a1", "a2", "a3"], *GOLD[1:]], (0.25, 0.9277, 0.918, 0.9354, 0.9517), 3),
        ([*GOLD[:3], [""] * 4], (0.25, 0.8115, 0.8276, 0.866, 0.8889), 3),
        ([list(row) for row in zip(*GOLD, strict=True)], (1, -0.3937, -0.25, 0, 0), 0),
    ],
)
def test_golden_table(predicted: list[list[str]], figures: tuple[float, ...], correct: int) -> None:
    parts = walls.grouping_parts(predicted, GOLD)
    assert tuple(round(float(str(parts[name])), 4) for name in KEYS) == figures
    assert parts["correct_groups"] == correct
    assert parts["solved"] == (correct == 4)


@settings(deadline=None, max_examples=40)
@given(st.randoms(use_true_random=False))
def test_case_and_order_of_clues_and_groups_do_not_matter(rng: random.Random) -> None:
    clues = [clue for group in GOLD for clue in group]
    rng.shuffle(clues)
    groups = [clues[at : at + 4] for at in range(0, 16, 4)]
    parts = walls.grouping_parts(groups, GOLD)
    moved = [[f" {clue.upper()} " for clue in rng.sample(group, 4)] for group in groups]
    assert walls.grouping_parts(moved, GOLD) == parts
    rng.shuffle(moved)
    again = walls.grouping_parts(moved, GOLD)
    # The order of groups moves only wd.
    assert {**again, "wd": 0} == pytest.approx({**parts, "wd": 0})
    renamed = [[f"x{clue}" for clue in group] for group in groups]
    gold = [[f"x{clue}" for clue in group] for group in GOLD]
    assert walls.grouping_parts(renamed, gold) == parts


@settings(deadline=None, max_examples=40)
@given(st.randoms(use_true_random=False))
def test_pair_figures_match_slow_definitions(rng: random.Random) -> None:
    clues = [clue for group in GOLD for clue in group]
    rng.shuffle(clues)
    groups = [clues[at : at + 4] for at in range(0, 16, 4)]
    parts = walls.grouping_parts(groups, GOLD)
    home = {clue: at for at, group in enumerate(groups) for clue in group}
    both = one = other = 0
    for at, first in enumerate(clues):
        for second in clues[at + 1 :]:
            together, truly = home[first] == home[second], first[0] == second[0]
            both += together and truly
            one += together
            other += truly
    assert parts["fms"] == pytest.approx(both / math.sqrt(one * other))
    expected = one * other / 120
    assert parts["ari"] == pytest.approx((both - expected) / ((one + other) / 2 - expected))
    slow = sum(sorted(group) in [sorted(gold) for gold in GOLD] for group in groups)
    assert parts["correct_groups"] == slow


def test_a_clue_that_stands_twice_counts_where_its_neighbours_are() -> None:
    gold = [["x", "a1", "a2", "a3"], ["X", "b1", "b2", "b3"], *GOLD[2:]]
    parts = walls.grouping_parts(
        [["b3", "x", "b1", "b2"], *GOLD[2:], ["a1", "a2", "a3", "x"]], gold
    )
    assert (parts["correct_groups"], parts["wd"], parts["ami"]) == (4, 0, 1)
    assert same_group(["x", "x", "y"], ["X", "y", "x"])
    assert not same_group(["x", "y", "y"], ["x", "x", "y"])


def test_chance_levels_are_what_random_groupings_score() -> None:
    measured = simulate(150, seed=7)
    for name in ("wd", "fms", "ari", "nmi", "ami"):
        assert measured[name] == pytest.approx(CHANCE[name], abs=0.04), name
    assert CHANCE["correct_groups"] == pytest.approx(4 * 4 / math.comb(16, 4), abs=1e-4)
    assert CHANCE["group_rate"] == pytest.approx(4 / math.comb(16, 4), abs=1e-4)
    assert CHANCE["fms"] == 3 / 15


# ------------------------------------------------------------------ parsers

PLAIN = "a0, a1, a2, a3\nb0, b1, b2, b3\nc0, c1, c2, c3\nd0, d1, d2, d3"
ROBUST_ONLY = [
    "The groups:\n\n- a0, a1, a2, a3\n- b0, b1, b2, b3\n- c0, c1, c2, c3\n- d0, d1, d2, d3",
    "1. **T**: a0, a1, a2, a3\n2. **B**: b0, b1, b2, b3\n3. C: c0, c1, c2, c3\n4. D: d0,d1,d2,d3.",
    '[["a0","a1","a2","a3"],["b0","b1","b2","b3"],["c0","c1","c2","c3"],["d0","d1","d2","d3"]]',
    'Sure: {"groups": [["a0","a1","a2","a3"],["b0","b1","b2","b3"],'
    '["c0","c1","c2","c3"],["d0","d1","d2","d3"]]}',
    '{"x": ["a0","a1","a2","a3"], "y": ["b0","b1","b2","b3"], "z": ["c0","c1","c2","c3"], '
    '"w": ["d0","d1","d2","d3"]}',
    "a0 | a1 | a2 | a3\nb0 | b1 | b2 | b3\nc0 | c1 | c2 | c3\nd0 | d1 | d2 | d3",
    "a0, a1, a2, a3; b0, b1, b2, b3; c0, c1, c2, c3; d0, d1, d2, d3",
    "a0 , a1 , a2 , a3 . b0 , b1 , b2 , b3 . c0 , c1 , c2 , c3 . d0 , d1 , d2 , d3 .",
    f"Clues: {', '.join(c for g in GOLD for c in g)}\n{PLAIN}",
]
BOTH = [
    PLAIN,
    PLAIN.replace("\n", "\n\n"),
    "Group 1: a0, a1, a2, a3. Connection: a\nGroup 2: b0, b1, b2, b3. Connection: x, y\n"
    "Group 3: c0,c1,c2,c3\nGroup 4:d0, d1,  d2, d3\nI hope this helps, all, of, you",
]


def solved(text: str, read: str) -> bool:
    document = Document("w", "w", {}, target={"groups": GOLD})
    return bool(walls.WALLS.record(document, (text,), lookup.parser(read)).parts["solved"])


@pytest.mark.parametrize("text", BOTH)
def test_both_parsers_read_plain_answers(text: str) -> None:
    assert solved(text, "walls_ref")
    assert solved(text, "walls_robust")


@pytest.mark.parametrize("text", ROBUST_ONLY)
def test_odd_layouts_need_the_robust_parser(text: str) -> None:
    assert solved(text, "walls_robust")
    assert not solved(text, "walls_ref")


@pytest.mark.parametrize("text", ["", "  \n ", "I do not know.", "none"])
def test_answers_without_groups_are_unparsed_or_empty(text: str) -> None:
    assert read_robust(text) is None
    reference = read_reference(text)
    assert reference is None or reference[0][1:] == ("", "", "")
    document = Document("w", "w", {}, target={"groups": GOLD})
    record = walls.WALLS.record(document, (text,), lookup.parser("walls_robust"))
    assert record.parts["correct_groups"] == 0
    assert walls.UNPARSED_RATE.of([record]) == 1


def test_reference_reading_is_always_four_by_four() -> None:
    assert read_reference("a, b, c, d, e\nf") == (
        ("a", "b", "c", "d"),
        ("f", "", "", ""),
        ("",) * 4,
        ("",) * 4,
    )


def test_clues_with_commas_are_put_together_again() -> None:
    gold = [["10,000", "5, 6, 7, 8", "x", "y"], ["a", "b", "c", "d"]]
    groups = read_robust("x, 10,000, 5, 6, 7, 8, y\na, b, c, d")
    assert groups is not None
    assert fit(groups, gold) == (("x", "10,000", "5, 6, 7, 8", "y"), ("a", "b", "c", "d"))


@settings(deadline=None)
@given(st.text(max_size=200))
def test_parsers_never_fail(text: str) -> None:
    for groups in (read_reference(text), read_robust(text)):
        assert groups is None or all(isinstance(item, str) for group in groups for item in group)
        fitted = fit(groups or (), GOLD)
        assert [len(group) for group in fitted] == [4] * 4


# ------------------------------------------------------------------ connections, forms, clusters


def test_connections_are_compared_by_position() -> None:
    names = ["Trees", "Irish counties", "Famous Kates", "___ ball"]
    document = Document("w", "w", {}, target={"groups": GOLD, "connections": names})
    answer = "Connection 1: trees\n2. counties\n\n- Famous Kates\nSomething else"
    record = walls.WALLS.record(document, (PLAIN, answer), lookup.parser("walls_ref"))
    assert walls.CONNECTIONS.of([record]) == 2
    assert walls.CONNECTION_RATE.of([record]) == 0.5
    assert walls.CONNECTION_ROUGE1.of([record]) == pytest.approx((1 + 2 / 3 + 1 + 0) / 4)
    assert read_connections("a", 3) == ("a", "", "")


@settings(deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_rouge_is_symmetric_and_bounded(one: str, other: str) -> None:
    assert rouge1_f1(one, other) == rouge1_f1(other, one)
    assert 0 <= rouge1_f1(one, other) <= 1
    assert rouge1_f1("a b", "b a") == 1


def test_known_forms_of_walls() -> None:
    archive = {"id": 1, "answers": [{"group": "RAIN", "members": ["HAIL", "SLEET"]}]}
    served = {"print_date": "x", "categories": [{"title": "RAIN", "cards": [{"content": "HAIL"}]}]}
    assert wall_of(archive).groups == (("HAIL", "SLEET"),)
    assert wall_of(served).connections == ("RAIN",)
    plain = wall_of({"id": "p", "groups": [["a", 8.5], ["c", 2.0]], "connections": ["x", "y"]})
    assert plain.groups == (("a", "8.5"), ("c", "2"))
    assert sorted(plain.clues(1)) == ["2", "8.5", "a", "c"]
    assert plain.clues(1) == plain.clues(1)
    for strange in ({"id": 1}, {"id": 1, "groups": [[]]}, {"answers": [{"group": "x"}]}):
        with pytest.raises(DataError, match="no wall"):
            wall_of(strange)
    with pytest.raises(DataError, match="one size"):
        walls.grouping_parts(GOLD, [["a"], ["b", "c"]])


@settings(deadline=None)
@given(st.integers(0, 50))
def test_balanced_clusters_find_separated_groups(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(4), 4))
    vectors = np.eye(4)[truth] * rng.uniform(1, 9, (16, 1)) + rng.normal(0, 0.05, (16, 4))
    found = balanced_kmeans(vectors, 4, seed=seed, restarts=3)
    assert np.bincount(found).tolist() == [4, 4, 4, 4]
    assert len({(a, b) for a, b in zip(truth.tolist(), found.tolist(), strict=True)}) == 4
    assert found[0] == 0


@settings(deadline=None)
@given(st.integers(0, 20))
def test_clusters_are_of_equal_size_even_in_noise(seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(16, 8))
    found = balanced_kmeans(vectors, 4, seed=seed, restarts=2)
    assert np.bincount(found).tolist() == [4, 4, 4, 4]
    assert np.array_equal(found, balanced_kmeans(vectors * 3, 4, seed=seed, restarts=2))


def test_of_several_starts_the_tightest_clustering_is_kept() -> None:
    """The first start is among them, so that more starts never give a looser clustering."""

    def spread(vectors: np.ndarray, restarts: int) -> float:
        points = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        found = balanced_kmeans(vectors, 4, seed=3, restarts=restarts)
        members = [points[found == at] for at in range(4)]
        return sum(float(((part - part.mean(axis=0)) ** 2).sum()) for part in members)

    gains = []
    for seed in range(8):
        vectors = np.random.default_rng(seed).normal(size=(16, 6))
        gains.append(spread(vectors, 1) - spread(vectors, 6))
    assert min(gains) > -1e-9
    assert max(gains) > 0.01


def test_clustering_refuses_what_it_cannot_balance() -> None:
    for vectors, said in (
        (np.ones((15, 2)), "do not divide into 4 equal groups"),
        (np.zeros((16, 2)), "zero or not finite"),
        (np.full((16, 2), np.nan), "zero or not finite"),
    ):
        with pytest.raises(DataError, match=said):
            balanced_kmeans(vectors, 4)


# ------------------------------------------------------------------ clues that stand twice


def perfect(gold: list[list[str]]) -> tuple[object, ...]:
    parts = walls.grouping_parts(gold, gold)
    return tuple(parts[name] for name in ("solved", "wd", "ami", "ari", "fms", "nmi"))


def test_a_group_whose_every_clue_stands_elsewhere_too_can_be_answered_perfectly() -> None:
    gold = [["a", "b", "e", "f"], ["a", "b", "c", "d"], ["c", "d", "g", "h"], ["i", "j", "k", "l"]]
    assert perfect(gold) == (1, 0.0, 1.0, 1.0, 1.0, 1.0)
    before = walls.grouping_parts(gold, gold, whole=False)
    assert (before["solved"], before["wd"]) == (1, 0.125)  # what version 1 made of it


@given(st.lists(st.sampled_from("abcdefgh"), min_size=16, max_size=16))
def test_a_perfect_answer_scores_perfectly_whatever_repeats(clues: list[str]) -> None:
    gold = [clues[at : at + 4] for at in range(0, 16, 4)]
    assert perfect(gold) == pytest.approx((1, 0.0, 1.0, 1.0, 1.0, 1.0))


@given(st.integers(0, 10**6), st.integers(0, MAX_HERRINGS))
def test_no_clue_of_a_packaged_wall_stands_twice(number: int, herrings: int) -> None:
    """There the two versions of the scorer agree, so that older figures of the task stay true."""
    clues = WallWorld("test", herrings).wall(number).clues
    assert len(set(map(key, clues))) == 16


@pytest.mark.parametrize("clue", ["", "  ", None, True, {"content": ""}, {}])
def test_an_empty_clue_makes_no_wall(clue: object) -> None:
    groups = [[clue if (group, at) == (2, 1) else f"{group}{at}" for at in range(4)]
              for group in range(4)]  # fmt: skip
    with pytest.raises(DataError, match="a clue is empty"):
        wall_of({"wall_id": "w", "groups": groups})


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"connections": ["a", "b", "c"]}, "4 groups have 3 connections"),
        ({"connections": ["a", "b", "c", ""]}, "empty"),
        ({"answers": [{"group": "g", "members": ["a"]}]}, "several fields could hold the groups"),
    ],
)
def test_connections_and_forms_are_whole(row: dict[str, object], problem: str) -> None:
    groups = [[f"{group}{at}" for at in range(4)] for group in range(4)]
    with pytest.raises(DataError, match=problem):
        wall_of({"wall_id": "w", "groups": groups, **row})


def test_outcomes_of_people_are_never_read_as_true_because_they_are_words() -> None:
    groups = {
        f"group_{at}": {
            "gt_words": [f"{at}{clue}" for clue in range(4)],
            "gt_connection": f"c{at}",
            "human_performance": {"grouping": 1, "connection": 0},
        }
        for at in range(4)
    }
    assert wall_of({"wall_id": "w", "groups": groups}).human_connections == (False,) * 4
    for wrong in ("0", None, 2):
        groups["group_1"]["human_performance"] = {"grouping": wrong, "connection": 0}
        with pytest.raises(DataError, match="0 or 1"):
            wall_of({"wall_id": "w", "groups": groups})
    del groups["group_3"]["gt_connection"]
    groups["group_1"]["human_performance"] = {"grouping": 1, "connection": 0}
    with pytest.raises(DataError, match="a connection is empty"):
        wall_of({"wall_id": "w", "groups": groups})
