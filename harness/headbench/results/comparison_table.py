"""Comparisons on a terminal, as flat rows for other formats, and what stands below them."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headbench.results.block_text import WIDE, lines, wrapped, wrapped_command
from headbench.results.comparison import Comparison, MetricComparison
from headbench.results.comparison_notes import (
    comparison_notes,
    count,
    main_notes,
    printed_p,
    result_notes,
)
from headbench.results.condition_blocks import DAMAGE, Block, blocks, damage, result_blocks
from headbench.results.markup import visible
from headbench.results.schema import Estimate, Result

if TYPE_CHECKING:
    from rich.console import Console


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
            rows.append([*names, *_row(comparison, line, index == 0)[1:]])
    return rows


def print_conditions(
    comparisons: Sequence[Comparison],
    console: Console,
    labels: Sequence[str] = (),
    *,
    base: str = "",
    full: bool = False,
) -> None:
    """One block per task and model, a row per condition; then what the columns mean.

    Args:
        comparisons: What is shown; p is adjusted over all of them.
        console: Where to print.
        labels: A word before each condition's name, e.g. the letter of its file.
        base: What the row of the baseline is called; empty: the name of its condition.
        full: Also further metrics, p before adjustment, KL and detectable differences.
    """
    _print_blocks(blocks(comparisons, labels, base=base), console, full=full)
    told = [legend(comparisons, full=full)] if comparisons else []
    told += default_lines(comparisons)
    told += damage_lines(comparisons)
    told += comparison_notes(comparisons) if full else main_notes(comparisons)
    if full:
        told += control_lines(comparisons)
    print_notes(told, console)


def print_levels(results: Sequence[Result], console: Console) -> None:
    """Results that nothing is compared with: a block each, a row per metric."""
    _print_blocks(result_blocks(results), console, full=False)
    print_notes(result_notes(results), console)


def _print_blocks(shown: Sequence[Block], console: Console, *, full: bool) -> None:
    for block in shown:
        for line in lines(block, columns(console), full=full):
            bold = "bold" if line.bold else None
            console.print(line.text, style=bold, highlight=False, markup=False, soft_wrap=True)
        console.print()


def print_notes(notes: Sequence[str], console: Console) -> None:
    """Notes within the width of a terminal; a pipe without a width gets each on one line."""
    for note in notes:
        if _has_width(console):
            indent = len(note) - len(note.lstrip())
            for line in wrapped(note.lstrip(), columns(console), indent=indent):
                print_line(console, line)
        else:
            print_line(console, note)


def print_command(label: str, command: str, console: Console) -> None:
    """A command within the width of a terminal, so that it can be copied; a pipe gets one line."""
    if _has_width(console):
        for line in wrapped_command(label, command, columns(console)):
            print_line(console, line)
    else:
        print_line(console, f"{label}: {command}")


def columns(console: Console) -> int:
    """How wide to print: the terminal's width; for a pipe ``COLUMNS``, or else 120."""
    return console.width if _has_width(console) else WIDE


def _has_width(console: Console) -> bool:
    return console.is_terminal or bool(os.environ.get("COLUMNS"))


def legend(comparisons: Sequence[Comparison], *, full: bool = False) -> str:
    """What the columns mean, on one line."""
    paired = any(line.paired for c in comparisons for line in c.lines)
    if not paired:
        return "nothing was compared: no condition changed anything"
    parts = ["diff: to the baseline, on the same documents"]
    family = comparisons[0].family
    if family > 1:
        parts.append(f"p adj: Holm over {family} tests")
    if any(line.against for c in comparisons for line in c.lines):
        parts.append("control: to the mean of the controls, and the rank among them")
    if any(c.neutral for c in comparisons):
        parts.append("loss: on neutral text, nats per token")
    if not full:
        parts.append("--all: further metrics and tests")
    return "; ".join(parts)


def default_lines(comparisons: Sequence[Comparison]) -> list[str]:
    """Strengths that nobody wrote, one line per condition: the value, and where it comes from."""
    found: dict[str, str] = {}
    for comparison in comparisons:
        condition = comparison.other.arm
        for method, words in (condition.defaults or {}).items():
            found[condition.name] = f"{method}: {words}"
    return list(found.values())


def damage_lines(comparisons: Sequence[Comparison]) -> list[str]:
    """Which conditions damage the model by the loss on neutral text, one line per text.

    Every task's cell carries the same losses, so a condition is named once.
    """
    found: dict[str, tuple[str, float]] = {}
    for comparison in comparisons:
        worst = damage(comparison)
        if worst is not None:
            found.setdefault(comparison.other.arm.name, (worst.text, worst.change.change))
    lines = []
    for text in dict.fromkeys(text for text, _ in found.values()):
        rises = {name: change for name, (of, change) in found.items() if of == text}
        if len(rises) == 1:
            ((name, change),) = rises.items()
            lines.append(
                f"{name} damages the model: its loss on {text} rises by {change:.2f} nats per "
                f"token (threshold: {DAMAGE:g})"
            )
        else:
            told = ", ".join(f"{name} +{change:.2f}" for name, change in rises.items())
            lines.append(
                f"{len(rises)} conditions damage the model, by the rise of the loss on {text} in "
                f"nats per token (threshold: {DAMAGE:g}): {told}"
            )
    return lines


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


def differs_lines(comparison: Comparison, paths: tuple[Path, Path]) -> list[str]:
    """In what two compared runs differ, one line per fact."""
    named = [f"A = {paths[0]}", f"B = {paths[1]}"]
    if not comparison.differs:
        return [*named, "the runs differ in nothing but their answers"]
    return [*named, "the runs differ in:"] + [
        f"  {name}: {a} -> {b}" for name, a, b in comparison.differs
    ]


def _row(comparison: Comparison, line: MetricComparison, first: bool) -> tuple[str, ...]:
    base, other = (result.metrics[line.name] for result in (comparison.base, comparison.other))
    head = comparison.other.task.name if first else ""
    share = _percent(comparison.changed_share) if first else ""
    kl = _number(comparison.first_token_kl, 4) if first else ""
    paired = line.paired
    n = count(other.n, paired.clusters if paired else other.clusters) if first else ""
    middle: tuple[str, ...]
    if paired is None:
        middle = (comparison.other.status, NONE, NONE, n, NONE, NONE, share, kl, NONE)
    else:
        adjusted = printed_p(line.holm, paired) if line.main else ""
        middle = (
            _signed(paired.difference, base.unit),
            _interval(paired.low, paired.high, base.unit, signed=True),
            adjusted,
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
