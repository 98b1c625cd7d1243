"""The table at the end of a run, and that of ``compare``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headbench.results.schema import Estimate, Result
from headbench.running.compare import Comparison, Line
from headbench.running.execute import RunOutcome
<<<<<<< HEAD
from headbench.running.reasoning import reasoning_lines
=======
from headbench.running.table_notes import comparison_notes, count, printed_p, result_notes
>>>>>>> stats

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS = (
    "task",
    "metric",
    "baseline",
    "toggle",
    "difference",
    "interval",
    "p (Holm)",
    "n (clusters)",
    "control rank",
    "changed",
    "KL, at least",
    "detectable",
)
"""Headings; ``interval`` and ``toggle`` are made exact when a table is filled."""
NONE = "-"


def comparison_rows(comparisons: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """One row a metric of each comparison, as text, in the order of :data:`COLUMNS`."""
    return [
        _row(comparison, line, first=index == 0)
        for comparison in comparisons
        for index, line in enumerate(comparison.lines)
    ]


def result_rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """One row a metric of each result: task, metric, value, interval, n."""
    return [
        (
            result.task.name if index == 0 else "",
            name,
            _value(figure),
            _interval(figure.low, figure.high, figure.unit, signed=False),
            count(figure.n, figure.clusters),
        )
        for result in results
        for index, (name, figure) in enumerate(_main_first(result))
    ]


def print_outcome(outcome: RunOutcome, console: Console) -> None:
    """The table of a run, its notes, the models' neutral loss, and the files."""
    if outcome.comparisons:
        for arm in dict.fromkeys(c.other.arm.name for c in outcome.comparisons):
            of_arm = [c for c in outcome.comparisons if c.other.arm.name == arm]
            print_comparisons(of_arm, console, arm)
    else:
        heads = ("task", "metric", "baseline", _level(outcome.results[0]), "n (clusters)")
        _print(console, heads, result_rows(outcome.results))
        for note in result_notes(outcome.results):
            console.print(note, highlight=False, soft_wrap=True)
    for line in footer(outcome):
        console.print(line, highlight=False, soft_wrap=True)


def print_comparisons(
    comparisons: Sequence[Comparison], console: Console, arm: str, base: str = "baseline"
) -> None:
    """One table for one toggle, and below it what the table's cells cannot hold."""
    heads = list(COLUMNS)
    heads[COLUMNS.index("baseline")] = base
    heads[COLUMNS.index("toggle")] = arm
    heads[COLUMNS.index("interval")] = _level(comparisons[0].other)
    _print(console, heads, comparison_rows(comparisons))
    for comparison in comparisons:
        if comparison.other.status != "ok":
            text = f"{comparison.other.task.name}: {comparison.other.status}: "
            console.print(text + comparison.other.reason, highlight=False, soft_wrap=True)
    for note in comparison_notes(comparisons):
        console.print(note, highlight=False, soft_wrap=True)
    losses = _losses(comparisons[0])
    if losses:
        console.print(losses, highlight=False, soft_wrap=True)


def footer(outcome: RunOutcome) -> list[str]:
    """Which model, what to know, how to get the run again, which files."""
    lines = [f"model: {outcome.model}", *(f"note: {note}" for note in outcome.notes)]
    for result in outcome.results:
        if result.arm.role != "control":
            lines += reasoning_lines(result)
    lines.append(f"again: {outcome.spec.command()}")
    shown = [
        path
        for path, result in zip(outcome.files, outcome.results, strict=True)
        if result.arm.role != "control"
    ]
    lines += [f"wrote {path}" for path in shown]
    hidden = len(outcome.files) - len(shown)
    if hidden:
        lines.append(f"wrote {hidden} control cells beside them, under {outcome.folder}")
    return lines


def differs_lines(comparison: Comparison, paths: tuple[Path, Path]) -> list[str]:
    """In what two compared runs differ, one line a fact."""
    named = [f"A = {paths[0]}", f"B = {paths[1]}"]
    if not comparison.differs:
        return [*named, "the runs differ in nothing but their answers"]
    return [*named, "the runs differ in:"] + [
        f"  {name}: {_short(a)} -> {_short(b)}" for name, a, b in comparison.differs
    ]


def _row(comparison: Comparison, line: Line, *, first: bool) -> tuple[str, ...]:
    base, other = (result.metrics[line.name] for result in (comparison.base, comparison.other))
    head = comparison.other.task.name if first else ""
    share = _percent(comparison.changed_share) if first else ""
    told = comparison.other.diagnostics
    kl = _number(told.first_token_kl if told else None, 4) if first else ""
    paired = line.paired
    n = count(other.n, paired.clusters if paired else other.clusters) if first else ""
    middle: tuple[str, ...]
    if paired is None:
        middle = (comparison.other.status, NONE, NONE, n, NONE, share, kl, NONE)
    else:
        middle = (
            _signed(paired.difference, base.unit),
            _interval(paired.low, paired.high, base.unit, signed=True),
            printed_p(line.holm, paired) if line.main else "",
            n,
            f"{line.rank.rank} of {line.rank.of}{_rank_p(line)}" if line.rank else NONE,
            share,
            kl,
            _figure(paired.detectable, base.unit),
        )
    return (
        head,
        f"{line.name} *" if line.main else line.name,
        _value(base),
        _value(other),
        *middle,
    )


def _rank_p(line: Line) -> str:
    return f" (p {line.rank.p:.3f})" if line.rank is not None and line.rank.p is not None else ""


def _losses(comparison: Comparison) -> str:
    one, two = comparison.base.diagnostics, comparison.other.diagnostics
    if one is None or two is None or one.neutral_loss is None or two.neutral_loss is None:
        return ""
    return (
        f"loss on neutral text ({two.neutral_text}): {one.neutral_loss:.3f} nats at baseline, "
        f"{two.neutral_loss:.3f} under the toggle"
    )


def _level(result: Result) -> str:
    levels = [figure.level for figure in result.metrics.values() if figure.level is not None]
    return f"{100 * (levels[0] if levels else 0.95):g} % interval"


def _main_first(result: Result) -> list[tuple[str, Estimate]]:
    return sorted(result.metrics.items(), key=lambda item: item[0] != result.task.main_metric)


def _print(console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A drawn table on a terminal; elsewhere plain columns that never wrap or colour."""
    if console.is_terminal:
        from rich.table import Table

        table = Table(*heads)
        for row in rows:
            table.add_row(*row, style=None if row[0] else "dim")
        console.print(table)
        return
    table_rows = [tuple(heads), *rows]
    widths = [max(len(row[place]) for row in table_rows) for place in range(len(heads))]
    for row in table_rows:
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        console.file.write("  ".join(cells).rstrip() + "\n")


def _value(figure: Estimate) -> str:
    return _figure(figure.value, figure.unit)


def _figure(value: float | None, unit: str) -> str:
    if value is None or math.isnan(value):
        return NONE
    return f"{value:,.0f}" if unit == "count" else _number(value, 4 if unit == "fraction" else 2)


def _signed(value: float, unit: str) -> str:
    text = _figure(value, unit)
    return text if text.startswith("-") else f"+{text}"


def _interval(low: float | None, high: float | None, unit: str, *, signed: bool) -> str:
    if low is None or high is None:
        return NONE
    ends = (_signed(end, unit) if signed else _figure(end, unit) for end in (low, high))
    return f"{' .. '.join(ends)}"


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.1f} %"


def _number(value: float | None, digits: int) -> str:
    return NONE if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _short(text: str) -> str:
    return text if len(text) <= 70 else f"{text[:60]}... ({len(text)} characters)"
