from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headbench.errors import ConfigError
from headbench.worlds.scene_words import SCENE_WORDS
from headbench.worlds.walls import CATEGORIES, MAX_HERRINGS, WALL_WORDS, WallWorld, solutions
from headbench.worlds.words import NEEDLE_WORDS


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["train", "calibration", "test"]),
    st.integers(0, MAX_HERRINGS),
    st.integers(0, 10_000),
)
def test_every_wall_has_one_solution_and_its_number_of_herrings(
    split: str, herrings: int, seed: int
) -> None:
    wall = WallWorld(split, herrings).wall(seed)  # type: ignore[arg-type]
    assert len(set(wall.clues)) == 16
    assert sorted(wall.clues) == sorted(word for group in wall.groups for word in group)
    assert len(wall.herrings) == herrings
    groups = list(zip(wall.connections, wall.groups, strict=True))
    (only,) = solutions(groups)
    assert only == {word: name for name, members in groups for word in members}
    for name, members in groups:
        assert set(members) <= set(CATEGORIES[name])
    for word in wall.herrings:
        assert sum(word in CATEGORIES[name] for name in wall.connections) > 1


def test_a_wall_with_two_solutions_is_recognised() -> None:
    fruits = ("orange", "olive", "lemon", "cherry")
    colors = ("peach", "plum", "red", "green")  # peach and plum could change places with orange
    rest = [
        ("birds", ("owl", "heron", "raven", "falcon")),
        ("tools", ("hammer", "chisel", "plow", "broom")),
    ]
    assert len(list(solutions([("fruits", fruits), ("colors", colors), *rest]))) > 1


def test_walls_are_functions_of_split_and_seed_and_splits_share_none() -> None:
    assert WallWorld("test").wall(3) == WallWorld("test").wall(3)
    words = {
        split: {frozenset(WallWorld(split).wall(seed).clues) for seed in range(40)}
        for split in ("train", "calibration", "test")
    }
    assert words["train"].isdisjoint(words["test"])
    assert words["calibration"].isdisjoint(words["test"])
    assert len(words["test"]) == 40


def test_clues_are_words_that_the_reference_models_read() -> None:
    known = {*NEEDLE_WORDS, *SCENE_WORDS}
    strange = [word for word in WALL_WORDS if word not in known]
    assert strange == list(CATEGORIES), "only the connections' names are new"


def test_out_of_range() -> None:
    with pytest.raises(ConfigError, match="herrings"):
        WallWorld("test", MAX_HERRINGS + 1)
    with pytest.raises(ConfigError, match="unknown split") as caught:
        WallWorld("tset")  # type: ignore[arg-type]
    assert "'test'" in caught.value.hint
