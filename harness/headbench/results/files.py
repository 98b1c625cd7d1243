"""Where results lie, and how they are written and read.

<out>/measured/<model>/<task>/<condition>-<id8>.json          the result
<out>/measured/<model>/<task>/<condition>-<id8>.records.jsonl.gz   its item records
<out>/measured/<model>/<task>/<condition>-<id8>.arrays.safetensors   arrays of the records, if any
<out>/measured/<model>/run-<digest12>.json              which cells a run made
<out>/measured/<model>/timing.json                      wall-clock figures, never in a result
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from headbench._json import strict_json
from headbench._reading import expanded
from headbench.errors import StoreError
from headbench.nouns import Record
from headbench.results import arrays
from headbench.results.canonical import Plain, dumps, plain
from headbench.results.disk import read_bytes, write_atomic
from headbench.results.migrations import migrate
from headbench.results.schema import ArraysFile, RecordsFile, Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SLUG = 60


@dataclass(frozen=True)
class Entry:
    """A line of a records file.

    Attributes:
        record: The document's outcome.
        facts: What is known of its answers beside it: ``visited``, ``changed``, ``truncated``,
            ``kl`` (nats, first generated position, against the run's baseline), ``logprob``;
            ``rewritten`` requests and the content hashes of the ``images`` that they showed.
    """

    record: Record
    facts: Mapping[str, Plain] = field(default_factory=dict)
    _text: str = field(default="", compare=False, repr=False)  # its line, where it was made of one


def slug(text: str) -> str:
    """A condition as a file name: letters, digits, ``.``, ``_`` and single dashes."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-.")[:_SLUG].rstrip("-.") or "unnamed"


def result_path(out: Path, result: Result) -> Path:
    """Where a result belongs under an output folder."""
    condition = f"{slug(result.arm.name)}-{result.id[:8]}.json"
    return out / result.kind / slug(result.model.name) / slug(result.task.name) / condition


def to_bytes(result: Result) -> bytes:
    """The bytes of a result file: sorted keys, one-space indent, a last newline."""
    document = plain(result.model_dump(mode="json"))
    text = json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def write_result(out: Path, result: Result, entries: Iterable[Entry] = ()) -> Path:
    """Write a result and its records; these come first, so that a result never lacks them.

    Args:
        out: Output folder.
        result: The cell; its ``records`` and ``arrays`` are filled in here.
        entries: The item records; none for a published cell.

    Returns:
        The path of the result file.

    Raises:
        StoreError: when a file cannot be written, or its place belongs to another result.
    """
    path = result_path(out, result)
    _refuse_other(path, result)
    lines, tensors = _bare(list(entries))
    files: dict[str, RecordsFile | ArraysFile] = {}
    if tensors:
        packed = arrays.pack(tensors)
        name, digest = f"{path.stem}.arrays.safetensors", hashlib.sha256(packed).hexdigest()
        write_atomic(path.parent / name, packed)
        files["arrays"] = ArraysFile(name=name, sha256=digest, bytes=len(packed))
    if lines:
        packed = pack_records(lines)
        name, digest = f"{path.stem}.records.jsonl.gz", hashlib.sha256(packed).hexdigest()
        write_atomic(path.parent / name, packed)
        files["records"] = RecordsFile(name=name, sha256=digest, count=len(lines))
    write_atomic(path, to_bytes(result.model_copy(update=files)))
    return path


def _bare(entries: Sequence[Entry]) -> tuple[list[Entry], arrays.Tensors]:
    """Entries with references in place of arrays, and the arrays."""
    records, tensors = arrays.take_out([entry.record for entry in entries])
    if not tensors:
        return list(entries), tensors
    return [Entry(r, entry.facts) for r, entry in zip(records, entries, strict=True)], tensors


def _refuse_other(path: Path, result: Result) -> None:
    """Refuse a place that belongs to another result, task or model.

    Names of folders and files leave characters out, and hold eight digits of an id: what they
    merge is found here, so that nothing is overwritten or mixed up.
    """
    model, name = path.parent.parent, result.model.name
    for known, told, own in (
        (path, ("id",), result.id),
        (next(iter(sorted(path.parent.glob("*.json"))), path), ("task", "name"), result.task.name),
        (next(iter(sorted(model.glob("*/*.json"))), path), ("model", "name"), name),
    ):
        other = _told(known, told)
        if other is not None and other != own:
            raise StoreError(
                f"this place belongs to another {told[0] if told != ('id',) else 'result'}",
                where=f"{known}: {'.'.join(told)} is {other!r}, not {own!r}",
                hint="write to another folder",
            )


