"""File names that stand bare in an intervention: ``mask_heads(map=runs/heads-2.json,top=2)``.

The grammar is read as a Python expression, in which ``heads.json`` is an attribute and ``a-b`` a
difference. Before it is read, every such name is replaced by underscores of the same length, so
that the columns of errors stay those of what was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?[jJ]?)"
)
_NAME = re.compile(r"[A-Za-z0-9_./~][A-Za-z0-9_./~-]*")
_SIGN = re.compile(r"[./~-]")
_QUOTED = re.compile(r"""(['"])(?:\\.|(?!\1).)*\1?""", re.DOTALL)
_ENDS = re.compile(r"\s*(?:[,)\]]|$)")
_HELD = "letters, digits and . / - _ ~"


@dataclass(frozen=True)
class Readable:
    """A text in which no file name stands bare any more.

    Attributes:
        source: What was written.
        text: What Python reads; of the same length.
        names: Column, 0-based, of each name that was replaced -> the name.
    """

    source: str
    text: str
    names: Mapping[int, str]

    def name_at(self, column: int) -> str | None:
        """The file name that stood at a column, counted in bytes as ``ast`` counts it."""
        return self.names.get(len(self.text.encode()[:column].decode(errors="ignore")))


class BareValueError(ValueError):
    """A bare value has two readings, or holds what only a quoted one may.

    Attributes:
        column: Where it stands, from 1.
    """

    def __init__(self, what: str, column: int) -> None:
        super().__init__(what)
        self.column = column


def replace_names(source: str) -> Readable:
    """Replace every bare file name that stands where a value does.

    Args:
        source: An intervention as it was written.

    Raises:
        BareValueError: A value could be a number or a name, or goes on behind a bare name.
    """
    names: dict[int, str] = {}
    inside: list[str] = []
    before = ""
    at = 0
    while at < len(source):
        sign = source[at]
        if sign.isspace():
            at += 1
            continue
        is_value = bool(inside) and (before in ("=", "[") or (before == "," and inside[-1] == "["))
        if sign in "'\"":
            match = _QUOTED.match(source, at)
            at = match.end() if match else len(source)
            before = "'"
            continue
        if is_value and (end := _value_end(source, at)):
            if _SIGN.search(source[at:end]):
                names[at] = source[at:end]
            at, before = end, "x"
            continue
        if sign in "([":
            inside.append(sign)
        elif sign in ")]" and inside:
            inside.pop()
        at, before = at + 1, sign
    text = list(source)
    for column, name in names.items():
        text[column : column + len(name)] = "_" * len(name)
    return Readable(source, "".join(text), names)


def _value_end(source: str, at: int) -> int:
    """Where a bare name ends that begins here; 0 where none does.

    Raises:
        BareValueError: As :func:`replace_names`.
    """
    number = _NUMBER.match(source, at)
    if number is not None and _ENDS.match(source, number.end()):
        return 0  # Python reads it
    found = _NAME.match(source, at)
    if found is None or (number is not None and number.end() == found.end()):
        return 0
    name, end = found[0], found.end()
    signed = _SIGN.search(name) is not None
    if signed and (not re.search("[A-Za-z]", name) or re.fullmatch(r"[\d.eE_-]+", name)):
        raise BareValueError(f"{name!r} is no number; quote it if it is a name", at + 1)
    follows = source[end:].lstrip()[:1]
    if not _ENDS.match(source, end) and (signed or (name[0].isalpha() and follows not in "([{'\"")):
        what = "a blank" if source[end].isspace() else repr(follows)
        raise BareValueError(
            f"{name!r} goes on with {what}; a bare name holds {_HELD}: quote it", at + 1
        )
    return end
