"""Reading the files that other people's code wrote.

Containers differ more than contents do: JSON lines, one array, pretty-printed objects one after the
other, an object around a list, an object per image, CSV; UTF-8 with or without a mark, UTF-16,
Latin-1 lines among UTF-8 ones. :func:`read_rows` sniffs all of these and says what it found;
:mod:`headbench.results.fields` finds the values in them.
Nothing in a file is followed as a path.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headbench._csv import csv_errors
from headbench._json import json_values
from headbench._reading import expanded, is_folder, read_file
from headbench.errors import DataError
from headbench.results.fields import LogRow, known_roles

_ENDINGS = (".json", ".jsonl", ".csv", ".tsv", ".txt")


@dataclass(frozen=True)
class Recorded:
    """The rows of one file, and what it took to read them.

    Attributes:
        rows: One mapping per item, in file order.
        name: File name without its folder.
        sha256: Of the file's bytes.
        container: ``lines``, ``array``, ``objects``, ``wrapped``, ``mapping``, ``table`` or
            ``folder``.
        encoding: ``utf-8``, ``utf-16`` or ``mixed``.
    """

    rows: tuple[LogRow, ...]
    name: str
    sha256: str
    container: str
    encoding: str


def log_name(path: Path) -> str:
    """Name of a log: its file name without ``.gz`` and without the ending of its container.

    Nothing else is cut off: ``llava-1.5`` and ``llava-1.6`` stay two names.
    """
    name = path.name.removesuffix(".gz")
    ending = next((one for one in _ENDINGS if name.lower().endswith(one)), "")
    return name[: len(name) - len(ending)] or path.name


def read_rows(path: Path) -> Recorded:
    """Read any of the containers, gzipped or not; of a folder, all its JSON files as one.

    Args:
        path: The file, or a folder of one file per item.

    Raises:
        DataError: The file is missing, holds no rows, or breaks off inside a value.
    """
    if is_folder(path):
        return _folder(path)
    stored = read_file(path)
    try:
        text, encoding = decode(expanded(stored, str(path)))
    except UnicodeDecodeError as error:
        raise DataError(
            f"the file breaks off within a character: it begins as {error.encoding}",
            where=f"{path}, byte {error.start}",
            hint="fetch it again, or save it as UTF-8",
        ) from error
    start = text.lstrip()[:1]
    if not start:
        raise DataError("the file is empty", where=str(path))
    if start in "[{":
        rows, container = _json_rows(text, path)
    else:
        rows, container = _table_rows(text, path), "table"
    if not rows:
        raise DataError("the file holds no rows", where=str(path))
    digest = hashlib.sha256(stored).hexdigest()
    return Recorded(tuple(rows), path.name, digest, container, encoding)


def _folder(path: Path) -> Recorded:
    parts = [read_rows(file) for file in sorted(path.glob("*.json*"))]
    if not parts:
        raise DataError("the folder holds no JSON file", where=str(path))
    digest = hashlib.sha256("".join(part.sha256 for part in parts).encode()).hexdigest()
    rows = tuple(row for part in parts for row in part.rows)
    encodings = {part.encoding for part in parts}
    encoding = encodings.pop() if len(encodings) == 1 else "mixed"
    return Recorded(rows, path.name, digest, "folder", encoding)


def decode(content: bytes) -> tuple[str, str]:
    """Bytes as text: UTF-8 or UTF-16; else line by line, Windows-1252 where UTF-8 fails.

    Returns:
        The text, and ``utf-8``, ``utf-16`` or ``mixed``.

    Raises:
        UnicodeDecodeError: It begins as UTF-16 and is not.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16"), "utf-16"
    try:
        return content.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        return "\n".join(_decode_line(line) for line in content.split(b"\n")), "mixed"


def _decode_line(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def _json_rows(text: str, path: Path) -> tuple[list[LogRow], str]:
    values = json_values(text, str(path))
    if len(values) > 1:
        one_a_line = len(values) == sum(1 for line in text.splitlines() if line.strip())
        return _mappings(values, path), "lines" if one_a_line else "objects"
    only = values[0]
    if isinstance(only, list):
        return _mappings(only, path), "array"
    if isinstance(only, dict):
        lists = [value for value in only.values() if _is_rows(value)]
        if len(lists) == 1:
            return _mappings(lists[0], path), "wrapped"
        mapped = _by_key(only)
        if mapped:
            return mapped, "mapping"
        return [only], "objects"
    raise DataError("the file holds a bare value instead of rows", where=str(path))


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _by_key(only: Mapping[str, object]) -> list[LogRow]:
    """Rows of an object that maps ids to objects, to groupings, or to captions."""
    values = list(only.values())
    if len(only) < 2 or set(only) & {
        name for names in known_roles().names.values() for name in names
    }:
        return []
    if all(isinstance(value, dict) for value in values):
        return [{"id": key, **value} for key, value in only.items() if isinstance(value, dict)]
    if all(_is_lists(value) for value in values):
        return [{"id": key, "groups": value} for key, value in only.items()]
    if all(isinstance(value, str) for value in values):
        return [{"id": key, "image_id": key, "text": value} for key, value in only.items()]
    return []


def _is_lists(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, list) for row in value)


def _mappings(values: Sequence[object], path: Path) -> list[LogRow]:
    rows: list[LogRow] = []
    for number, value in enumerate(values, start=1):
        if not isinstance(value, dict):
            raise DataError(
                f"row {number} is a {type(value).__name__}, not an object", where=str(path)
            )
        rows.append(value)
    return rows


def _table_rows(text: str, path: Path) -> list[LogRow]:
    header = text.splitlines()[0]
    delimiter = "\t" if header.count("\t") > header.count(",") else ","
    with csv_errors(str(path)):
        rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter))
    if any(None in row for row in rows):
        raise DataError(
            "a row has more columns than the header",
            where=str(path),
            hint="give a JSON file, or a CSV file with a header",
        )
    return [dict(row) for row in rows]
