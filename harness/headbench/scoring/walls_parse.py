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

_LABEL = re.compile(r"group\s*\d+\s*:", re.IGNORECASE)
_TAIL = re.compile(r"\.\s*connection\s*:.*$", re.IGNORECASE)


def read_reference(text: str) -> Groups | None:
    """Four lines of four: the first four non-empty lines, split at commas, filled up with "".

    Args:
        text: One answer.

    Returns:
        Always 4 x 4, or ``None`` for an answer without any line.
    """
    lines = [_LABEL.sub("", line).strip() for line in text.splitlines()]
    lines = [line for line in lines if line][:4]
    if not lines:
        return None
    groups = [[item.strip() for item in _TAIL.sub("", line).split(",")][:4] for line in lines]
    groups += [[] for _ in range(4 - len(groups))]
    return tuple(tuple(group + [""] * (4 - len(group))) for group in groups)


_BULLET = re.compile(r"^\s*(?:[-*•–]|\(?\d{1,2}[.)])\s+")
_NAME = re.compile(r"^[^,;|]*:\s*(?=\S)")
_ROBUST_TAIL = re.compile(r"[.,;]?\s*[(\[—–-]?\s*connections?\s*:.*$", re.IGNORECASE)
_QUOTES = "\"'“”‘’`*_[]() \t"


def read_robust(text: str) -> Groups | None:
    """Groups in whatever layout, each with as many items as stand there.

    Args:
        text: One answer.

    Returns:
        One tuple a group, of two items or more; ``None`` where no line lists anything.
    """
    groups = _json_groups(text)
    if groups is None:
        lines = [piece for line in text.splitlines() for piece in _group_lines(line)]
        groups = [_items(line) for line in lines]
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


def _group_lines(line: str) -> list[str]:
    """One line may hold all groups, separated by semicolons or by stops of their own."""
    for separator in (r";", r"\s\.(?:\s|$)", r"\s/\s"):
        pieces = [piece for piece in re.split(separator, line) if piece.strip()]
        if len(pieces) > 1 and sum("," in piece for piece in pieces) > 1:
            return pieces
    return [line]


def _items(line: str) -> list[str]:
    bare = _ROBUST_TAIL.sub("", _BULLET.sub("", line.replace("**", ""), count=1))
    bare = _NAME.sub("", bare, count=1)
    separator = next((sign for sign in ("|", ";", ",") if sign in bare), None)
    if separator is None:
        return []
    items = [item.strip(_QUOTES) for item in bare.strip().rstrip(".").split(separator)]
    return [item for item in items if item]


def fit(groups: Groups, gold: Sequence[Sequence[str]]) -> Groups:
    """Bring groups to the wall's shape: clues that hold commas rejoined, lines cut and filled.

    Args:
        groups: As parsed, any number of items a line.
        gold: The wall's groups, for their number, their size, and the clues that exist.

    Returns:
        One group for each of ``gold``, of the size of the gold group at the same place.
    """
    known = {key(clue) for group in gold for clue in group}
    rejoined = [_rejoin(group, known) for group in groups]
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
    """Clues are compared in lower case, without outer blanks."""
    return clue.strip().lower()


def _rejoin(items: Sequence[str], known: set[str]) -> list[str]:
    """Merge neighbours that together are a clue ("10", "000"), the longest run first."""
    merged: list[str] = []
    start = 0
    while start < len(items):
        for end in range(len(items), start + 1, -1):
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
    """Whether two groups hold the same clues, as multisets, whatever order and case."""
    return Counter(map(key, predicted)) == Counter(map(key, gold))


WALLS_REF = Parser(
    name="walls_ref",
    version=1,
    read=read_reference,
    summary="first four lines, split at commas, four items each (the reference reading)",
)
WALLS_ROBUST = Parser(
    name="walls_robust",
    version=1,
    read=read_robust,
    summary="groups in lines, bullets, JSON or one line; names and connections cut off",
)
