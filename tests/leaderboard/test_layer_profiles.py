"""Figures of every layer and head: what is compared, in which order, and how it is drawn."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from headbench.leaderboard.cells import ShownCell, ShownRow, rows
from headbench.leaderboard.environment import environment
from headbench.leaderboard.layer_profiles import Profile, profiles
from headbench.leaderboard.sources import read_sources
from headbench.leaderboard.task_views import undrawn
from headbench.results.schema import ProfileFacts

GOLDEN = Path(__file__).parents[2] / "results" / "measured" / "golden"
CURVE = ProfileFacts(
    metric="brain.table_rsa",
    layers=[0, 2, 3],
    values=[[0.1], [0.2], [None]],
    floor=0.4,
    ceiling=0.6,
    chance=0.0,
)


@pytest.fixture(scope="module")
def row() -> ShownRow:
    (found,) = rows(read_sources([GOLDEN / "ref-lm-v1"]))
    return found


def holding(cell: ShownCell, name: str, *told: ProfileFacts) -> ShownCell:
    arm = cell.result.arm.model_copy(update={"name": name})
    update = {"profiles": list(told), "arm": arm}
    return replace(cell, result=cell.result.model_copy(update=update))


def of(row: ShownRow, base: ProfileFacts, **others: ProfileFacts) -> Profile:
    (edited,) = row.cells.values()
    cells = {name: holding(edited, name, told) for name, told in others.items()}
    (made,) = profiles(replace(row, baseline=holding(row.baseline, "baseline", base), cells=cells))
    return made


def valued(told: ProfileFacts, *values: float | None) -> ProfileFacts:
    return told.model_copy(update={"values": [[value] for value in values]})


def html(made: Profile) -> str:
    source = "{% from 'profiles.html' import profile %}{{ profile(made) }}"
    return environment().from_string(source).render(made=made)


def test_a_row_without_layers_has_no_profile(row: ShownRow) -> None:
    assert list(profiles(row)) == []


def test_conditions_of_the_same_layers_are_compared(row: ShownRow) -> None:
    elsewhere = CURVE.model_copy(update={"layers": [0, 1, 3]})
    made = of(
        row,
        CURVE,
        little=valued(CURVE, 0.1, 0.25, 0.3),
        much=valued(CURVE, -0.3, 0.2, None),
        other=elsewhere,
    )
    assert [one.name for one in made.others] == ["much", "little"]
    assert made.others[0].change == (pytest.approx((-0.4,)), (0.0,), (None,))
    assert made.low < -0.3
    assert made.high > 0.6  # the band is within the axis
    assert made.reach == 0.5
    drawn = html(made)
    assert drawn.count("<svg") == 2
    assert drawn.count('class="band"') == 2
    assert "from 0.400 to 0.600" in drawn
    assert re.findall(r'<td class="num">(−0\.400)</td>', drawn) == ["−0.400"]
    # Two known layers of the first and three of the second: an unknown value is no point.
    assert [part.count("<circle") for part in drawn.split("<svg")[1:]] == [4, 5]


def test_a_head_map_names_its_own_layers_and_heads(row: ShownRow) -> None:
    base = ProfileFacts(
        metric="brain.mknn", layers=[1, 2], heads=[0, 5], values=[[0.1, 0.2], [0.3, None]]
    )
    moved = base.model_copy(update={"values": [[0.1, 0.2], [0.05, None]]})
    drawn = html(of(row, base, edited=moved))
    assert drawn.count("<svg") == 3
    assert "layer 2, head 0: 0.300" in drawn
    assert "layer 2, head 0: −0.250" in drawn
    assert "layer 2, head 5: undefined" in drawn


def test_one_layer_can_be_drawn(row: ShownRow) -> None:
    one = CURVE.model_copy(update={"layers": [3], "values": [[0.2]]})
    assert html(of(row, one)).count("<circle") == 1


def test_a_view_that_no_record_allows_is_named() -> None:
    (labels,) = [
        one
        for one in rows(read_sources([GOLDEN / "ref-lm-v2"]))
        if one.result.task.name == "stickiness"
    ]
    assert [view.parts for view in undrawn(labels)] == [("confidence.zero_shot",)]


def test_a_view_that_is_drawn_is_not_named(row: ShownRow) -> None:
    assert undrawn(row) == ()
