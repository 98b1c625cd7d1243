"""What a cell of the board says: one condition of one task and model, against its baseline."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from headbench.leaderboard import numbers
from headbench.leaderboard.links import cell_anchor, cells_page
from headbench.leaderboard.reading import known, otherwise, same_file
from headbench.leaderboard.sources import Sources
from headbench.nouns import Record
from headbench.results.cell import Cell
from headbench.results.comparison import Comparison, MetricComparison
from headbench.results.schema import Estimate, Result

WORSE, BETTER, LEVEL = "down", "up", "level"
"""Tones of a difference: orange, blue, grey; grey where the interval includes zero."""


@dataclass(frozen=True)
class ShownCell:
    """One condition.

    Attributes:
        result: What the result file says.
        comparison: Against its baseline; ``None`` for baselines, and where there is none.
        letters: Conditions of the same baseline that share a letter cannot be told apart.
        reason: Why there is no difference, in words; empty where there is one.
        run: Digest of its run.
        controls: Results of its control draws.
        file: Its file, below the folder of results.
        unchecked: Figures that could not be computed again here.
        source: What was read from its file.
    """

    result: Result
    comparison: Comparison | None = None
    letters: str = ""
    reason: str = ""
    run: str = ""
    controls: tuple[Result, ...] = ()
    file: str = ""
    unchecked: tuple[str, ...] = ()
    source: Cell | None = field(default=None, repr=False)

    @property
    def records(self) -> Sequence[Record]:
        """Its records, read from its own file: two files may state one id."""
        return self.source.records if self.source else ()

    @property
    def main(self) -> Estimate | None:
        """The task's main figure."""
        return self.result.metrics.get(self.result.task.main_metric)

    @property
    def line(self) -> MetricComparison | None:
        """The main metric's comparison."""
        return self.comparison.main if self.comparison and not self.reason else None

    @property
    def unit(self) -> str:
        """Unit of the main figure."""
        return self.main.unit if self.main else "fraction"

    @property
    def status(self) -> str:
        """``ok``, ``inert``, ``partial`` or ``refused``: no comparison for another reason."""
        if self.result.status == "ok" and self.reason:
            return "refused"
        return self.result.status

    @property
    def tone(self) -> str:
        """Whether the difference is for the better, as far as its interval says."""
        line = self.line
        return LEVEL if line is None else tone(line)

    @property
    def rank(self) -> str:
        """``1 of 5``; empty without controls."""
        line = self.line
        return f"{line.rank.rank} of {line.rank.of}" if line and line.rank else ""

    @property
    def page(self) -> str:
        """Name of the page that shows it whole."""
        return cells_page(self.result)

    @property
    def anchor(self) -> str:
        """Its element there."""
        return cell_anchor(self.result)


@dataclass(frozen=True)
class ShownRow:
    """The conditions of one task, model and baseline.

    Attributes:
        baseline: The unedited model.
        cells: Condition name -> cell.
        reach: The bars' axis goes from ``-reach`` to ``reach``.
    """

    baseline: ShownCell
    cells: Mapping[str, ShownCell] = field(default_factory=dict)
    reach: float = 1.0

    @property
    def result(self) -> Result:
        """The baseline's result, which says task and model."""
        return self.baseline.result

    @property
    def metric(self) -> str:
        """Name of the main metric."""
        return self.result.task.main_metric

    @property
    def key(self) -> tuple[str, ...]:
        """Where the row stands: by task, then by model."""
        task, model = self.result.task, self.result.model
        return (task.name, model.name, task.version, self.result.id)


def tone(line: MetricComparison) -> str:
    """``up`` where a difference is for the better, ``down`` for the worse, else ``level``."""
    paired = line.paired
    if paired is None or paired.low is None or paired.high is None:
        return LEVEL
    if paired.low <= 0 <= paired.high or line.metric.higher_is_better is None:
        return LEVEL
    return BETTER if (paired.difference > 0) == line.metric.higher_is_better else WORSE


def direction(estimate: Estimate | None) -> str:
    """``higher is better``, as words."""
    if estimate is None or estimate.higher_is_better is None:
        return "no better end"
    return "higher is better" if estimate.higher_is_better else "lower is better"


def better(estimate: Estimate | None) -> str:
    """``higher``, for a column that is called "better"."""
    return direction(estimate).removesuffix(" is better")


