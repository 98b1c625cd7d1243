"""Reading a file of rows: JSON in its several containers, or CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path

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
        return path.read_bytes().decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(
            f"the file is not {encoding} text",
            where=f"{path}, byte {error.start}",
            mend="save it as UTF-8, or name its encoding in dataset_kwargs.encoding",
        ) from error
    except LookupError as error:
        raise DataError(f"there is no encoding {encoding!r}", where=str(path)) from error
    except OSError as error:
        raise DataError(
            f"cannot read the file: {error.strerror or error}",
            where=str(path),
            mend="check the path and its permissions",
        ) from error


def read_json(path: Path, encoding: str = "utf-8") -> object:
    """One JSON value.

    Raises:
        DataError: Unreadable or not JSON.
    """
    text = read_text(path, encoding)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise _broken(path, text, error) from error


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
    text = read_text(path, encoding)
    values = _json_values(path, text)
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
                mend="each row is {key: value, ...}",
            )
        rows.append(value)
    return rows


def _json_values(path: Path, text: str) -> list[object]:
    decoder = json.JSONDecoder()
    values: list[object] = []
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return values
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise _broken(path, text, error) from error
        values.append(value)


def _broken(path: Path, text: str, error: json.JSONDecodeError) -> DataError:
    short = error.pos >= len(text.rstrip())
    return DataError(
        "the file ends within a value" if short else f"not valid JSON: {error.msg}",
        where=f"{path}:{error.lineno}:{error.colno}",
        mend="fetch it again" if short else "mend that line",
    )


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
                    mend="quote cells that hold a separator or a line break",
                )
            rows.append(dict(row))
    except csv.Error as error:
        raise DataError(f"not valid CSV: {error}", where=f"{path}:{reader.line_num}") from error
    return rows
