"""What a family wants to see of its results: data that the board draws and that knows no page.

A view names metrics and parts of records. The board applies it to every task that has its metrics,
under every condition; what draws it is in ``headbench.leaderboard.task_views``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Shape = Literal["grid", "groups", "counts", "plane", "band"]
"""How a view is drawn.

========== =====================================================================================
``grid``   one metric by two parts of records, as a heat map beside the unedited one
``groups`` several metrics by one part of records: one line per condition and value of the part
``counts`` how many records have each value of one part, beside what chance gives
``plane``  two metrics of each condition as the axes of one drawing; further metrics in its table
``band``   one metric per condition within the band of two others, its floor and its ceiling
========== =====================================================================================
"""


@dataclass(frozen=True)
class View:
    """One view of a family's results.

    Attributes:
        shape: How it is drawn.
        title: Its heading.
        metrics: Registry names; a task without the first of them has no such view.
        parts: Names of score parts that split the records: two of a ``grid`` (rows, columns), one
            of ``groups`` and ``counts``. Records without them have no such view.
        bins: Upper ends of the bins of a number that is not one of few values, such as a
            confidence; empty: every value is a group of its own.
        chance: For ``counts``: value of the part -> share of records by chance.
        note: One or two sentences on how to read it.
    """

    shape: Shape
    title: str
    metrics: tuple[str, ...]
    parts: tuple[str, ...] = ()
    bins: tuple[float, ...] = ()
    chance: tuple[tuple[float, float], ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse a view that cannot be drawn.

        Raises:
            ValueError: the number of parts or metrics does not fit the shape.
        """
        wanted = {"grid": 2, "groups": 1, "counts": 1, "plane": 0, "band": 0}[self.shape]
        if len(self.parts) != wanted:
            raise ValueError(f"view {self.title!r}: {self.shape} takes {wanted} parts")
        fewest = {"plane": 2, "band": 3}.get(self.shape, 1)
        if len(self.metrics) < fewest:
            raise ValueError(f"view {self.title!r}: {self.shape} takes {fewest} metrics or more")
