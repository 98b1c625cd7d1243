"""``headbench ls``: list tasks, families, interventions, models, metrics or detectors."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated

import typer

from headbench.cli.printing import say
from headbench.errors import HeadbenchError

Rows = list[dict[str, str]]
BRIEF = ("version", "tags", "files", "data sources", "scorers")
"""Columns of ``--json`` alone."""
LEAST = 40
"""Columns that a summary needs beside its entry; with fewer it goes below."""


class Kind(StrEnum):
    """What can be listed."""

    TASKS = "tasks"
    INTERVENTIONS = "interventions"
    MODELS = "models"
    METRICS = "metrics"
    FAMILIES = "families"
    DETECTORS = "detectors"


def ls(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    pattern: Annotated[
        str, typer.Argument(help="Only names that contain this text, or match * and ?.")
    ] = "",
    include: Annotated[
        list[Path] | None, typer.Option(help="File or folder of your own extensions; repeat it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List tasks, families, interventions, models, metrics or detectors."""
    from headbench import _extensions

    _extensions.include(include or [])
    rows = {
        Kind.TASKS: lambda: _tasks(include or []),
        Kind.INTERVENTIONS: _interventions,
        Kind.MODELS: _models,
        Kind.METRICS: _metrics,
        Kind.FAMILIES: _families,
        Kind.DETECTORS: _detectors,
    }[kind]()
    wild = any(sign in pattern for sign in "*?[")
    wanted = pattern if wild else f"*{pattern}*"
    rows = [row for row in rows if fnmatch(row["name"], wanted)]
    if as_json:
        import json

        say(json.dumps(rows, indent=2))
    elif rows:
        _print(rows)
    else:
        say(f"no {kind.value} match {pattern!r}", err=True)


def _print(rows: Rows) -> None:
    """One line per entry where the width allows it; a long summary goes on below itself.

    Columns that are empty in every row are left out; ``--json`` has them.
    """
    from rich.console import Console

    from headbench.results.block_text import wrapped
    from headbench.results.comparison_table import columns, print_line
    from headbench.results.markup import visible

    console = Console()
    names = [name for name in rows[0] if name not in BRIEF and any(row[name] for row in rows)]
    last = "summary" if "summary" in names else names[-1]
    names.sort(key=lambda name: name == last)  # what is long stands last
    cells = [[visible(row[name]) for name in names] for row in rows]
    for shown, entry in zip(cells, rows, strict=True):
        if entry.get("files"):
            shown[-1] += f" Your files: {visible(entry['files'])}."
    sizes = [max(map(len, column)) for column in zip(*cells, strict=True)]
    width = columns(console)
    indent = sum(sizes[:-1]) + 2 * len(sizes[:-1])
    below = width - indent < LEAST
    for row in cells:
        head = "".join(f"{cell:<{size}}  " for cell, size in zip(row[:-1], sizes, strict=False))
        told = wrapped(row[-1], width - (4 if below else indent)) or [""]
        if below:
            print_line(console, head.rstrip())
        else:
            print_line(console, (head + told.pop(0)).rstrip())
        for line in told:
            print_line(console, " " * (4 if below else indent) + line.strip())


def _tasks(include: list[Path]) -> Rows:
    from headbench.tasks.index import build_index

    index = build_index(include)
    _say(index.problems)
    return [
        {
            "name": name,
            "kind": entry.kind,
            "version": entry.version,
            "images": "image" if entry.needs_images else "text",
            "tags": ", ".join(entry.tags),
            "files": ", ".join(entry.files),
            "summary": entry.summary or ", ".join(entry.members),
        }
        for name, entry in sorted(index.entries.items())
    ]


def _say(problems: Iterable[HeadbenchError]) -> None:
    """What is left out of a list, and why."""
    for problem in problems:
        say(f"not usable: {problem}", err=True)


def _interventions() -> Rows:
    from headbench.interventions.method_catalogue import METHODS

    found, problems = METHODS.everything()
    _say(problems)
    return [
        {
            "name": method.name,
            "summary": method.summary,
            "needs": ", ".join(sorted(method.needs)),
            "source": method.source,
        }
        for method in (one.thing for one in found.values())
    ]


def _models() -> Rows:
    from headbench.models.adapter_catalogue import ADAPTERS, summaries

    _say(ADAPTERS.problems())
    return [{"name": name, "summary": line} for name, line in summaries().items()]


def _metrics() -> Rows:
    from headbench.scoring import lookup

    better = {True: "higher", False: "lower", None: ""}
    found, problems = lookup.CATALOGUES["metric"].everything()
    _say(problems)
    return [
        {"name": name, "unit": metric.unit, "better": better[metric.higher_is_better]}
        for name, metric in ((name, one.thing) for name, one in found.items())
    ]


def _families() -> Rows:
    from headbench.scoring import family

    _say(family.problems())
    return [
        {
            "name": name,
            "summary": one.family.summary,
            "data sources": ", ".join([*one.family.sources, *one.family.worlds]),
            "scorers": ", ".join(name for name in one.family.scorers if "@" not in name),
            "from": "" if one.place.startswith("headbench.") else one.place,
        }
        for name, one in sorted(family.known().items())
    ]


def _detectors() -> Rows:
    from headbench.detectors.detector_catalogue import DETECTORS, rows

    _say(DETECTORS.problems())
    return rows()