def rows(sources: Sources) -> list[ShownRow]:
    """Every baseline of a run with its conditions, in the board's order."""
    baselines: dict[tuple[str, ...], ShownCell] = {}
    found: dict[tuple[str, ...], dict[str, ShownCell]] = {}
    every = list(_cells(sources))
    for shown in every:
        if shown.result.arm.role == "baseline":
            # A file may state the id of another's baseline; it must not take that one's place.
            baselines.setdefault(_row_key(shown.result), shown)
    for one in every:
        result = one.result
        if result.arm.role == "baseline":
            continue
        shown, base = one, baselines.get(_row_key(result))
        if base and one.comparison and not same_file(one.comparison.base, base.result):
            reason = one.reason or "it was compared with another file of its baseline's id"
            shown = replace(one, reason=reason, letters="")
        row = found.setdefault(_row_key(result), {})
        if result.arm.name not in row or _better_known(shown, row[result.arm.name]):
            row[result.arm.name] = shown
    return sorted(
        (_row(base, found.get(identity, {})) for identity, base in baselines.items()),
        key=lambda row: row.key,
    )


def _row_key(result: Result) -> tuple[str, ...]:
    """The row of a result: its baseline's id, task and model."""
    baseline = result.id if result.arm.role == "baseline" else result.arm.baseline or ""
    return (baseline, result.task.name, result.model.name)


def orphans(sources: Sources) -> list[ShownCell]:
    """Interventions whose baseline is not shown, so that no row has them."""
    shown = list(_cells(sources))
    known = {_place(one.result)[:3] for one in shown if one.result.arm.role == "baseline"}
    return [
        one
        for one in shown
        if one.result.arm.role == "toggle" and _place(one.result)[:3] not in known
    ]


def replaced(sources: Sources) -> list[tuple[ShownCell, ShownCell]]:
    """Results that no row has because another one of the same name has their place, with that one.

    Two results of one condition over one baseline differ in a file that the intervention read, or
    in code; the name does not say so.
    """
    places: dict[tuple[str, ...], ShownCell] = {}
    for row in rows(sources):
        for cell in (row.baseline, *row.cells.values()):
            places[_place(cell.result)] = cell
    found: dict[str, tuple[ShownCell, ShownCell]] = {}
    for cell in _cells(sources):
        held = places.get(_place(cell.result))
        if held is not None and not same_file(held.result, cell.result):
            found[cell.file] = (cell, held)
    return list(found.values())


def _place(result: Result) -> tuple[str, ...]:
    """Where a result stands in a row: task, model, baseline, condition."""
    arm = result.arm
    baseline = result.id if arm.role == "baseline" else arm.baseline or ""
    return (result.task.name, result.model.name, baseline, arm.role, arm.name)


def _cells(sources: Sources) -> Iterator[ShownCell]:
    """Baselines and interventions of every run; a cell of two runs comes twice."""
    for run in sources.runs:
        compared = {one.other.id: one for one in run.comparisons}
        why = {one.path: one.reason for one in run.not_compared}
        controls: dict[tuple[str, str, str | None], list[Result]] = {}
        for cell in run.cells:
            arm = cell.result.arm
            if arm.role == "control":
                key = (cell.result.task.name, arm.of or "", arm.baseline)
                controls.setdefault(key, []).append(cell.result)
        for cell in run.cells:
            arm = cell.result.arm
            if arm.role == "control":
                continue
            path, comparison = cell.path or Path(), compared.get(cell.result.id)
            reason = _reason(cell, why.get(path, "") or otherwise(comparison))
            yield ShownCell(
                cell.result,
                comparison,
                "" if reason else run.ties.get(path, ""),
                reason,
                run.run.digest,
                tuple(controls.get((cell.result.task.name, arm.name, arm.baseline), ())),
                sources.shown_path(path),
                cell.unchecked,
                cell,
            )


def _reason(cell: Cell, not_compared: str) -> str:
    """Why a cell has no difference; empty for baselines and where it has one."""
    if cell.result.arm.role == "baseline":
        return cell.result.reason
    return cell.result.reason if cell.result.status == "inert" else not_compared


def _better_known(one: ShownCell, two: ShownCell) -> bool:
    """Whether the first of two results of one condition takes its place."""

    def standing(cell: ShownCell) -> tuple[bool, tuple[int, str]]:
        return (not cell.reason, known(None if cell.reason else cell.comparison, cell.run))

    return standing(one) > standing(two)


def _row(baseline: ShownCell, cells: Mapping[str, ShownCell]) -> ShownRow:
    return ShownRow(baseline, dict(sorted(cells.items())), common_reach(list(cells.values())))


def common_reach(cells: Sequence[ShownCell]) -> float:
    """The end of an axis that holds every difference, and most intervals.

    One wide interval would make every other bar a dot, so it is the median interval that counts;
    wider ones go beyond the axis.
    """
    found = [line.paired for cell in cells if (line := cell.line) and line.paired]
    sizes = [abs(one.difference) for one in found if math.isfinite(one.difference)]
    widths = [
        (one.high - one.low) / 2
        for one in found
        if one.low is not None and one.high is not None and math.isfinite(one.high - one.low)
    ]
    if widths:
        sizes.append(statistics.median(widths))
    return numbers.reach(max(sizes, default=1.0))
