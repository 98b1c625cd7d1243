"""Reading a record's parts back, with a message where a stored record is not what it should be."""

from __future__ import annotations

from headbench.errors import DataError
from headbench.nouns import Record


def number(record: Record, name: str) -> float:
    """A numeric part.

    Raises:
        DataError: The record has no such part, or it is not a number.
    """
    value = record.parts.get(name)
    if isinstance(value, (int, float)):  # called per record: a tuple is faster than a union
        return float(value)
    raise DataError(
        f"a record's part {name!r} must be a number, not {value!r}",
        where=f"document {record.document}",
        hint="rescore the outputs: the record was made by another scorer or version",
    )


def exact(value: float) -> str:
    """A number as text that is unique to it: ``1000``, ``0.5``, ``1048576``.

    The usual short form keeps six digits, in which 1048576 and 1048577 are one.
    """
    short = f"{value:g}"
    if float(short) == value:
        return short
    return str(int(value)) if value.is_integer() else repr(value)
