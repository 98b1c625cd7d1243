"""Results in long form: one row per run, model, task, condition and metric."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from headbench.errors import ConfigError
from headbench.results.cell import Cell
from headbench.results.comparison import Comparison, MetricComparison
from headbench.results.schema import Estimate

if TYPE_CHECKING:
    import pandas as pd


Row = dict[str, object]

COLUMNS: dict[str, str] = {
    "run": "string",
    "model": "string",
    "task": "string",
    "condition": "string",
    "role": "string",
    "status": "string",
    "metric": "string",
    "main": "bool",
    "unit": "string",
    "value": "float64",
    "low": "float64",
    "high": "float64",
    "level": "float64",
    "n": "Int64",
    "clusters": "Int64",
    "difference": "float64",
    "difference_low": "float64",
    "difference_high": "float64",
    "p": "float64",
    "p_adjusted": "float64",
    "family": "Int64",
    "control_mean": "float64",
    "minus_controls": "float64",
    "minus_controls_low": "float64",
    "minus_controls_high": "float64",
    "control_rank": "Int64",
    "control_of": "Int64",
    "control_end": "string",
    "control_p": "float64",
    "control_p_adjusted": "float64",
    "changed_share": "float64",
    "detectable": "float64",
    "id": "string",
    "file": "string",
}
"""Column -> its type in pandas. ``docs/results-format.md`` says what each holds."""


class ComparedCells(Protocol):
    """What rows are made from: :class:`~headbench.results.collection.Run` offers it."""

    @property
    def digest(self) -> str:
        """Digest of the run's spec."""
        ...

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell of the run."""
        ...

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Each intervention against its baseline."""
        ...

    @property
    def missing(self) -> tuple[str, ...]:
        """Cells of the run whose files are not shown."""
        ...


def run_rows(run: ComparedCells, *, controls: bool = False) -> Iterator[Row]:
    """The long rows of one run, in the order of its cells.

    Args:
        run: A run.
        controls: Whether control cells have rows of their own; they have no difference.
    """
    compared = {one.other.id: one for one in run.comparisons}
    for cell in run.cells:
        if controls or cell.result.arm.role != "control":
            yield from cell_rows(cell, compared.get(cell.result.id), run.digest[:12])


def cell_rows(cell: Cell, comparison: Comparison | None, run: str = "") -> Iterator[Row]:
    """One row per metric of a cell, the main one first.

    Args:
        cell: A cell.
        comparison: The cell against another one; ``None`` for a baseline.
        run: What the run is called.
    """
    result = cell.result
    lines = {line.name: line for line in comparison.lines} if comparison else {}
    ordered = sorted(result.metrics, key=lambda name: (name != result.task.main_metric, name))
    for name in ordered:
        figure = result.metrics[name]
        row: Row = dict.fromkeys(COLUMNS)
        row |= {
            "run": run,
            "model": result.model.name,
            "task": result.task.name,
            "condition": result.arm.name,
            "role": result.arm.role,
            "status": result.status,
            "metric": name,
            "main": name == result.task.main_metric,
            "id": result.id,
            "file": "" if cell.path is None else str(cell.path),
        }
        row |= _figure(figure)
        if comparison is not None:
            row |= {"family": comparison.family, "changed_share": comparison.changed_share}
            if name in lines:
                row |= _line(lines[name])
        yield {column: _known(value) for column, value in row.items()}


def to_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Long rows as a data frame.

    Raises:
        ConfigError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ConfigError(
            "pandas is not installed, and a data frame is one of its objects",
            hint="pip install pandas; or take the rows as they are: run.rows()",
        ) from error
    return pd.DataFrame(list(rows), columns=list(COLUMNS)).astype(COLUMNS)


def _figure(figure: Estimate) -> Row:
    return {
        "unit": figure.unit,
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "level": figure.level,
        "n": figure.n,
        "clusters": figure.clusters,
    }


def _line(line: MetricComparison) -> Row:
    row: Row = {}
    if line.paired is not None:
        row |= {
            "difference": line.paired.difference,
            "difference_low": line.paired.low,
            "difference_high": line.paired.high,
            "level": line.paired.level,
            "p": line.paired.p,
            "p_adjusted": line.holm,
            "clusters": line.paired.clusters,
            "detectable": line.paired.detectable,
        }
    if line.against is not None:
        row |= {
            "control_mean": line.against.mean,
            "minus_controls": line.against.difference,
            "minus_controls_low": line.against.low,
            "minus_controls_high": line.against.high,
        }
    if line.rank is not None:
        row |= {
            "control_rank": line.rank.rank,
            "control_of": line.rank.of,
            "control_end": line.rank.end,
            "control_p": line.rank.p,
            "control_p_adjusted": line.rank_holm,
        }
    return row


def _known(value: object) -> object:
    """``None`` for what is undefined, so that JSON and CSV hold no NaN."""
    return None if isinstance(value, float) and math.isnan(value) else value
