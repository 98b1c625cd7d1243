"""A result split by a part of its records: by setting, by length, by depth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headbench.errors import ConfigError
from headbench.nouns import Record
from headbench.statistics.metric import Metric

Key = str | float


@dataclass(frozen=True)
class GroupValue:
    """A metric over the records of one group.

    Attributes:
        value: The metric; NaN where it is undefined.
        n: Records in the group.
    """

    value: float
    n: int


def groups(records: Sequence[Record], *parts: str) -> dict[tuple[Key, ...], list[Record]]:
    """Records by the values of these parts, in sorted order (numbers before words).

    Raises:
        ConfigError: A record lacks one of the parts.
    """
    found: dict[tuple[Key, ...], list[Record]] = {}
    for record in records:
        found.setdefault(tuple(_key(record, part) for part in parts), []).append(record)
    order = sorted(found, key=lambda keys: [(isinstance(key, str), key) for key in keys])
    return {keys: found[keys] for keys in order}


def by_part(metric: Metric, records: Sequence[Record], part: str) -> dict[Key, GroupValue]:
    """The metric within each value of a part; the empty mapping for no records."""
    return {
        key: GroupValue(metric.of(members), len(members))
        for (key,), members in groups(records, part).items()
    }


def grid(
    metric: Metric, records: Sequence[Record], rows: str, columns: str
) -> dict[Key, dict[Key, GroupValue]]:
    """The metric within each pair of values, e.g. length x depth; absent pairs are absent."""
    table: dict[Key, dict[Key, GroupValue]] = {}
    for (row, column), members in groups(records, rows, columns).items():
        table.setdefault(row, {})[column] = GroupValue(metric.of(members), len(members))
    return table


def unweighted_mean(cells: dict[Key, GroupValue]) -> float:
    """The mean of the cells' values, each counted once: what papers call the average.

    Returns:
        NaN for no cells, or where any cell is NaN.
    """
    return sum(cell.value for cell in cells.values()) / len(cells) if cells else math.nan


def effective_length(
    metric: Metric, records: Sequence[Record], threshold: float, part: str = "length"
) -> float | None:
    """The largest length up to which every length reaches the threshold.

    RULER (Hsieh et al. 2024, arXiv 2404.06654) reports the largest length that passes. Here all
    shorter ones must pass too, so that one lucky long length does not hide a broken short one.

    Args:
        metric: A metric where higher is better.
        records: Records with a numeric part ``part``.
        threshold: The least value that passes, in the metric's own unit.
        part: The part that holds the length.

    Returns:
        The length, or ``None`` if the shortest one fails already, or there are no records.
    """
    reached: float | None = None
    for length, cell in by_part(metric, records, part).items():
        if not isinstance(length, float):
            raise ConfigError(
                f"{part!r} must be a number to find an effective length, not {length!r}",
                where=f"record part {part!r}",
                hint="give the documents a numeric field of that name",
            )
        # `not (a >= b)` and not `a < b`: a NaN cell does not pass.
        if not cell.value >= threshold:
            break
        reached = length
    return reached


def _key(record: Record, part: str) -> Key:
    if part not in record.parts:
        raise ConfigError(
            f"records cannot be split by {part!r}",
            where=f"document {record.document}",
            hint=f"its parts are {', '.join(sorted(record.parts))}",
        )
    value = record.parts[part]
    return float(value) if isinstance(value, int | float) else str(value)
