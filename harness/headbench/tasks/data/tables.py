"""Reading a file of rows: JSON in its several containers, or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from headbench._json import json_values
from headbench._reading import read_file
from headbench.errors import DataError

Table = list[dict[str, object]]
_MOST_CELL = 10_000_000
"""Characters of the longest CSV cell; Python's own limit is too small for documents."""


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """The text of a data file.

    Raises:
        DataError: Missing, unreadable, or not in that encoding.
    """
    try:
        # A byte-order mark is no part of the first key.
        return read_file(path).decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(
            f"the file is not {encoding} text",
            where=f"{path}, byte {error.start}",
            hint="save it as UTF-8, or name its encoding in dataset_kwargs.encoding",
        ) from error
    except LookupError as error:
        raise DataError(f"there is no encoding {encoding!r}", where=str(path)) from error


def read_json(path: Path, encoding: str = "utf-8") -> object:
    """One JSON value.

    Raises:
        DataError: Unreadable or not JSON.
    """
    values = json_values(read_text(path, encoding), str(path))
    if len(values) != 1:
        raise DataError(f"expected one JSON value, found {len(values)}", where=str(path))
    return values[0]


def read_table(path: Path, encoding: str = "utf-8", field: str | None = None) -> Table:
    """Rows of a JSON or CSV file.

    JSON may be an array, JSON lines, or objects one after the other, pretty-printed or not.

    Args:
        path: The file; ``.csv`` and ``.tsv`` are tables, all else is JSON.
        encoding: Its encoding.
        field: Key of the list within a JSON object.

    Raises:
        DataError: Unreadable, cut short, or not rows.
    """
    if path.suffix in {".csv", ".tsv"}:
        return _read_csv(path, encoding)
    values = json_values(read_text(path, encoding), str(path))
    if len(values) == 1 and field is not None:
        value = values[0]
        if not isinstance(value, Mapping) or field not in value:
            raise DataError(f"the file has no key {field!r}", where=str(path))
        values = [value[field]]
    if len(values) == 1 and isinstance(values[0], list):
        values = values[0]
    rows: Table = []
    for number, value in enumerate(values):
        if not isinstance(value, dict):
            raise DataError(
                f"row {number} is not an object but {type(value).__name__}",
                where=str(path),
                hint="each row is {key: value, ...}",
            )
        rows.append(value)
    return rows


def _read_csv(path: Path, encoding: str) -> Table:
    csv.field_size_limit(_MOST_CELL)
    text = read_text(path, encoding)
    delimiter = "\t" if path.suffix == ".tsv" else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: Table = []
    try:
        for row in reader:
            if None in row or None in row.values():
                raise DataError(
                    "a row has not as many cells as the header",
                    where=f"{path}:{reader.line_num}",
                    hint="quote cells that hold a separator or a line break",
                )
            rows.append(dict(row))
    except csv.Error as error:
        raise DataError(f"not valid CSV: {error}", where=f"{path}:{reader.line_num}") from error
    return rows
