"""``headbench compare``: two results over the same documents."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from headbench.results.comparison import Comparison


def compare(
    first: Annotated[Path, typer.Argument(metavar="A.json", help="Usually the baseline.")],
    second: Annotated[Path, typer.Argument(metavar="B.json", help="Usually an intervention.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two results, document by document, and say in what the runs differ."""
    from headbench.results.comparison import compare_files

    found = compare_files(first, second)
    if as_json:
        import json

        typer.echo(json.dumps(document(found), indent=2, allow_nan=False))
        return
    from rich.console import Console

    from headbench.results.comparison_table import differs_lines, print_comparisons

    names = (found.base.arm.name, found.other.arm.name)
    base, other = names if names[0] != names[1] else ("A", "B")  # the same condition of two logs
    print_comparisons([found], Console(), other, base)
    typer.echo("one pair was compared: p is not adjusted")
    if found.first_token_kl is None and found.other.diagnostics is not None:
        typer.echo("KL: not stored for this pair; a result holds it against its own baseline only")
    for line in (*differs_lines(found, (first, second)), *found.unchecked):
        typer.echo(line)


def document(found: Comparison) -> dict[str, object]:
    """The comparison as JSON values; what is undefined is null."""
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
