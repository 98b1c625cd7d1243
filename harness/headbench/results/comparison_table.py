"""Comparisons as a table on a terminal, and what stands below it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headbench.results.comparison import Comparison, MetricComparison
from headbench.results.comparison_notes import comparison_notes, count, printed_p
from headbench.results.markup import visible
from headbench.results.schema import Estimate, Result

if TYPE_CHECKING:
    from rich.console import Console

    from headbench.statistics import LossChange

COLUMNS = (
    "task",
    "metric",
    "baseline",
    "intervention",
    "difference",
    "interval",
    "p",
    "n (clusters)",
    "minus controls",
    "control rank",
    "changed",
    "KL, at least",
    "detectable",
)
"""Headings; ``interval``, ``intervention`` and ``p`` are made exact when a table is filled."""
NONE = "-"
RAW = "p, raw"
"""Heading of the column that is there on demand."""


def comparison_rows(
    comparisons: Sequence[Comparison], *, raw: bool = False
) -> list[tuple[str, ...]]:
    """One row per metric of each comparison, as text, in the order of :data:`COLUMNS`.

    Args:
        comparisons: What is shown.
        raw: Also each metric's p before its adjustment, behind the adjusted one.
    """
    return [
        _row(comparison, line, index == 0, raw=raw)
        for comparison in comparisons
        for index, line in enumerate(comparison.lines)
    ]


def flat_header(comparisons: Sequence[Comparison]) -> list[str]:
    """Headings of :func:`flat_rows`."""
    heads = ["model", "task", "condition", *COLUMNS[1:]]
    heads[heads.index("intervention")] = "value"
    heads[heads.index("interval")] = (
        level_heading(comparisons[0].other) if comparisons else "interval"
    )
    heads[heads.index("p")] = adjustment(comparisons[0].family if comparisons else 1)
    return heads


def flat_rows(comparisons: Sequence[Comparison]) -> list[list[str]]:
    """One row per metric with every name in it, so that many comparisons fit one table."""
    rows = []
    for comparison in comparisons:
        result = comparison.other
        names = [result.model.name, result.task.name, result.arm.name]
        for index, line in enumerate(comparison.lines):
            rows.append([*names, *_row(comparison, line, index == 0, raw=False)[1:]])
    return rows


def result_rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """One row per metric of each result: task, metric, value, interval, n."""
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


def print_comparisons(
    comparisons: Sequence[Comparison],
    console: Console,
    condition: str,
    base: str = "baseline",
    *,
    raw: bool = False,
) -> None:
    """One table for one intervention, and below it what the table's cells cannot hold."""
    heads = list(COLUMNS)
    heads[COLUMNS.index("baseline")] = base
    heads[COLUMNS.index("intervention")] = condition
    heads[COLUMNS.index("interval")] = level_heading(comparisons[0].other)
    heads[COLUMNS.index("p")] = adjustment(comparisons[0].family)
    if raw:
        heads.insert(COLUMNS.index("p") + 1, RAW)
    print_table(console, heads, comparison_rows(comparisons, raw=raw))
    lines = [
        f"{c.other.task.name}: {c.other.status}: {c.other.reason}"
        for c in comparisons
        if c.other.status != "ok"
    ]
    lines += [f"{c.other.task.name}: {c.note}" for c in comparisons if c.note]
    # Every task's cell carries the same losses; those with controls say more.
    told = max(comparisons, key=lambda c: sum(len(found.controls) for found in c.neutral))
    for line in (
        *lines,
        *comparison_notes(comparisons),
        *control_lines(comparisons),
        *neutral_lines(told),
    ):
        print_line(console, line)


def adjustment(family: int) -> str:
    """Heading of the column of p: over how many tests it is adjusted."""
    return f"p, Holm over {family}" if family > 1 else "p, one test"


def control_lines(comparisons: Sequence[Comparison]) -> list[str]:
    """What a rank among the controls can say: how many sets there are, and the smallest p."""
    shown = next((c for c in comparisons if any(line.rank for line in c.lines)), None)
    facts = shown.other.arm.controls if shown else None
    if facts is None:
        return []
    sets = f"{facts.drawn:,} of {facts.possible:,} possible control sets"
    if not facts.test or facts.smallest_p is None:
        return [f"control rank: {sets}; a contrast ({facts.unit}), so a rank has no p"]
    return [f"control rank: {sets}; smallest attainable p {facts.smallest_p:.3f}, two-tailed"]


