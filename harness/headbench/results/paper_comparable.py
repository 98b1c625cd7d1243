"""Can two printed figures stand in one column? Only where nothing is known to differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headbench.results.paper_cells import (
    CONDITION,
    NOT_STATED,
    PROTOCOL,
    UNKNOWN,
    PaperCell,
)

SUBJECT = ("model", "task", "setting", "metric", "unit")
"""What is measured; always known, but for the unit."""


@dataclass(frozen=True)
class Comparability:
    """What a comparison of two cells rests on.

    Attributes:
        differs: Fields with two known values, in order.
        unknown: Fields that one of the two does not say.
    """

    differs: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def verdict(self) -> Literal["same", "differs", "unknown"]:
        """``same`` alone lets two figures share a sorted column, an axis or a tie group."""
        return "differs" if self.differs else "unknown" if self.unknown else "same"


def comparable(one: PaperCell, other: PaperCell) -> Comparability:
    """Compare what two cells measure, and how. The arm is what a reader compares: it may differ.

    Args:
        one: A cell.
        other: Another cell; the order changes nothing.
    """
    pairs = [(name, getattr(one, name), getattr(other, name)) for name in SUBJECT[:-1]]
    pairs.append(("unit", one.quantity[1], other.quantity[1]))
    pairs += [
        (name, one.condition.get(name, ""), other.condition.get(name, "")) for name in CONDITION
    ]
    pairs += [(name, one.protocol[name], other.protocol[name]) for name in PROTOCOL]
    unknown = tuple(name for name, a, b in pairs if _unknown(name, a) or _unknown(name, b))
    differs = tuple(name for name, a, b in pairs if name not in unknown and a != b)
    return Comparability(differs, unknown)


def difference(cell: PaperCell, baseline: PaperCell) -> str:
    """A cell minus its table's own baseline, in printed units, to the digits of the coarser.

    Raises:
        ValueError: the two have other units.
    """
    if cell.unit != baseline.unit:
        raise ValueError(f"{cell.id} is in {cell.unit}, {baseline.id} in {baseline.unit}")
    digits = max(_digits(cell.value), _digits(baseline.value))
    return f"{cell.number - baseline.number:+.{digits}f}"


def group(cell: PaperCell) -> str:
    """What all cells share that ``comparable`` calls ``same``; empty where a field is unknown."""
    values = [str(getattr(cell, name)) for name in SUBJECT[:-1]]
    values.append(cell.quantity[1])
    values += [str(cell.condition.get(name, "")) for name in CONDITION]
    known = [cell.protocol[name] for name in PROTOCOL]
    if cell.unit == "unknown" or any(_unknown("", value) for value in known):
        return ""
    return " | ".join([*values, *map(str, known)])


def in_words(value: object) -> str:
    """A value of a protocol for the reader: what is unknown is said, and why."""
    if value == NOT_STATED:
        return "not stated by the source"
    if value in UNKNOWN:
        return "not recorded"
    return "does not apply" if value == "not_applicable" else str(value)


def _unknown(name: str, value: object) -> bool:
    return value in UNKNOWN or (name == "unit" and value == "unknown")


def _digits(text: str) -> int:
    return len(text.partition(".")[2]) if "e" not in text.lower() else 6
