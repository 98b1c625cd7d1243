"""What ``ref-vlm`` must show before it ships: bounds over its table of evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

Table = Mapping[str, Any]


@dataclass(frozen=True)
class Criterion:
    """A named bound.

    Attributes:
        name: What is measured.
        bound: In words.
        value: Reads the figure or figures.
        holds: Whether they satisfy the bound.
    """

    name: str
    bound: str
    value: Callable[[Table], Any]
    holds: Callable[[Any], bool]


def _accuracy(table: Table) -> list[float]:
    pope = table["pope"]["base"]
    return [pope[setting]["accuracy"] for setting in ("random", "popular", "adversarial")]


def _yes(table: Table) -> list[float]:
    pope = table["pope"]["base"]
    return [pope[setting]["yes_ratio"] for setting in ("random", "popular", "adversarial")]


def _recall(length: str, table: Table) -> float:
    return float(table["niah"]["by_length"][length])


def _chair_change(table: Table, condition: str) -> float:
    chair = table["chair"]
    return round(float(chair[condition]["chair_i"]) - float(chair["base"]["chair_i"]), 4)


def random_changes(table: Table) -> list[float]:
    """Change of CHAIR_i under each random half, in the order of the draws."""
    base, draws = float(table["chair"]["base"]["chair_i"]), table["chair_random_halves"]
    return [round(float(drawn["chair_i"]) - base, 4) for drawn in draws.values()]


def _mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 4)


def _masked_random(table: Table) -> list[float]:
    masked = table["niah"]["masked"]
    return [round(value - masked["baseline"], 4) for value in masked["random"].values()]


def _between(low: float, high: float) -> Callable[[float], bool]:
    return lambda value: low <= value <= high


CRITERIA: tuple[Criterion, ...] = (
    Criterion(
        "POPE accuracy, random > popular > adversarial",
        "falling, the last at least .70",
        _accuracy,
        lambda a: a[0] > a[1] > a[2] >= 0.70,
    ),
    Criterion(
        "POPE yes ratio", "each .45 to .65", _yes, lambda y: all(0.45 <= v <= 0.65 for v in y)
    ),
    Criterion(
        "CHAIR_i of captions",
        ".15 to .30",
        lambda t: t["chair"]["base"]["chair_i"],
        _between(0.15, 0.30),
    ),
    Criterion(
        "object recall of captions",
        "at least .80",
        lambda t: t["chair"]["base"]["recall"],
        _between(0.80, 1.0),
    ),
    Criterion(
        "fixed heads, change of CHAIR_i",
        "at most -.03",
        lambda t: _chair_change(t, "fixed"),
        _between(-1.0, -0.03),
    ),
    Criterion(
        "fixed heads, change of object recall",
        "at least -.05",
        lambda t: round(t["chair"]["fixed"]["recall"] - t["chair"]["base"]["recall"], 4),
        _between(-0.05, 1.0),
    ),
    Criterion(
        "random halves, mean change of CHAIR_i",
        "within .015",
        lambda t: _mean(random_changes(t)),
        _between(-0.015, 0.015),
    ),
    Criterion(
        "low half, change of CHAIR_i",
        "no fall beyond .015",
        lambda t: _chair_change(t, "fixed-low"),
        _between(-0.015, 1.0),
    ),
    *(
        Criterion(
            f"needle recall at {length}",
            f"at least {bound}",
            partial(_recall, length),
            _between(bound, 1.0),
        )
        for length, bound in (("128", 0.95), ("256", 0.95), ("512", 0.90))
    ),
    Criterion(
        "needle recall at 512 without the top 2 heads",
        "below .20",
        lambda t: t["niah"]["masked"]["top"],
        _between(0.0, 0.1999),
    ),
    Criterion(
        "the same without random heads of the same layers, change",
        "within .08",
        _masked_random,
        lambda changes: all(abs(change) <= 0.08 for change in changes),
    ),
)


def criteria(table: Table) -> list[dict[str, Any]]:
    """Every criterion with its figures: ``name``, ``bound``, ``value``, ``holds``."""
    found = []
    for criterion in CRITERIA:
        value = criterion.value(table)
        found.append(
            {
                "name": criterion.name,
                "bound": criterion.bound,
                "value": value,
                "holds": criterion.holds(value),
            }
        )
    return found


def verdicts(table: Table) -> str:
    """The acceptance criteria of a table, a line each."""
    return "\n".join(
        f"{'ok  ' if one['holds'] else 'FAIL'} {one['name']}: {one['value']} ({one['bound']})"
        for one in table["gates"]
    )
