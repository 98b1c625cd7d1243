"""The boundary to tables: one limit for the length of a cell, every fault in words."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager

from headbench.errors import DataError

LONGEST_CELL = 2**24
"""Characters of a cell; Python's own limit, 128 KiB, is too small for documents."""


@contextmanager
def csv_errors(where: str, what: str = "this is no table") -> Iterator[None]:
    """Read a table in the block with :mod:`csv`; what that raises becomes ours.

    Args:
        where: The file, for errors.
        what: How an error begins.

    Raises:
        DataError: The text is no such table, or a cell is too long.
    """
    # The limit belongs to the process; another library may have set it.
    csv.field_size_limit(LONGEST_CELL)
    try:
        yield
    except csv.Error as error:
        raise DataError(
            f"{what}: {error}", where=where, hint="save it as UTF-8 CSV with quoted cells"
        ) from error
