"""A brain task's figure of every layer, or of every head, as numbers that a template draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headbench.leaderboard import numbers
from headbench.leaderboard.cells import ShownCell, ShownRow
from headbench.results.schema import ProfileFacts

Values = tuple[tuple[float | None, ...], ...]
"""``[layer][head]``, one column for layers without heads; ``None``: undefined."""


@dataclass(frozen=True)
class Shape:
    """One condition's values.

    Attributes:
        name, page, anchor: The condition, and where all its figures stand.
        values: As the result keeps them.
        change: ``values`` minus the unedited model's; empty for that model itself.
    """

    name: str
    page: str
    anchor: str
    values: Values
    change: Values = ()

    @property
    def curve(self) -> tuple[float | None, ...]:
        """The only column."""
        return tuple(row[0] for row in self.values)


@dataclass(frozen=True)
class Profile:
    """A metric over layers or heads, of one task on one model.

    Attributes:
        metric: Its short name.
        told: What the unedited model's result says: layers, heads, ceiling, chance.
        base: The unedited model.
        others: Conditions with the same layers and heads, what moves most first.
        low, high: Ends of the axis; they hold every value, the band and chance.
        reach: Differences are drawn from ``-reach`` to ``reach``.
    """

    metric: str
    told: ProfileFacts
    base: Shape
    others: tuple[Shape, ...]
    low: float
    high: float
    reach: float


def profiles(row: ShownRow) -> Iterator[Profile]:
    """What the results of a task on a model keep of every layer or head."""
    cells = [cell for cell in row.cells.values() if cell.status == "ok"]
    for told in row.result.profiles:
        base = _shape(row.baseline, told.values)
        others = [
            _shape(cell, one.values, base.values)
            for cell in cells
            for one in cell.result.profiles
            if (one.metric, one.layers, one.heads) == (told.metric, told.layers, told.heads)
        ]
        others.sort(key=lambda one: (-_moved(one), one.name))
        known = [
            value
            for shape in (base, *others)
            for line in shape.values
            for value in line
            if value is not None
        ]
        known += [end for end in (told.floor, told.ceiling, told.chance) if end is not None]
        if not known:
            continue
        low, high = min(0.0, *known), max(known)
        room = 0.05 * (high - low) or 0.05
        moves = [abs(one) for shape in others for line in shape.change for one in line if one]
        yield Profile(
            told.metric.rpartition(".")[2],
            told,
            base,
            tuple(others),
            low - room if low < 0 else 0.0,
            high + room,
            numbers.reach(max(moves, default=1.0)),
        )


def _shape(
    cell: ShownCell, values: Sequence[Sequence[float | None]], base: Values | None = None
) -> Shape:
    own = tuple(tuple(line) for line in values)
    change: Values = ()
    if base is not None:
        change = tuple(
            tuple(
                None if here is None or there is None else here - there
                for here, there in zip(one, two, strict=True)
            )
            for one, two in zip(own, base, strict=True)
        )
    return Shape(cell.result.arm.name, cell.page, cell.anchor, own, change)


def _moved(shape: Shape) -> float:
    return sum(abs(value) for line in shape.change for value in line if value is not None)
