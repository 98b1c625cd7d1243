"""A result with its item records: what comparisons, tables and collections are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from headbench.nouns import Record
from headbench.results.check import read_checked
from headbench.results.files import Entry, check_beside, read_entries, read_with_version
from headbench.results.schema import SCHEMA_VERSION, Result


@dataclass(frozen=True)
class NotShown:
    """A file, or a cell, that takes no part, and why.

    Attributes:
        path: The file.
        reason: In words.
    """

    path: Path
    reason: str


@dataclass(frozen=True)
class Cell:
    """A result with its records.

    Attributes:
        result: What the result file says.
        in_memory: What the records file says, where it was read already. ``None`` leaves the
            records in their file until they are asked for, so that a folder of many cells costs
            the memory of one.
        path: The result file; ``None`` for a cell that was not written.
        unchecked: Figures that could not be computed again from the records, with the reason.
        version: Schema version that its file was written in.
    """

    result: Result
    in_memory: tuple[Entry, ...] | None = field(default=None, repr=False)
    path: Path | None = None
    unchecked: tuple[str, ...] = ()
    version: int = SCHEMA_VERSION

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The item records.

        Raises:
            StoreError: the records cannot be read, or changed since the result was written.
        """
        if self.in_memory is not None:
            return self.in_memory
        if self.path is None or self.result.records is None:
            return ()
        return read_entries(self.path, self.result)

    @property
    def records(self) -> list[Record]:
        """The documents' outcomes; see :attr:`entries`."""
        return self._held if self.in_memory is not None else [e.record for e in self.entries]

    @cached_property
    def _held(self) -> list[Record]:
        return [entry.record for entry in self.in_memory or ()]


def read_cell(path: Path, *, check: bool = True, beside: bool = True) -> Cell:
    """Read a cell; its records stay in their file.

    Args:
        path: The result file.
        check: Whether every figure is computed again from the records. Without it only the
            digests of the files beside the result are checked.
        beside: Whether these are, where ``check`` is false.

    Raises:
        StoreError: a file is missing or damaged, or the records do not give the figures.
    """
    if check:
        found = read_checked(path)
        return Cell(found.result, path=path, unchecked=found.unchecked)
    result, version = read_with_version(path)
    if beside:
        check_beside(path, result)
    return Cell(result, path=path, version=version)
