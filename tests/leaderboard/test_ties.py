"""Letters come from paired differences, not from intervals of levels."""

from __future__ import annotations

import pytest

from headbench.leaderboard.links import method_names
from headbench.leaderboard.ties import tie_letters
from headbench.nouns import Record
from headbench.results.figures import Sampling
from headbench.scoring import lookup


def records(right: str) -> list[Record]:
    return [
        Record(f"d{n}", f"d{n}", ("x",), "x", "verbatim@1", {"correct": int(char), "fraction": 1.0})
        for n, char in enumerate(right)
    ]


def letters(metric: str = "niah.recall", **conditions: str) -> dict[str, str]:
    given = {name: records(right) for name, right in conditions.items()}
    return tie_letters(lookup.metric(metric), given, Sampling())


def test_pairing_separates_what_levels_do_not() -> None:
    # 60 and 50 of 100: the levels' intervals overlap (50 to 69, 40 to 60), the same ten changed.
    assert letters(a="1" * 60 + "0" * 40, b="1" * 50 + "0" * 50) == {"a": "A", "b": "B"}


def test_a_condition_may_stand_between_two_groups() -> None:
    found = letters(best="1" * 60 + "0" * 40, middle="1" * 56 + "0" * 44, worst="1" * 51 + "0" * 49)
    assert found == {"best": "A", "middle": "AB", "worst": "B"}


def test_one_condition_has_no_rank() -> None:
    assert letters(a="10") == {"a": ""}


@pytest.mark.parametrize(
    ("name", "methods"),
    [
        ("vhr(alpha=2)+pai", ("vhr", "pai")),
        ('mask_heads(map="a+b.json",heads=[[0,1],[2,3]])', ("mask_heads",)),
        ("baseline", ("baseline",)),
    ],
)
def test_methods_of_a_condition(name: str, methods: tuple[str, ...]) -> None:
    assert method_names(name) == methods
