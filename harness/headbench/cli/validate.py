"""``headbench validate``: check task files by rendering their documents."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headbench.cli.printing import say

if TYPE_CHECKING:
    from headbench.tasks.check import Report


def validate(
    targets: Annotated[
        list[str] | None,
        typer.Argument(help="Tasks, groups, YAML files or folders; all tasks if left out."),
    ] = None,
    include: Annotated[
        list[Path] | None, typer.Option(help="File or folder of your own extensions; repeat it.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Documents to render per task.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check task files by rendering their documents; every error is listed, exit status 1."""
    from headbench import _extensions
    from headbench.tasks.check import check

    _extensions.include(include or [])
    reports = check(targets or [], include or [], limit)
    if as_json:
        import json

        say(json.dumps([_plain(report) for report in reports], indent=2))
    else:
        for report in reports:
            _print(report)
    wrong = sum(len(report.problems) for report in reports)
    if wrong:
        say(f"{wrong} error{'s' * (wrong != 1)} in {len(reports)} file(s)", err=True)
        raise typer.Exit(1)


def _print(report: Report) -> None:
    if report.problems:
        say(f"wrong   {report.name or report.path}")
        for problem in report.problems:
            say("  " + str(problem).replace("\n", "\n  "))
    elif report.absent:
        say(f"no data {report.name}: {report.absent}")
    elif report.documents:
        counts = f"{report.documents} documents, {report.requests} requests rendered"
        say(f"ok      {report.name}: {counts}")
    else:
        say(f"ok      {report.name} (group)")
    for line in report.survey.lines() if report.survey else ():
        say(f"        {line}")


def _plain(report: Report) -> dict[str, object]:
    return {
        "name": report.name,
        "file": str(report.path),
        "documents": report.documents,
        "requests": report.requests,
        "absent": report.absent,
        "data": asdict(report.survey) if report.survey else None,
        "problems": [{"what": p.what, "where": p.where, "hint": p.hint} for p in report.problems],
    }
