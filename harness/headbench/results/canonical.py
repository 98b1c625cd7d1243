"""One JSON form for one value: what digests are taken of, and what files hold."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence, Set

import numpy as np

from headbench.errors import StoreError

_ATOMS = frozenset({type(None), bool, int, str})  # what JSON says as it is; floats may be NaN

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def plain(value: object) -> Plain:
    """Reduce a value to what JSON can say.

    Tuples become lists, sets sorted lists, mapping keys strings, numpy scalars numbers, and
    dataclasses mappings of their fields.

    Raises:
        StoreError: for a NaN, an infinity, or a type with no JSON form. A figure that is not a
            number must be refused where it is made, not written as ``null``.
    """
    # Exact types first: a run reduces millions of values, most of them plain already.
    kind = type(value)
    if kind in _ATOMS:
        return value  # type: ignore[return-value]  # the set says so
    if kind is list or kind is tuple:
        return [item if type(item) in _ATOMS else plain(item) for item in value]  # type: ignore[attr-defined]
    if kind is dict:
        return {str(key): plain(item) for key, item in value.items()}  # type: ignore[attr-defined]
    return _rare(value)


def _rare(value: object) -> Plain:
    """Everything that is not exactly a built-in container or atom."""
    if isinstance(value, float | np.floating):
        number = float(value)
        if not math.isfinite(number):
            raise StoreError(f"{number} cannot be stored: it is not a finite number")
        return number
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, str):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Set):
        return sorted((plain(item) for item in value), key=lambda item: json.dumps(item))
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        raise StoreError(
            f"an array of {value.size} numbers is not written as JSON",
            where=f"{value.dtype}{list(value.shape)}",
            hint="an array that is a record part of its own is stored by reference",
        )
    raise StoreError(f"a value of type {type(value).__name__} has no JSON form", where=repr(value))


def dumps(value: object) -> str:
    """The canonical text: sorted keys, no spaces, shortest floats that read back equal."""
    return dumps_plain(plain(value))


def dumps_plain(value: object) -> str:
    """:func:`dumps` of a value that holds nothing but JSON's own types already."""
    return _ENCODER.encode(value)


def digest(value: object) -> str:
    """SHA-256 of the canonical text, 64 hexadecimal digits."""
    return hashlib.sha256(dumps(value).encode()).hexdigest()
