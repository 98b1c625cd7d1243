"""Long answers about walls: read in linear time, and as the plain way of reading reads them."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable

import pytest

from headbench.families.walls import walls_parse as parse
from headbench.families.walls.walls_connections import read_connections

SIZE = 10**6
PIECES = (
    "\n", "\r\n", " \n", ",\n", ";\n", "a,b\n", "a;b,", "a, b, c, d\n", "1. ", "- a, b\n", "**",
    " ", ":", " / ", " . ", "[", "Group", "group ", "Group 1: ", "connection ", "Connection: ", "(",
    "a", "b", "12", '"', '["a", "b"]', "|", ".", "x,", "\t", "*", "•", ")", "Groups", "\u2028",
)  # fmt: skip


def plain_groups(text: str) -> parse.Groups | None:
    """Every line read for itself, with every separator tried."""

    def pieces_of(line: str) -> list[str]:
        for separator in (r";", r"\s\.(?:\s|$)", r"\s/\s"):
            pieces = [piece for piece in re.split(separator, line) if piece.strip()]
            if len(pieces) > 1 and sum("," in piece for piece in pieces) > 1:
                return pieces
        return [line]

    groups = parse._json_groups(text)
    if groups is None:
        lines = [piece for line in text.splitlines() for piece in pieces_of(line)]
        groups = [parse._items(line) for line in lines]
    return tuple(tuple(group) for group in groups if len(group) > 1) or None


LABEL = re.compile(r"^\W*(?:(?:group|connection)\s*\d*\s*[:.)]|\d{1,2}\s*[:.)]|[-*•])\s*", re.I)


def plain_connections(text: str) -> tuple[str, ...]:
    """Every line read, the first four names kept; the label's blanks may match in two places."""
    lines = [LABEL.sub("", line.strip()).strip() for line in text.splitlines()]
    names = [line for line in lines if line][:4]
    return tuple(names + [""] * (4 - len(names)))


def test_answers_are_read_as_the_plain_way_reads_them() -> None:
    random_pieces = random.Random(0)
    listed = named = 0
    for _ in range(4000):
        text = "".join(random_pieces.choices(PIECES, k=random_pieces.randint(1, 16)))
        groups, names = plain_groups(text), plain_connections(text)
        assert parse.read_robust(text) == groups, text
        assert read_connections(text, 4) == names, text
        listed += groups is not None
        named += any(names)
    assert listed > 400
    assert named > 400


HOSTILE = {piece: piece * (SIZE // len(piece)) for piece in PIECES} | {
    "blanks in a label": "group" + " " * SIZE + "x",
    "blanks behind a number": "connection 1" + " " * SIZE + "x",
    "digits in a label": "group " + "1" * SIZE + "x",
    "different lines": "\n".join(f"a{at}, b{at}" for at in range(SIZE // 16)),
}


def seconds(read: Callable[[str], object], text: str) -> float:
    """Processor time of one reading."""
    start = time.process_time()
    read(text)
    return time.process_time() - start


@pytest.mark.parametrize(
    ("read", "names"),
    [
        (parse.read_robust, ("\n", " \n", ",\n", "a;b,", "a,b\n", "[", "different lines")),
        (parse.read_first, ("\n", "Group 1: ", " . ", "digits in a label", "blanks in a label")),
        (parse.read_reference, ("\n", "digits in a label", "blanks in a label")),
        (
            lambda text: read_connections(text, 4),
            ("\n", " ", "*", "blanks in a label", "blanks behind a number", "digits in a label"),
        ),
    ],
    ids=["robust", "first", "reference", "connections"],
)
def test_a_megabyte_is_read_in_seconds(
    read: Callable[[str], object], names: tuple[str, ...]
) -> None:
    for name in names:
        spent = seconds(read, HOSTILE[name])
        # A second alone; three where another process shares the core. Quadratic takes minutes.
        assert spent < 3, f"{name!r}: {spent:.2f} s"