def _told(path: Path, keys: tuple[str, ...]) -> str | None:
    """A text that a result file holds; ``None`` where there is no whole file."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None  # absent, or cut off by a crash: it is replaced
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def read_result(path: Path) -> Result:
    """Read a result file of this or an older schema version; see :func:`read_with_version`."""
    return read_with_version(path)[0]


def read_with_version(path: Path) -> tuple[Result, int]:
    """Read a result file, with the schema version that it was written in.

    Raises:
        StoreError: when the file is missing, not JSON, not UTF-8, of a newer version, or holds
            fields that the schema does not know; the first few faults are named.
    """
    raw = read_bytes(path, "the result")
    try:
        document = strict_json(raw.decode())
    except ValueError as error:  # UnicodeDecodeError is one
        raise StoreError(f"not a JSON file: {error}", where=str(path)) from error
    if not isinstance(document, dict):
        raise StoreError("not a result file: the JSON is not an object", where=str(path))
    try:
        result = Result.model_validate(migrate(document, str(path)))
    except ValidationError as error:
        faults = [
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in error.errors()[:4]
        ]
        raise StoreError(f"not a valid result: {'; '.join(faults)}", where=str(path)) from error
    return result, int(document["schema_version"])


def read_entries(path: Path, result: Result) -> tuple[Entry, ...]:
    """The item records beside a result file, checked against the digest it states.

    Args:
        path: Path of the RESULT file.
        result: What :func:`read_result` gave for it.

    Raises:
        StoreError: when the records are missing, damaged, or not the ones the result was made of.
    """
    if result.records is None:
        raise StoreError(
            "this result has no item records, so nothing can be paired with it",
            where=str(path),
            hint="a published cell can be looked at, not compared item by item",
        )
    packed = _read_file(path, result.records, "records")
    entries = unpack_records(packed, str(path.parent / result.records.name))
    referring = any(
        type(value) is dict and arrays.MARK in value
        for entry in entries
        for value in entry.record.parts.values()
    )
    if result.arrays is None and not referring:
        return entries
    if result.arrays is None:
        raise StoreError(
            "the records refer to arrays, and the result names no file of them",
            where=str(path),
            hint="restore the result, or run the cell again",
        )
    where = str(path.parent / result.arrays.name)
    tensors = arrays.unpack(_read_file(path, result.arrays, "arrays"), where)
    records = arrays.put_back([entry.record for entry in entries], tensors, where)
    return tuple(Entry(r, entry.facts) for r, entry in zip(records, entries, strict=True))


def check_beside(path: Path, result: Result) -> None:
    """Check the digests of the files beside a result; nothing in them is read.

    Raises:
        StoreError: a file is missing, or is not the one that the result was made of.
    """
    if result.records is not None:
        _read_file(path, result.records, "records")
    if result.arrays is not None:
        _read_file(path, result.arrays, "arrays")


def _read_file(path: Path, told: RecordsFile | ArraysFile, what: str) -> bytes:
    """The bytes of a file beside a result, checked against the digest that the result states."""
    file = path.parent / told.name
    if Path(told.name).name != told.name:
        raise StoreError(
            f"the {what}' name is a path; it must lie beside the result", where=str(path)
        )
    packed = read_bytes(file, f"the {what}")
    if hashlib.sha256(packed).hexdigest() != told.sha256:
        raise StoreError(
            f"the {what} are not those the result was made of: their digest differs",
            where=str(file),
            hint="restore the file, or run the cell again",
        )
    return packed


def as_read(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Entries as a file would give them back: tuples become lists, sets sorted lists.

    Arrays stay arrays. A run computes its figures from these, so that ``compare`` finds the very
    same numbers.
    """
    bare, tensors = _bare(list(entries))
    texts = [dumps(_line(entry)) for entry in bare]
    read = [_entry(json.loads(text), text) for text in texts]
    if not tensors:
        return tuple(read)
    records = arrays.put_back([entry.record for entry in read], tensors)
    return tuple(Entry(r, entry.facts) for r, entry in zip(records, read, strict=True))


def pack_records(entries: Sequence[Entry]) -> bytes:
    """Gzipped JSON lines; the same entries give the same bytes (no time, no name inside)."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0, compresslevel=9) as stream:
        for entry in entries:
            stream.write(f"{entry._text or dumps(_line(entry))}\n".encode())
    return buffer.getvalue()


def unpack_records(packed: bytes, where: str = "") -> tuple[Entry, ...]:
    """The entries that :func:`pack_records` wrote."""
    try:
        text = expanded(packed, where, error=StoreError, what="the records are").decode()
        lines = [line for line in text.split("\n") if line]
        return tuple(map(_entry, _values(lines)))
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"the records are damaged: {error}", where=where) from error


def _values(lines: Sequence[str]) -> list[object]:
    """One JSON value per line; all lines are read in one go, which costs half as much."""
    together = strict_json(f"[{','.join(lines)}]")
    if isinstance(together, list) and len(together) == len(lines):
        return together
    return [strict_json(line) for line in lines]  # raises for the line that is not one value


def _line(entry: Entry) -> dict[str, object]:
    line: dict[str, object] = {
        name: value
        for name, value in vars(entry.record).items()
        if value is not None and (value != () or name == "outputs")
    }
    if entry.facts:
        line["facts"] = entry.facts
    return line


def _entry(value: object, text: str = "") -> Entry:
    line = _mapping(value)
    tokens = line.get("tokens", ())
    # The constructor of a frozen dataclass sets its fields by one call each, which costs more than
    # all else here. These are new objects, which nobody else has seen.
    record = object.__new__(Record)
    record.__dict__.update(
        document=_text(line["document"]),
        cluster=_text(line["cluster"]),
        outputs=tuple(map(_text, _list(line["outputs"]))),
        parsed=line.get("parsed"),
        parser=_text(line["parser"]),
        parts=_mapping(line["parts"]),
        target=line.get("target"),
        tokens=tuple(tuple(_list(row)) for row in _list(tokens)) if tokens != () else (),
    )
    entry = object.__new__(Entry)
    entry.__dict__.update(record=record, facts=_mapping(line.get("facts", {})), _text=text)
    return entry


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, found {type(value).__name__}")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {type(value).__name__}")
    return value


def _mapping(value: object) -> dict[str, Plain]:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, found {type(value).__name__}")
    return value
