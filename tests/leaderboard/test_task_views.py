"""Views of a family, as numbers: heat maps, groups, counts; the code names no family."""

from __future__ import annotations

from math import comb, factorial
from pathlib import Path

import pytest

from headbench.families.walls import FAMILY as WALLS
from headbench.leaderboard.cells import rows
from headbench.leaderboard.intervention_pages import sweeps
from headbench.leaderboard.sources import Sources, read_sources
from headbench.leaderboard.task_views import Drawn, drawn
from headbench.scoring import family
from headbench.scoring.views import View

GOLDEN = Path(__file__).parents[2] / "results" / "measured" / "golden"


@pytest.fixture(scope="module")
def needles() -> Sources:
    return read_sources([GOLDEN / "ref-lm-v1"])


def views_of(sources: Sources) -> list[Drawn]:
    return [made for row in rows(sources) for made in drawn(row)]


def test_a_heat_map_is_the_metric_of_its_records(needles: Sources) -> None:
    (made,) = views_of(needles)
    base, masked = made.heats
    files = {cell.result.arm.name: cell for cell in needles.cells}
    row, column = made.rows.index("256"), made.columns.index("1")
    for heat in (base, masked):
        here = [
            record.parts["correct"]
            for record in files[heat.name].records
            if (record.parts["length"], record.parts["depth"]) == (256, 1.0)
        ]
        assert heat.cells[row][column] == (
            pytest.approx(sum(map(int, here)) / len(here)),
            len(here),
        )
    expected = masked.cells[row][column][0] - base.cells[row][column][0]
    assert masked.change[row][column][0] == pytest.approx(expected)
    assert masked.change[row][column][0] < 0
    assert sum(n for line in base.cells for _, n in line) == 90


def test_groups_sum_to_the_figure() -> None:
    sources = read_sources([GOLDEN / "ref-vlm-v2"])
    (row,) = [one for one in rows(sources) if one.result.task.name == "pope"]
    (made,) = drawn(row)
    assert made.heads == ("accuracy", "yes_ratio", "unparsed_rate")
    lines = [line for line in made.lines if line.baseline]
    assert [line.group for line in lines] == ["adversarial", "popular", "random"]
    whole = sum(line.n * (line.values[0] or 0) for line in lines) / sum(line.n for line in lines)
    assert row.baseline.main is not None
    assert whole == pytest.approx(row.baseline.main.value)
    names = {cell.result.arm.name for cell in row.cells.values()}
    assert {line.name for line in made.lines if not line.baseline} == names


def test_walls_by_chance_are_all_groupings() -> None:
    (view,) = WALLS.views
    groupings = factorial(16) // (factorial(4) ** 4 * factorial(4))
    by_chance = dict(view.chance)
    assert sum(by_chance.values()) == pytest.approx(1)
    # A gold group is among four random ones with probability 4 / C(16, 4).
    assert sum(right * share for right, share in view.chance) == pytest.approx(16 / comb(16, 4))
    assert by_chance[4] == pytest.approx(1 / groupings)


def test_a_view_that_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="grid takes 2 parts"):
        View("grid", "x", ("niah.recall",), ("length",))
    with pytest.raises(ValueError, match="band takes 3 metrics or more"):
        View("band", "x", ("brain.rsa",))


def test_every_view_names_metrics_of_its_family() -> None:
    for known in family.known().values():
        for view in known.family.views:
            assert set(view.metrics) <= set(known.family.metrics), view.title


def test_doses_need_all_else_equal() -> None:
    sources = read_sources([GOLDEN / "ref-vlm-v2"])
    found = [(row, cell) for row in rows(sources) for cell in row.cells.values()]
    assert sweeps(found) == []  # one dose each
