"""Released needle cells (length, depth, judge's score), read as records.

The repository gkamradt/LLMTest_NeedleInAHaystack publishes judged cells and heat maps, no averages.
As records they pass through the same breakdowns and statistics as everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headbench.errors import DataError
from headbench.scoring.metric import Floats, Metric, ratio
from headbench.scoring.parts import exact, number
from headbench.types import Record

SCALE = (1, 3, 5, 7, 10)
"""Scores that the original judge may give; 10 is a full answer."""


def cell_records(rows: Iterable[Mapping[str, object]]) -> tuple[Record, ...]:
    """Judged cells as records.

    Args:
        rows: ``token_limit`` (or ``context_length``), ``depth_percent`` and ``score`` of each cell.

    Returns:
        One record a cell with the parts ``score``, ``length`` and ``depth`` (percent).

    Raises:
        DataError: A row lacks a number, or the score is not on the judge's scale.
    """
    return tuple(_record(index, row) for index, row in enumerate(rows))


def _record(index: int, row: Mapping[str, object]) -> Record:
    length = _number(index, row, ("token_limit", "context_length"))
    depth = _number(index, row, ("depth_percent",))
    score = _number(index, row, ("score",))
    if score not in SCALE:
        raise DataError(
            f"the judge's score is one of {', '.join(map(str, SCALE))}, not {score}",
            where=f"cell {index + 1}",
            mend="check the file",
        )
    name = f"{exact(length)}-{exact(depth)}"
    return Record(
        document=f"{index}-{name}",
        cluster=name,
        outputs=(),
        parsed=score,
        parser="judge@1",
        parts={"score": score, "length": length, "depth": depth},
    )


def _number(index: int, row: Mapping[str, object], names: tuple[str, ...]) -> float:
    for name in names:
        value = row.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    raise DataError(
        f"a needle cell lacks a number called {' or '.join(names)}",
        where=f"cell {index + 1}: keys {', '.join(sorted(row))}",
        mend="give rows of token_limit, depth_percent and score",
    )


def _row(record: Record) -> tuple[float, float]:
    return number(record, "score"), 1.0


def _mean(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])


JUDGE = Metric("judge", ("score", "n"), _row, _mean, True, unit="points", low=1.0, high=10.0)
