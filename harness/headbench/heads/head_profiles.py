"""Profiles of retrieval heads: one JSON file per model and seed, with two detectors in it.

The file says ``n_layers`` and ``n_heads``, and for a detector ``NAME`` the detected heads,
``NAME_heads``: ``[[layer, head], ...]``, its scores of all heads, ``NAME_scores``:
``[layer][head]``, or both. ``NAME`` is ``argmax`` (the largest weight lies on the needle's token)
or ``copy`` (a teacher-forced copy score).
"""

from __future__ import annotations

from collections.abc import Mapping

from headbench.errors import DataError

DETECTORS = ("argmax", "copy")


def is_profile(loaded: object) -> bool:
    """Whether a JSON document is such a profile."""
    return isinstance(loaded, dict) and any(
        f"{name}_{kind}" in loaded for name in DETECTORS for kind in ("heads", "scores")
    )


def read_profile(
    loaded: Mapping[str, object], detector: str, where: str
) -> tuple[dict[tuple[int, int], float], tuple[int, int], float | None]:
    """What one detector of a profile says.

    Args:
        loaded: The document.
        detector: ``argmax`` or ``copy``.
        where: Names the file in errors.

    Returns:
        (layer, head) -> score, 1 for a detected head where there are no scores; layers and heads of
        the model; and the lowest score of a detected head, where it tells these from all others.

    Raises:
        DataError: The file lacks the detector or the model's shape, or its parts disagree.
    """
    scores, listed = loaded.get(f"{detector}_scores"), loaded.get(f"{detector}_heads")
    if scores is None and listed is None:
        other = next(name for name in DETECTORS if name != detector)
        raise DataError(
            f"the profile has no {detector}_heads and no {detector}_scores",
            where=where,
            hint=f"--format profile_{other}" if other != "argmax" else "--format profile",
        )
    shape = (_count(loaded, "n_layers", where), _count(loaded, "n_heads", where))
    heads = _pairs(listed, f"{where}: {detector}_heads")
    if scores is None:
        return dict.fromkeys(heads, 1.0), shape, None
    cells = _grid(scores, shape, f"{where}: {detector}_scores")
    if absent := [pair for pair in heads if pair not in cells]:
        raise DataError(
            f"head {absent[0][0]}-{absent[0][1]} is listed and has no score",
            where=f"{where}: {detector}_heads",
            hint="layers and heads both count from 0",
        )
    lowest = min((cells[pair] for pair in heads), default=None)
    apart = lowest is not None and sum(score >= lowest for score in cells.values()) == len(heads)
    return cells, shape, lowest if apart else None


def _count(loaded: Mapping[str, object], key: str, where: str) -> int:
    value = loaded.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise DataError(
            f"the profile says {key} is {value!r}", where=where, hint="a whole number, at least 1"
        )
    return value


def _pairs(listed: object, where: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for item in listed if isinstance(listed, list) else []:
        if not (isinstance(item, list) and len(item) == 2 and all(type(n) is int for n in item)):
            raise DataError(f"{item!r} is no [layer, head]", where=where, hint="check the file")
        found.append((item[0], item[1]))
    if len(set(found)) < len(found):
        raise DataError("a head is listed twice", where=where, hint="keep one entry per head")
    return found


def _grid(scores: object, shape: tuple[int, int], where: str) -> dict[tuple[int, int], float]:
    rows = scores if isinstance(scores, list) else []
    if len(rows) != shape[0] or any(
        not isinstance(row, list)
        or len(row) != shape[1]
        or any(isinstance(one, bool) or not isinstance(one, int | float) for one in row)
        for row in rows
    ):
        raise DataError(
            f"the scores are no table of {shape[0]} layers x {shape[1]} heads",
            where=where,
            hint="the file is truncated, or n_layers and n_heads are another model's",
        )
    return {
        (layer, head): float(score)
        for layer, row in enumerate(rows)
        for head, score in enumerate(row)
    }
