"""A result with its item records: what comparisons and tables are made of."""

from __future__ import annotations

from dataclasses import dataclass

from headbench.nouns import Record
from headbench.results.files import Entry
from headbench.results.schema import Result


@dataclass(frozen=True)
class Cell:
    """A result with its records.

    Attributes:
        result: What the result file says.
        entries: What the records file says.
    """

    result: Result
    entries: tuple[Entry, ...]

    @property
    def records(self) -> list[Record]:
        """The documents' outcomes."""
        return [entry.record for entry in self.entries]
