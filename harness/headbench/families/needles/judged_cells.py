"""Released needle cells (length, depth, judge's score), read as records.

The repository gkamradt/LLMTest_NeedleInAHaystack publishes judged cells and heat maps, no averages.
As records they pass through the same breakdowns and statistics as everything else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from headbench.errors import DataError
from headbench.nouns import Record
from headbench.scoring.parts import exact, number
from headbench.statistics.metric import Floats, SumMetric, ratio

SCALE = (1, 3, 5, 7, 10)
"""Scores that the original judge may give; 10 is a full answer."""


def cell_records(rows: Iterable[Mapping[str, object]]) -> tuple[Record, ...]:
    """Judged cells as records.

    Args:
        rows: ``token_limit`` (or ``context_length``), ``depth_percent`` and ``score`` of each cell.

    Returns:
        One record per cell with the parts ``score``, ``length`` and ``depth`` (percent).

    Raises:
        DataError: A row lacks a number, or the score is not on the judge's scale.
    """
    return tuple(_record(index, row) for index, row in enumerate(rows))


def _record(index: int, row: Mapping[str, object]) -> Record:
    length = _number(index, row, ("token_limit", "context_length"))
    depth = _number(index, row, ("depth_percent",))
    score = _on_scale(_number(index, row, ("score",)), f"cell {index + 1}")
    name = f"{exact(length)}-{exact(depth)}"
    return Record(
        document=f"{index}-{name}",
        cluster=name,
        outputs=(),
        parsed=score,
        parser="judge@1",
        parts={"score": score, "length": length, "depth": depth},
    )


def with_scores(
    records: Sequence[Record], scores: Sequence[object], rows: Sequence[int]
) -> tuple[Record, ...]:
    """Records with the judge's scores from the rows of the responses.

    Args:
        records: Of responses.
        scores: Value of the judge's field per row, or ``None``; numbers may be text.
        rows: Number of each record's row in the file, for errors.

    Returns:
        Each record with its part ``score``, where it has one.

    Raises:
        DataError: A score is not on the judge's scale.
    """
    return tuple(
        record if score is None else _judged(record, score, f"row {number}")
        for number, record, score in zip(rows, records, scores, strict=True)
    )


def _judged(record: Record, score: object, where: str) -> Record:
    try:
        number = float(str(score))
    except ValueError:
        number = math.nan
    return replace(record, parts={**record.parts, "score": _on_scale(number, where, score)})


def _on_scale(score: float, where: str, shown: object = None) -> float:
    if score not in SCALE:
        raise DataError(
            f"the judge's score is one of {', '.join(map(str, SCALE))}, not "
            f"{score if shown is None else shown}",
            where=where,
            hint="check the file; where another field is the judge's, say --field judge=NAME",
        )
    return score


def _number(index: int, row: Mapping[str, object], names: tuple[str, ...]) -> float:
    for name in names:
        value = row.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                number = math.inf
            if math.isfinite(number):
                return number
            raise DataError(
                f"{name!r} of a needle cell is no number that can be",
                where=f"cell {index + 1}",
                hint="check the file",
            )
    raise DataError(
        f"a needle cell lacks a number called {' or '.join(names)}",
        where=f"cell {index + 1}: keys {', '.join(sorted(row))}",
        hint="give rows of token_limit, depth_percent and score",
    )


def _row(record: Record) -> tuple[float, float]:
    """A response without a judge's score is left out."""
    return (number(record, "score"), 1.0) if "score" in record.parts else (0.0, 0.0)


def _mean(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])


JUDGE = SumMetric("judge", ("score", "n"), _row, _mean, True, unit="points", low=1.0, high=10.0)
