"""``headbench compare``: two results, or many, over the same documents."""

from __future__ import annotations

import dataclasses
import json
import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headbench.cli.printing import say

if TYPE_CHECKING:
    from rich.console import Console

    from headbench.results.compare_many import ManyComparisons
    from headbench.results.comparison import Comparison

MOST_FACTS = 6
"""Facts in which runs differ that one line names; more are counted."""


class Format(StrEnum):
    """How comparisons are printed."""

    TABLE = "table"
    MARKDOWN = "markdown"
    CSV = "csv"
    LATEX = "latex"
    JSON = "json"


def compare(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT",
            help="Result files or folders; the first is the baseline. One folder: each "
            "intervention against the baseline of its run.",
        ),
    ],
    form: Annotated[
        Format,
        typer.Option("--format", help="How to print it; csv and json hold all digits."),
    ] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    show_all: Annotated[
        bool, typer.Option("--all", help="Also print further metrics, KL and detectable sizes.")
    ] = False,
    include: Annotated[
        list[Path] | None, typer.Option(help="File or folder of your own extensions; repeat it.")
    ] = None,
) -> None:
    """Compare results, document by document, and say in what the runs differ."""
    from headbench import _extensions
    from headbench.results.compare_many import compare_many

    _extensions.include(include or [])
    found = compare_many(results)
    form = Format.JSON if as_json else form
    if form is Format.TABLE:
        _print(found, full=show_all)
        return
    if form is Format.JSON:
        say(json.dumps(_json(found), indent=2, allow_nan=False))
        return
    from headbench.results.markup import visible

    say(text(found, form), nl=False)
    for line in _remarks(found):  # apart from the table, which may go into a file
        say(visible(line), err=True)


def text(found: ManyComparisons, form: Format) -> str:
    """The comparisons as Markdown, LaTeX or CSV."""
    from headbench.results.frame import COLUMNS
    from headbench.results.markup import csv_text, latex, markdown

    if form is Format.CSV:
        return csv_text(list(COLUMNS), [list(row.values()) for row in found.rows()])
    return (latex if form is Format.LATEX else markdown)(*_table(found))


def document(found: Comparison) -> dict[str, object]:
    """One comparison as JSON values; what is undefined is null."""
    return {
        "task": found.other.task.name,
        "a": found.base.id,
        "b": found.other.id,
        "status": found.other.status,
        "changed_share": found.changed_share,
        "first_token_kl": found.first_token_kl,
        "neutral": [dataclasses.asdict(change) for change in found.neutral],
        "family": found.family,
        "metrics": {
            line.name: None
            if line.paired is None
            else {
                key: None if isinstance(value, float) and math.isnan(value) else value
                for key, value in dataclasses.asdict(line.paired).items()
                if key != "changes"
            }
            for line in found.lines
        },
        "differs": {name: [one, two] for name, one, two in found.differs},
        "unchecked": list(found.unchecked),
    }


def _json(found: ManyComparisons) -> dict[str, object]:
    """Two results as one document; many as a list of rows, in which nothing is rounded."""
    if found.is_two_files:
        return document(found.pairs[0].comparison)
    return {
        "baseline": found.baseline,
        "family": found.comparisons[0].family,
        "rows": list(found.rows()),
        "unchecked": list(_unchecked(found)),
        "left_out": [{"file": str(one.path), "reason": one.reason} for one in found.left_out],
    }


def _unchecked(found: ManyComparisons) -> list[str]:
    """Figures that cannot be computed again here, e.g. of a package that is not installed."""
    return list(dict.fromkeys(line for one in found.comparisons for line in one.unchecked))


def _table(found: ManyComparisons) -> tuple[list[str], list[list[str]]]:
    """Headings and rows; with several files or folders, the letter of each row's."""
    from headbench.results.comparison_table import flat_header, flat_rows

    header, rows = flat_header(found.comparisons), flat_rows(found.comparisons)
    if len(found.paths) == 1:
        return header, rows
    labels = [pair.label for pair in found.pairs for _ in pair.comparison.lines]
    return ["result", *header], [[label, *row] for label, row in zip(labels, rows, strict=True)]


def _print(found: ManyComparisons, *, full: bool) -> None:
    """Blocks for a terminal, and what they cannot hold."""
    from rich.console import Console

    from headbench.results.comparison_table import print_conditions, print_notes

    console = Console()
    if found.is_two_files:
        _print_two(found, console, full=full)
        return
    labels = [pair.label for pair in found.pairs]
    base = "" if len(found.paths) == 1 else "A"
    print_conditions(found.comparisons, console, labels, base=base, full=full)
    print_notes(_remarks(found), console)


def _print_two(found: ManyComparisons, console: Console, *, full: bool) -> None:
    from headbench.results.comparison_table import (
        differs_lines,
        print_conditions,
        print_notes,
    )

    (pair,) = found.pairs
    comparison, (first, second) = pair.comparison, found.paths
    print_conditions([comparison], console, ["B"], base=f"A {comparison.base.arm.name}", full=full)
    told = ["one pair was compared: p is not adjusted"]
    if full and comparison.first_token_kl is None and comparison.other.diagnostics is not None:
        told.append("KL: not stored for this pair; a result holds it against its own baseline only")
    print_notes(told, console)
    print_notes([*differs_lines(comparison, (first, second)), *comparison.unchecked], console)


def _remarks(found: ManyComparisons) -> list[str]:
    """Which is the baseline, what the letters are, in what runs differ, and what is left out."""
    lines = [f"baseline: {found.baseline}"]
    for number, path in enumerate(found.paths[1:], start=1):
        lines.append(f"{found.letter(number)} = {path}")
    for pair in found.pairs:
        if pair.label:
            names = [name for name, _, _ in pair.comparison.differs]
            more = f" and {len(names) - MOST_FACTS} more" if len(names) > MOST_FACTS else ""
            told = f"{', '.join(names[:MOST_FACTS])}{more}" if names else "nothing but its answers"
            result = pair.other.result
            lines.append(f"{pair.label} {result.task.name} {result.arm.name} differs in: {told}")
    lines += [
        f"{one.other.task.name} {one.other.arm.name}: {one.other.status}: {one.other.reason}"
        for one in found.comparisons
        if one.other.status != "ok"
    ]
    lines += [
        f"{c.other.task.name} {c.other.arm.name}: {c.note}" for c in found.comparisons if c.note
    ]
    lines += _unchecked(found)
    lines += [f"left out: {one.path}: {one.reason}" for one in found.left_out]
    return lines
