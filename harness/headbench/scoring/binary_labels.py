"""Two-class labels in any of their spellings."""

from __future__ import annotations

import re

from headbench.errors import DataError

_YES = frozenset({"yes", "true", "1", "1.0", "y"})
_NO = frozenset({"no", "false", "0", "0.0", "n"})
_NOT = re.compile(r"^(?:not |non-?|no ?|not-)")


def class_of(label: str, positive: str) -> bool | None:
    """Which class a label names.

    Args:
        label: As parsed or stored.
        positive: Name of the positive class; "not", "non-" or "no" before it is the negative one.

    Returns:
        ``None`` where it names neither.
    """
    word, name = label.strip().lower(), positive.strip().lower()
    if word in _YES or word == name:
        return True
    if word in _NO:
        return False
    bare = _NOT.sub("", word, count=1)
    return False if bare == name and bare != word else None


def as_flag(value: object, positive: str = "yes") -> bool:
    """A stored two-valued label in any of its spellings: ``"0.0"``, ``1``, ``True``, a class.

    Args:
        value: The label as stored.
        positive: The class that counts as true.

    Raises:
        DataError: The value is none of these. The label itself may be part of offensive data, so
            only its length is shown.
    """
    word = str(value).strip().lower()
    found = class_of(word, positive)
    if found is None:
        raise DataError(
            "a label names neither of two classes",
            where=f"a label of {len(word)} characters",
            hint=f"use yes/no, 1/0, true/false or {positive}/not {positive}",
        )
    return found
