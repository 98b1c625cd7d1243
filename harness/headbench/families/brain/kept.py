"""The last few preparations, by the digest of the records behind them.

Each metric of a task prepares the same records again, for the value, the interval, the null and
each comparison; ranks of many layers, and ridge fits, take seconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

from headbench.nouns import Record

MOST = 6
"""Enough for the conditions that are compared at one time, and their splits."""
Prepared = TypeVar("Prepared")


class Kept(Generic[Prepared]):
    """Keeps what was made last; the oldest goes first.

    Args:
        most: How many.
    """

    def __init__(self, most: int = MOST) -> None:
        self._made: dict[str, Prepared] = {}
        self._most = most

    def get(self, key: str, make: Callable[[], Prepared]) -> Prepared:
        """What was made for a key, made now if it is not there."""
        if key not in self._made:
            made = make()
            while len(self._made) >= self._most:
                self._made.pop(next(iter(self._made)))
            self._made[key] = made
        return self._made[key]


def digest_of(records: Sequence[Record], parts: Sequence[str], *more: object) -> str:
    """SHA-256 over documents, some parts of theirs in order, and what else decides."""
    digest = hashlib.sha256(repr(more).encode())
    for record in records:
        digest.update(f"{record.document}\0{record.cluster}\0".encode())
        for name in parts:
            value = record.parts.get(name)
            if isinstance(value, np.ndarray):
                digest.update(f"{value.dtype} {value.shape}\0".encode())
                digest.update(value.tobytes())
            else:
                digest.update(repr(value).encode())
            digest.update(b"\0")
    return digest.hexdigest()
