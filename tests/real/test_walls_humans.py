"""The 172 released Only Connect walls, and the people who played them."""

from __future__ import annotations

from pathlib import Path

import pytest

from headbench.families.walls.walls_forms import SolvedWall, wall_of
from headbench.families.walls.walls_scorer import grouping_parts
from headbench.results.recorded import read_rows

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def released(real_data: Path) -> list[SolvedWall]:
    recorded = read_rows(real_data / "grouping/ocw_walls/walls_seasons_1_6.json")
    return [wall_of(row) for row in recorded.rows]


def test_people_solved_94_walls_477_groups_545_connections(released: list[SolvedWall]) -> None:
    assert len(released) == 172
    assert sum(all(wall.human_groups) for wall in released) == 94
    assert sum(sum(wall.human_groups) for wall in released) == 477
    assert sum(sum(wall.human_connections) for wall in released) == 545
    # Nobody finds exactly three of four groups.
    assert {sum(wall.human_groups) for wall in released} == {0, 1, 2, 4}


def test_every_wall_is_its_own_perfect_answer(released: list[SolvedWall]) -> None:
    for wall in released[::7]:
        parts = grouping_parts([group[::-1] for group in wall.groups[::-1]], wall.groups)
        assert (parts["correct_groups"], parts["wd"]) == (4, 0)
        assert parts["ami"] == pytest.approx(1)


def test_the_shuffle_hides_the_solution_and_keeps_the_clues(released: list[SolvedWall]) -> None:
    for wall in released:
        clues = [clue for group in wall.groups for clue in group]
        assert len(clues) == 16
        assert sorted(wall.clues(seed=1)) == sorted(clues)
        assert list(wall.clues(seed=1)) != clues
    assert released[0].clues(1) != released[0].clues(2)