def neutral_lines(comparison: Comparison) -> list[str]:
    """What became of the loss on neutral text, under the intervention and under its controls."""
    lines = []
    for found in comparison.neutral:
        moved = found.change
        text = (
            f"loss on {found.text}, {moved.passages} passages: {found.base:.3f} nats per token, "
            f"changes by {_loss(moved)}"
        )
        if found.controls and found.on_same is not None:
            values = [control.change for control in found.controls]
            text += (
                f"; on {found.on_same.passages} of them by {found.on_same.change:+.3f}, "
                f"under controls by {sum(values) / len(values):+.3f} on average "
                f"({min(values):+.3f} to {max(values):+.3f})"
            )
        lines.append(text)
    return lines


def _loss(moved: LossChange) -> str:
    if moved.low is None or moved.high is None:
        return f"{moved.change:+.3f}"
    return f"{moved.change:+.3f} ({moved.low:+.3f} .. {moved.high:+.3f})"


def differs_lines(comparison: Comparison, paths: tuple[Path, Path]) -> list[str]:
    """In what two compared runs differ, one line per fact."""
    named = [f"A = {paths[0]}", f"B = {paths[1]}"]
    if not comparison.differs:
        return [*named, "the runs differ in nothing but their answers"]
    return [*named, "the runs differ in:"] + [
        f"  {name}: {_short(a)} -> {_short(b)}" for name, a, b in comparison.differs
    ]


def _row(
    comparison: Comparison, line: MetricComparison, first: bool, *, raw: bool
) -> tuple[str, ...]:
    base, other = (result.metrics[line.name] for result in (comparison.base, comparison.other))
    head = comparison.other.task.name if first else ""
    share = _percent(comparison.changed_share) if first else ""
    kl = _number(comparison.first_token_kl, 4) if first else ""
    paired = line.paired
    n = count(other.n, paired.clusters if paired else other.clusters) if first else ""
    middle: tuple[str, ...]
    if paired is None:
        ps = (NONE, NONE) if raw else (NONE,)
        middle = (comparison.other.status, NONE, *ps, n, NONE, NONE, share, kl, NONE)
    else:
        adjusted = printed_p(line.holm, paired) if line.main else ""
        middle = (
            _signed(paired.difference, base.unit),
            _interval(paired.low, paired.high, base.unit, signed=True),
            *((adjusted, printed_p(paired.p, paired)) if raw else (adjusted,)),
            n,
            _minus(line, base.unit),
            _rank(line),
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


def _minus(line: MetricComparison, unit: str) -> str:
    """The intervention less the mean of its controls, with the interval where there is one."""
    found = line.against
    if found is None or math.isnan(found.difference):
        return NONE
    text = _signed(found.difference, unit)
    if found.low is None or found.high is None:
        return text
    return f"{text} ({_interval(found.low, found.high, unit, signed=True)})"


def _rank(line: MetricComparison) -> str:
    """``1 of 40 low, p .050``; the adjusted p only where the draws let it be small."""
    if line.rank is None:
        return NONE
    text = f"{line.rank.rank} of {line.rank.of} {line.rank.end}"
    if line.rank.p is not None:
        text += f", p {line.rank.p:.3f}"
    if line.rank_holm is not None:
        text += f" (adjusted {line.rank_holm:.3f})"
    return text


def level_heading(result: Result) -> str:
    """Heading of the column of intervals."""
    levels = [figure.level for figure in result.metrics.values() if figure.level is not None]
    return f"{100 * (levels[0] if levels else 0.95):g} % interval"


def _main_first(result: Result) -> list[tuple[str, Estimate]]:
    return sorted(result.metrics.items(), key=lambda item: item[0] != result.task.main_metric)


def print_line(console: Console, line: str) -> None:
    """A line of text as it is: names in it are neither markup nor commands of the terminal."""
    console.print(visible(line), highlight=False, markup=False, soft_wrap=True)


def print_table(console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A drawn table on a terminal; elsewhere plain columns that never wrap or colour."""
    if console.is_terminal:
        from rich.table import Table
        from rich.text import Text

        table = Table()
        for head in heads:
            table.add_column(Text(visible(head)))
        for row in rows:
            table.add_row(*(Text(visible(cell)) for cell in row), style=None if row[0] else "dim")
        console.print(table)
        return
    table_rows = [[visible(cell) for cell in row] for row in (heads, *rows)]
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
