"""Answered documents over expected ones; a partial log gets no headline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headbench.errors import DataError
from headbench.nouns import Record
from headbench.statistics.metric import Metric


@dataclass(frozen=True)
class Coverage:
    """Answered documents out of those expected.

    Attributes:
        answered: Documents with a record.
        expected: Documents that the task has.
    """

    answered: int
    expected: int

    def __post_init__(self) -> None:
        if not 0 <= self.answered <= self.expected:
            raise DataError(
                f"{self.answered} answers to {self.expected} documents cannot be",
                where="coverage",
                hint="check that the answers belong to this version of the data set",
            )

    @property
    def complete(self) -> bool:
        """Whether there are documents, and all were answered."""
        return 0 < self.answered == self.expected

    @property
    def fraction(self) -> float:
        """Answered over expected, 0..1; 0 where nothing was expected."""
        return self.answered / self.expected if self.expected else 0.0

    def __str__(self) -> str:
        """``2,712 of 2,910 (93.2 %)``."""
        return f"{self.answered:,} of {self.expected:,} ({100 * self.fraction:.1f} %)"


def headline(metric: Metric, records: Sequence[Record], expected: int) -> float | None:
    """The metric, or ``None`` where answers are missing: what is missing is rarely random."""
    complete = Coverage(len(records), expected).complete
    return metric.of(records) if complete else None
