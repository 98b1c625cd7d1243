"""``headbench heads``: head maps, one score a head."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headbench.errors import ConfigError

if TYPE_CHECKING:
    from headbench.heads.headmap import HeadMap

heads = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find, import and show head maps.",
)


class Form(StrEnum):
    """Forms in which papers release head lists."""

    AUTO = "auto"
    RETRIEVAL_HEAD = "retrieval_head"
    DUO = "duo"
    ROWS = "rows"
    PER_LAYER = "per_layer"
    HEADBENCH = "headbench"


@heads.callback()
def _group() -> None:
    """Keep the verb a group, whatever the number of its commands."""


@heads.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A released head list.")],
    form: Annotated[Form, typer.Option("--format", help="The form it is in.")] = Form.AUTO,
    threshold: Annotated[
        float | None, typer.Option(help="Score from which a head counts; else the form's own.")
    ] = None,
    shape: Annotated[
        str, typer.Option(help="LAYERSxHEADS of the model, where the file lists chosen heads only.")
    ] = "",
    top: Annotated[int, typer.Option(min=1, help="How many of the best heads to print.")] = 10,
    out: Annotated[
        Path | None, typer.Option(help="Also write the map in headbench's form.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read a released head list; say how many heads it detects, and which are the best."""
    from headbench.heads.formats import import_heads

    found = import_heads(file, form.value, shape=_shape(shape), threshold=threshold)
    if out is not None:
        found.save(out)
    facts = summary(found, top)
    if as_json:
        import json

        typer.echo(json.dumps(facts, indent=2, allow_nan=False))
        return
    show(found, facts)


def summary(found: HeadMap, top: int) -> dict[str, object]:
    """The counts and the best heads of a map, as JSON values."""
    total = found.layers * found.heads
    best = [
        {"layer": layer, "head": head, "score": found.score(layer, head)}
        for layer, head in found.top(min(top, total))
    ]
    return {
        "model": found.model,
        "detector": found.detector,
        "layers": found.layers,
        "heads": found.heads,
        "unit": found.unit,
        "n_heads": total,
        "threshold": found.threshold,
        "above": None if found.threshold is None else len(found.above()),
        "trials": found.trials,
        "top": best,
        "sha256": found.sha256,
    }


def show(found: HeadMap, facts: dict[str, object]) -> None:
    """Print a map's counts, and its best heads as a table."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    typer.echo(
        f"{found.model}: {found.layers} layers x {found.heads} {found.unit} heads, {found.detector}"
    )
    if facts["above"] is not None:
        above, total = len(found.above()), found.layers * found.heads
        typer.echo(
            f"{above} of {total} heads ({above / total:.2%}) score {found.threshold} or more"
        )
    table = Table(box=box.SIMPLE, pad_edge=False)
    for column in ("layer", "head", "score"):
        table.add_column(column, justify="right")
    best = facts["top"]
    for row in best if isinstance(best, list) else ():
        table.add_row(str(row["layer"]), str(row["head"]), f"{row['score']:.4f}")
    Console().print(table)


def _shape(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    layers, _, width = text.lower().partition("x")
    if not (layers.isdecimal() and width.isdecimal() and int(layers) and int(width)):
        raise ConfigError(
            f"{text!r} is no shape", where="--shape", mend="write it as LAYERSxHEADS, e.g. 32x32"
        )
    return int(layers), int(width)
