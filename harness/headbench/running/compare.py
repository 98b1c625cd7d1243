"""Two cells over the same documents: what differs in the figures, and what differs in the runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from headbench.errors import RefusedError
from headbench.results.check import metric_of, read_checked
from headbench.results.figures import Sampling
from headbench.results.keys import seed_for
from headbench.results.schema import Result
from headbench.running.cell import Cell
from headbench.scoring.metric import Metric
from headbench.scoring.statistics import (
    ControlRank,
    PairedResult,
    changed_share,
    compare_paired,
    control_rank,
    holm,
)

_DECIDED_ELSEWHERE = ("run.spec.interventions", "run.digest", "run.batch_plan", "run.batches")


@dataclass(frozen=True)
class Line:
    """One metric of a comparison.

    Attributes:
        name: Short name.
        metric: The metric.
        main: Whether it is the task's headline.
        paired: The paired statistics; ``None`` for an inert cell.
        holm: p after Holm's adjustment over the tasks' main metrics; ``None`` for other metrics.
        rank: The toggle among its controls, by the size of the difference.
    """

    name: str
    metric: Metric
    main: bool
    paired: PairedResult | None
    holm: float | None = None
    rank: ControlRank | None = None


@dataclass(frozen=True)
class Comparison:
    """A cell held against another one.

    Attributes:
        base: The first result, usually the baseline.
        other: The second.
        lines: One a metric, the main one first.
        changed_share: Share of documents whose raw outputs differ.
        differs: ``(what, first, second)`` for everything else in which the runs differ.
        unchecked: Figures of either file that could not be computed again, and are left out.
    """

    base: Result
    other: Result
    lines: tuple[Line, ...]
    changed_share: float
    differs: tuple[tuple[str, str, str], ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def main(self) -> Line:
        """The headline's line."""
        found = next((line for line in self.lines if line.main), None)
        if found is None:
            raise RefusedError(
                f"the results do not share {self.other.task.main_metric!r}, the main metric",
                where=f"{self.base.task.name} and {self.other.task.name}",
                mend="compare results of one task version",
            )
        return found


def compare_files(first: Path, second: Path) -> Comparison:
    """Compare two result files.

    Raises:
        StoreError: a file or its records cannot be read, or its figures are not its records'.
        RefusedError: the results do not hold the same documents, or not the same task.
        DataError: they disagree about a document's ground truth.
    """
    read = [read_checked(path) for path in (first, second)]
    base, other = (Cell(one.result, one.entries) for one in read)
    left_out = tuple(dict.fromkeys(name for one in read for name in one.unchecked))
    if base.result.task.name != other.result.task.name:
        raise RefusedError(
            "the results are of different tasks, so they share no documents",
            where=f"{base.result.task.name} and {other.result.task.name}",
            mend="compare two results of one task",
        )
    for path, cell in ((first, base), (second, other)):
        if cell.result.records is None:
            raise RefusedError(
                "this result has no item records, so nothing can be paired with it",
                where=str(path),
                mend="a published cell can be looked at, not compared item by item",
            )
    return replace(adjust([compare_cells(base, other, ())])[0], unchecked=left_out)


def compare_cells(base: Cell, other: Cell, controls: Sequence[Cell]) -> Comparison:
    """Compare two cells, and rank the second among its controls.

    Args:
        base: Usually the baseline.
        other: Usually a toggle.
        controls: The toggle's control cells; none where it has none.
    """
    one, two = base.result, other.result
    seed = seed_for(one.run.seed, "interval", two.task.name)
    lines = []
    for name, figure in two.metrics.items():
        if name not in one.metrics or not figure.metric:  # counts of a log are no metrics
            continue
        metric = metric_of(name, figure)
        if metric is None:  # of a package that is not installed here
            continue
        sampling = Sampling(seed, _draws(two), figure.level or Sampling().level)
        line = Line(name, metric, name == two.task.main_metric, None)
        if two.status != "inert":
            line = _paired(line, base, other, sampling)
            line = replace(line, rank=_rank(line, base, controls))
        lines.append(line)
    lines.sort(key=lambda line: not line.main)
    return Comparison(
        one, two, tuple(lines), changed_share(base.records, other.records), differences(one, two)
    )


def adjust(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Holm's adjustment over the main metrics of one arm's tasks; inert cells take no part."""
    found = list(comparisons)
    for arm in dict.fromkeys(c.other.arm.name for c in found):
        places = [i for i, c in enumerate(found) if c.other.arm.name == arm]
        paired = [found[i].main.paired for i in places]
        adjusted = holm([None if p is None else p.p for p in paired])
        for place, p in zip(places, adjusted, strict=True):
            lines = tuple(
                replace(line, holm=p) if line.main else line for line in found[place].lines
            )
            found[place] = replace(found[place], lines=lines)
    return found


def differences(one: Result, two: Result) -> tuple[tuple[str, str, str], ...]:
    """In what two runs differ: every fact of task, model, arm and run that is not the same.

    Figures are left out, and what follows from the arm alone.
    """
    sides = [
        result.model_dump(mode="json", include={"kind", "status", "task", "model", "arm", "run"})
        for result in (one, two)
    ]
    flat = [dict(_flatten(side)) for side in sides]
    names = sorted(flat[0].keys() | flat[1].keys())
    told = []
    for name in names:
        left, right = (str(side.get(name, "absent")) for side in flat)
        if left != right and not name.startswith(_DECIDED_ELSEWHERE):
            told.append((name, left, right))
    return tuple(told)


def _draws(result: Result) -> int:
    draws = result.run.spec.get("draws")
    return draws if isinstance(draws, int) else Sampling().draws


def _paired(line: Line, base: Cell, other: Cell, sampling: Sampling) -> Line:
    paired = compare_paired(
        line.metric,
        base.records,
        other.records,
        seed=sampling.seed,
        draws=sampling.draws,
        level=sampling.level,
    )
    return replace(line, paired=paired)


def _rank(line: Line, base: Cell, controls: Sequence[Cell]) -> ControlRank | None:
    if line.paired is None or not controls or math.isnan(line.paired.difference):
        return None
    before = line.paired.value_a
    moved = [line.metric.of(cell.records) - before for cell in controls]
    return control_rank(line.paired.difference, moved)


def _flatten(value: object, name: str = "") -> list[tuple[str, object]]:
    if not isinstance(value, dict):
        return [(name, value)]
    return [
        pair
        for key, item in value.items()
        for pair in _flatten(item, f"{name}.{key}" if name else str(key))
    ]
