"""Reading four groups, or four connections, out of one answer.

``walls_ref`` is the reference reading of Alavi Naeini et al. 2023 (arXiv 2306.11167) and the one to
compare with papers; ``walls_robust`` also reads bullets, numbered lists, JSON, named groups, and
groups that stand in one line.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence

from headbench._json import whole_text
from headbench.scoring.parser import Parser

Groups = tuple[tuple[str, ...], ...]

_LABEL = re.compile(r"group\s*\d+\s*:?", re.IGNORECASE)
_TAIL = re.compile(r"\. connection:.*", re.IGNORECASE)


def read_reference(text: str) -> Groups | None:
    """Four lines of four, as the released notebook reads them (TaatiTeam/OCW @ d092d89).

    "Group 1", with or without a colon, is deleted wherever it stands, blanks and line ends behind
    it included. Of the lines that are then not blank the first four are split at commas, the first
    four items of each are stripped and kept, and ". Connection:" with all that follows is cut from
    each item, upper or lower case, with exactly one blank. Missing lines and items are "".

    On purpose one thing differs: an answer without any line is unparsed, where the notebook has
    sixteen empty items. Both score the same; only ``unparsed_rate`` tells them apart.

    Args:
        text: One answer.

    Returns:
        Always 4 x 4, or ``None`` for an answer without any line.
    """
    lines = [line.strip() for line in _LABEL.sub("", text).splitlines()]
    lines = [line for line in lines if line][:4]
    if not lines:
        return None
    rows = [[item.strip() for item in line.split(",")][:4] for line in lines]
    return _four_by_four([[_TAIL.sub("", item) for item in row] for row in rows])


def _four_by_four(rows: Sequence[list[str]]) -> Groups:
    """At most four rows of at most four items, padded with ""."""
    filled = [*rows, *([] for _ in range(4 - len(rows)))]
    return tuple(tuple(row + [""] * (4 - len(row))) for row in filled)


_FIRST_LABEL = re.compile(r"group\s*\d+\s*:", re.IGNORECASE)
_FIRST_TAIL = re.compile(r"\.\s*connection\s*:.*$", re.IGNORECASE)


def read_first(text: str) -> Groups | None:
    """The reading of version 1: labels need a colon, and the line is cut before it is split.

    Args:
        text: One answer.
    """
    lines = [_FIRST_LABEL.sub("", line).strip() for line in text.splitlines()]
    lines = [line for line in lines if line][:4]
    if not lines:
        return None
    return _four_by_four(
        [[item.strip() for item in _FIRST_TAIL.sub("", line).split(",")][:4] for line in lines]
    )


_BULLET = re.compile(r"^\s*(?:[-*•–]|\(?\d{1,2}[.)])\s+")
_BULLETS = tuple("-*•–(")
_NAME = re.compile(r"^[^,;|]*:\s*(?=\S)")
_CONNECTION = re.compile(r"connections?\s*:", re.IGNORECASE)
_QUOTES = "\"'“”‘’`*_[]() \t"


def read_robust(text: str) -> Groups | None:
    """Groups in any layout, each with as many items as are listed.

    Args:
        text: One answer.

    Returns:
        One tuple per group, of two items or more; ``None`` where no line lists anything.
    """
    groups = _json_groups(text)
    if groups is None:
        # A long answer repeats its lines: each different one is read once.
        lines = text.splitlines()
        read = {line: _line_groups(line) for line in dict.fromkeys(lines)}
        groups = [group for line in lines for group in read[line]]
    kept = tuple(tuple(group) for group in groups if len(group) > 1)
    return kept or None


def _json_groups(text: str) -> list[list[str]] | None:
    """Lists of clues where the answer is, or holds, a JSON value."""
    starts = [at for at in (text.find("["), text.find("{")) if at >= 0]
    if not starts:
        return None
    try:
        value = whole_text(json.JSONDecoder().raw_decode(text, min(starts))[0])
    except (ValueError, RecursionError):  # no JSON, numbers too long, brackets without end
        return None
    rows = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(rows, list):
        return None
    if len(rows) == 1 and isinstance(rows[0], list) and all(isinstance(r, list) for r in rows[0]):
        rows = rows[0]
    rows = [_clue_list(row) for row in rows]
    return [row for row in rows if row] if any(rows) else None


def _clue_list(row: object) -> list[str]:
    if isinstance(row, dict):
        row = next((value for value in row.values() if isinstance(value, list)), [])
    return [str(item).strip() for item in row] if isinstance(row, list) else []


_SEPARATORS = ("|", ";", ",")


def _line_groups(line: str) -> list[list[str]]:
    """The items of each group in one line; none where nothing separates items."""
    if not any(sign in line for sign in _SEPARATORS):
        return []
    pieces = _group_lines(line)
    read = {piece: _items(piece) for piece in dict.fromkeys(pieces)}
    return [read[piece] for piece in pieces]


def _group_lines(line: str) -> list[str]:
    """One line may hold all groups, separated by semicolons or by stops of their own."""
    if line.count(",") < 2:  # two pieces with a comma each are needed
        return [line]
    for separator in (r";", r"\s\.(?:\s|$)", r"\s/\s"):
        pieces = [piece for piece in re.split(separator, line) if piece.strip()]
        if len(pieces) > 1 and sum("," in piece for piece in pieces) > 1:
            return pieces
    return [line]


def _items(line: str) -> list[str]:
    bare = line.replace("**", "")
    begins = bare.lstrip()[:1]
    if begins.isdecimal() or begins in _BULLETS:
        bare = _BULLET.sub("", bare, count=1)
    if ":" in bare:
        bare = _NAME.sub("", _without_tail(bare), count=1)
    separator = next((sign for sign in _SEPARATORS if sign in bare), None)
    if separator is None:
        return []
    items = [item.strip(_QUOTES) for item in bare.strip().rstrip(".").split(separator)]
    return [item for item in items if item]


def _without_tail(line: str) -> str:
    """The line before "Connection:", without the bracket or dash and the stop that lead to it."""
    found = _CONNECTION.search(line)
    if found is None:
        return line
    bare = line[: found.start()].rstrip()
    bare = bare[:-1].rstrip() if bare.endswith(("(", "[", "—", "–", "-")) else bare
    return bare[:-1] if bare.endswith((".", ",", ";")) else bare


def fit(groups: Groups, gold: Sequence[Sequence[str]]) -> Groups:
    """Bring groups to the wall's shape: clues that hold commas rejoined, lines cut and filled.

    Args:
        groups: As parsed, any number of items per line.
        gold: The wall's groups, for their number, their size, and the clues that exist.

    Returns:
        One group for each of ``gold``, of the size of the gold group at the same place.
    """
    known = {key(clue) for group in gold for clue in group}
    # A clue of so many commas is made of one item more: a longer run is not a clue.
    longest = 1 + max((clue.count(",") for clue in known), default=0)
    rejoined = [_rejoin(group, known, longest) for group in groups]
    if len(rejoined) > len(gold):
        # A copied list of all clues, or a sentence with commas, is no group.
        sizes = {len(group) for group in gold}
        whole = [group for group in rejoined if len(group) in sizes]
        rejoined = whole if len(whole) >= len(gold) else rejoined
    rejoined = (rejoined + [[]] * len(gold))[: len(gold)]
    return tuple(
        tuple((group + [""] * len(wanted))[: len(wanted)])
        for group, wanted in zip(rejoined, gold, strict=True)
    )


def key(clue: str) -> str:
    """Clues are compared in lower case, without surrounding spaces."""
    return clue.strip().lower()


def _rejoin(items: Sequence[str], known: set[str], longest: int) -> list[str]:
    """Merge neighbours that together are a clue ("10", "000"), the longest run first."""
    if longest == 1:
        return list(items)
    merged: list[str] = []
    start = 0
    while start < len(items):
        for end in range(min(len(items), start + longest), start + 1, -1):
            joined = next(
                (text for text in (",".join(items[start:end]), ", ".join(items[start:end]))
                 if key(text) in known),
                None,
            )  # fmt: skip
            if joined is not None:
                merged.append(joined)
                start = end
                break
        else:
            merged.append(items[start])
            start += 1
    return merged


def same_group(predicted: Sequence[str], gold: Sequence[str]) -> bool:
    """Whether two groups hold the same clues as multisets; order and case do not count."""
    return Counter(map(key, predicted)) == Counter(map(key, gold))


WALLS_REF = Parser(
    name="walls_ref",
    version=2,
    read=read_reference,
    summary="first four lines, split at commas, four items each (the released notebook's reading)",
)
WALLS_REF_1 = Parser(
    name="walls_ref",
    version=1,
    read=read_first,
    summary="the reading before version 2: labels need a colon, any blank may stand in a cut",
)
WALLS_ROBUST = Parser(
    name="walls_robust",
    version=1,
    read=read_robust,
    summary="groups in lines, bullets, JSON or one line; names and connections cut off",
)
