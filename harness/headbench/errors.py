"""Errors a user can correct: what, where, and how. They are printed without a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HeadbenchError(Exception):
    """Something the user must do.

    Args:
        what: What is wrong, one sentence.
        where: File, key, value: as exact as is known.
        hint: The next step.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(what)

    def __str__(self) -> str:
        """All three parts, a line each."""
        lines = [self.what]
        if self.where:
            lines.append(f"  at: {self.where}")
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class ConfigError(HeadbenchError):
    """A task file, an intervention or an option is wrong."""


class DataError(HeadbenchError):
    """A data file is missing, truncated, or not what its kind demands."""


class RefusedError(HeadbenchError):
    """The request is understood, and cannot be done correctly; nothing was run."""


class StoreError(HeadbenchError):
    """Results cannot be read or written."""


class GuardError(HeadbenchError):
    """A number is impossible, or no longer what it was pinned to be."""


MOST = 16
"""Known words that an error lists; a verb of the command line lists them all."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the closest known word, or lists what is known, :data:`MOST` words of it.

    Returns:
        ``did you mean 'x'?`` or ``known: a, b, c``; the empty string when nothing is known.
    """
    words = sorted(set(known))
    close = difflib.get_close_matches(name, words, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    more = f" and {len(words) - MOST} more" if len(words) > MOST else ""
    return f"known: {', '.join(words[:MOST])}{more}" if words else ""
