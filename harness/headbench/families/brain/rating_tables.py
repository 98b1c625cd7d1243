"""A user's tables of ratings: norms of words, similarities of pairs, typicality.

A CSV (or, ending in ``.tsv``, tab-separated) file with a header. Lists of rated word pairs are also
read as they are usually published: ``.txt``, three fields per line, without a header.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headbench._csv import csv_errors
from headbench._reading import read_file
from headbench.errors import DataError
from headbench.families.brain.external_data import refuse_named_set
from headbench.families.brain.rdm import Floats
from headbench.statistics.permutation import LEAST_LABELS
from headbench.tasks.data.source import AbsentDataError, DataSpec


@dataclass(frozen=True)
class RatingTable:
    """Columns of text.

    Attributes:
        columns: Name -> ``[row]``, without blanks at either end.
        path: The file, for errors.
    """

    columns: dict[str, tuple[str, ...]]
    path: Path

    def text(self, name: str) -> tuple[str, ...]:
        """A column without empty cells.

        Raises:
            DataError: A cell is empty.
        """
        for row, cell in enumerate(self.columns[name], 1):
            if not cell:
                raise DataError(
                    f"a cell of {name!r} is empty",
                    where=f"{self.path}, row {row}",
                    hint="leave the row out",
                )
        return self.columns[name]

    def numbers(self, name: str) -> Floats:
        """A column of finite numbers: ``[row]``.

        Raises:
            DataError: A cell is empty or no number.
        """
        found = []
        for row, cell in enumerate(self.text(name), 1):
            try:
                number = float(cell)
            except ValueError:
                number = float("nan")
            if not np.isfinite(number):
                raise DataError(
                    f"{cell!r} in the column {name!r} is no number",
                    where=f"{self.path}, row {row}",
                    hint="write ratings as plain numbers; leave out rows without one",
                )
            found.append(number)
        return np.array(found)


def named_table(spec: DataSpec, table: str, sha256: str, needs: Sequence[str]) -> RatingTable:
    """The table that a run names.

    Args:
        spec: Of the task.
        table: The option ``table``.
        sha256: Expected hash; empty: not checked.
        needs: Columns that must be there; of a list without a header, their names in order.

    Raises:
        AbsentDataError: None is named, or it is not there.
        DataError: Another file than the hash says, or a column is missing.
    """
    if not table:
        raise AbsentDataError(
            "this task reads a table of your own, and none is named",
            where=spec.where("table"),
            hint=f"add --task-args table=FILE: a CSV with the columns {', '.join(needs)}",
        )
    refuse_named_set(table)
    return read_ratings(spec.locate("table", table), needs, sha256)


def read_ratings(path: Path, needs: Sequence[str], sha256: str = "") -> RatingTable:
    """Read a table of ratings.

    Args:
        path: ``.csv``, ``.tsv``, or ``.txt`` without a header.
        needs: Columns that must be there.
        sha256: Expected hash; empty: not checked.

    Raises:
        DataError: Another file than the hash says, a column missing, or a row of another length.
    """
    raw = read_file(path, "the table")
    digest = hashlib.sha256(raw).hexdigest()
    if sha256 and digest != sha256:
        raise DataError(
            "the table is another file than the one named",
            where=f"{path}, sha256 {digest}",
            hint=f"expected sha256 {sha256}",
        )
    if path.suffix not in (".csv", ".tsv", ".txt"):
        raise DataError("a table of ratings is csv, tsv or txt", where=str(path), hint="convert it")
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError("the table is not UTF-8", where=str(path), hint="save it so") from error
    if path.suffix == ".txt":
        header, rows = list(needs), [line.split() for line in lines if line.strip()]
    else:
        with csv_errors(str(path)):
            read = csv.reader(lines, delimiter="\t" if path.suffix == ".tsv" else ",")
            header, *rows = [*read] or [[]]
        rows = [row for row in rows if row]
    header = [name.strip() for name in header]
    missing = [name for name in needs if name not in header]
    twice = [name for name in header if header.count(name) > 1]
    if missing or twice or not rows:
        what = (
            f"lacks {', '.join(missing)}" if missing
            else f"has two columns {twice[0]!r}" if twice
            else "has no rows"
        )  # fmt: skip
        raise DataError(
            f"the table {what}",
            where=f"{path}: columns {', '.join(header)}",
            hint=f"it needs the columns {', '.join(needs)}",
        )
    for at, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise DataError(
                f"a row has {len(row)} fields, not {len(header)}",
                where=f"{path}, row {at}",
                hint="quote fields that contain the separator",
            )
    columns = {
        name: tuple(row[at].strip() for row in rows) for at, name in enumerate(header)
    }  # fmt: skip
    return RatingTable(columns, path)


def refuse_few(count: int, what: str, where: str) -> None:
    """Refuse samples whose statistics say nothing.

    Raises:
        DataError: Fewer than 20.
    """
    if count < LEAST_LABELS:
        raise DataError(
            f"{count} {what} are too few",
            where=f"{where}: at least {LEAST_LABELS} are needed",
            hint=f"use more {what}",
        )


def refuse_repeated(names: Sequence[str], what: str, path: Path) -> None:
    """Refuse a name that stands in two rows.

    Raises:
        DataError: One does.
    """
    seen: dict[str, int] = {}
    for row, name in enumerate(names, 1):
        if seen.setdefault(name, row) != row:
            raise DataError(
                f"the {what} {name!r} has two rows",
                where=f"{path}, rows {seen[name]} and {row}",
                hint="average them, or leave one out",
            )
