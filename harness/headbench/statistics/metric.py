"""What a metric is: sufficient statistics per record, and a function of their sum.

Corpus ratios (CHAIR_I, F1, recall) are not means of per-item values. Writing every metric as
``value(sum of rows)`` makes that impossible to forget, and makes resampling one matrix product:
leave out, resample or swap the rows' sums, then apply ``value`` to all draws at once.

numpy is imported where it is used: a metric is named by every list and every check of task files,
and numpy would be a quarter of what those cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from headbench.nouns import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"


@dataclass(frozen=True)
class Metric:
    """A named figure over the records of one (model, task, condition) cell.

    Attributes:
        name: Registry name.
        parts: Names of the summed columns, for humans and for stored aggregates.
        row: Record -> one number a part. A record that does not take part gives zeros.
        value: Sums ``[..., part]`` -> values ``[...]``; NaN where the figure is undefined.
        higher_is_better: ``None`` where neither direction is good (length, yes ratio).
        unit: How to print it.
        low: Least possible value; a value below it stops the run.
        high: Greatest possible value; ``None`` is unbounded.
        outcome: For metrics whose documents are right or wrong: record -> bool, or ``None`` for a
            record that does not take part. Enables the exact McNemar test.
        trials: For counts: the most that a record can add to the count, which makes its interval
            that of the share. ``None``: one, where every record adds 0 to 1; unknown elsewhere.
    """

    name: str
    parts: tuple[str, ...]
    row: Callable[[Record], Sequence[float]]
    value: Callable[[Floats], Floats]
    higher_is_better: bool | None
    unit: Literal["fraction", "count", "words", "points"] = "fraction"
    low: float | None = 0.0
    high: float | None = 1.0
    outcome: Callable[[Record], bool | None] | None = None
    trials: Callable[[Record], float] | None = None

    def rows(self, records: Sequence[Record]) -> Floats:
        """Stack the records' parts: ``[record, part]``; ``[0, part]`` for no records."""
        import numpy as np

        table = np.array([self.row(record) for record in records], dtype=np.float64)
        return table.reshape(len(records), len(self.parts))

    def of(self, records: Sequence[Record]) -> float:
        """The metric over all records; NaN for none."""
        return float(self.value(self.rows(records).sum(axis=0)))


def column(sums: Floats, place: int) -> Floats:
    """One of the summed parts as it is: what a count is."""
    import numpy as np

    return np.asarray(sums[..., place], dtype=np.float64)


def ratio(over: Floats, under: Floats) -> Floats:
    """``over / under`` elementwise, NaN where ``under`` is zero."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(under > 0, over / under, np.nan), dtype=np.float64)
