"""Naming what a group has in common: exact match and ROUGE-1 F1, by position.

Alavi Naeini et al. 2023 (arXiv 2306.11167), task 2: the groups are given, so the names are compared
in their order, lower-cased and stripped. Names are read more widely than in the released notebook,
which takes only what stands behind "Connection:" and counts every other line as an empty name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from headbench.scoring.rouge import rouge1_f1

# One place only where a run of blanks can match: two would make it quadratic in the run.
_LABEL = re.compile(
    r"^\W*(?:(?:group|connection)\s*(?:\d+\s*)?[:.)]|\d{1,2}\s*[:.)]|[-*•])\s*", re.IGNORECASE
)


def read_connections(text: str, count: int) -> tuple[str, ...]:
    """One name per line, labels ("Connection 1:", "1.", bullets) cut off, padded with "".

    Args:
        text: One answer.
        count: How many names were asked for.
    """
    lines = (_LABEL.sub("", line.strip()).strip() for line in text.splitlines())
    names = list(islice(filter(None, lines), count))
    return tuple(names + [""] * (count - len(names)))


def connection_parts(text: str, names: Sequence[str]) -> dict[str, object]:
    """The score parts of the second step of one wall.

    Args:
        text: The answer.
        names: The connections, in the order in which the groups were given.

    Returns:
        ``connections_exact`` (count), ``connections_rouge1`` (sum of F1), ``connections_asked``.
    """
    written_names = read_connections(text, len(names))
    pairs = list(zip(names, written_names, strict=True))
    return {
        "connections_exact": sum(a.strip().lower() == b.strip().lower() for a, b in pairs),
        "connections_rouge1": sum(rouge1_f1(a, b) for a, b in pairs),
        "connections_asked": len(names),
    }
