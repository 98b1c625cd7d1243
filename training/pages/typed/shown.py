"""Whether a page shows what is printed.

Words must be equal. Numbers may differ by :data:`TOLERANCE`, because another processor may flip the
odd answer that lies within rounding. A line of three dots stands for any lines.
"""

from __future__ import annotations

import ast
import re
from typing import Any

NUMBER = re.compile(r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)")
TOLERANCE = 0.01
SKIPPED = re.compile(r"^\s*\.\.\.\s*$", re.MULTILINE)


def same(shown: str, now: str) -> bool:
    """Equal words, and numbers within the tolerance; digests and runs of blanks do not count."""
    if SKIPPED.search(shown):
        return _same_but_for_dots(shown, now)
    words = [re.sub(r"[\s─-]+", " ", NUMBER.sub("#", _undigested(text))) for text in (shown, now)]
    numbers = [
        [float(x.replace(",", "")) for x in NUMBER.findall(_undigested(t))] for t in (shown, now)
    ]
    close = len(numbers[0]) == len(numbers[1]) and all(
        abs(a - b) <= max(TOLERANCE, TOLERANCE * abs(a)) for a, b in zip(*numbers, strict=True)
    )
    return words[0].strip() == words[1].strip() and close


def _same_but_for_dots(shown: str, now: str) -> bool:
    """The pieces between the dots stand in the output, in this order, as whole lines."""
    lines = now.rstrip("\n").splitlines()
    at = 0
    pieces = [piece.strip("\n").splitlines() for piece in SKIPPED.split(shown.strip("\n"))]
    for number, piece in enumerate(pieces):
        first, last = number == 0, number == len(pieces) - 1
        starts = range(at, len(lines) - len(piece) + 1)
        if first:
            starts = range(0, 1)
        elif last and piece:
            starts = range(max(at, len(lines) - len(piece)), len(lines) - len(piece) + 1)
        found = next(
            (n for n in starts if same("\n".join(piece), "\n".join(lines[n : n + len(piece)]))),
            None,
        )
        if found is None:
            return False
        at = found + len(piece)
    return True


def _undigested(text: str) -> str:
    return re.sub(r"-[0-9a-f]{8}\.json", ".json", text)


def with_checks(source: str) -> str:
    """A script in which every ``expression  # value`` is checked against its comment.

    Only comments that begin with a Python literal count; three dots inside a text stand for
    anything.
    """
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if not isinstance(node, ast.Expr) or node.lineno != node.end_lineno:
            continue
        code, comment = lines[node.lineno - 1][: node.end_col_offset], lines[node.lineno - 1]
        comment = comment[node.end_col_offset :].strip().removeprefix("#").strip()
        if literal(comment) is not NOTHING:
            lines[node.lineno - 1] = f"__check({code}, {comment!r})"
    return "\n".join(lines) + "\n"


NOTHING: Any = object()
"""No literal."""


def literal(comment: str) -> Any:
    """The value that a comment begins with: all of it, or what stands before its first colon."""
    for text in (comment, comment.partition(": ")[0]):
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            continue
    return NOTHING


def check(value: object, comment: str) -> None:
    """Refuse a value that is not what its comment says.

    Raises:
        AssertionError: It is another one.
    """
    said = literal(comment)
    if isinstance(said, str) and "..." in said and isinstance(value, str):
        pattern = ".*".join(map(re.escape, said.split("...")))
        if re.fullmatch(pattern, value, re.DOTALL):
            return
    if value != said:
        raise AssertionError(f"the page says {comment}, and it is {value!r}")
