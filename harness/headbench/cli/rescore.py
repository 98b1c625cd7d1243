"""``headbench rescore``: figures of recorded outputs; no model is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from headbench.cli.run import split_names
from headbench.errors import ConfigError

if TYPE_CHECKING:
    from headbench.results.joins import Vouched
    from headbench.results.rescored import Rescored

_Given = TypeVar("_Given", Path, list[Path])


class Join(StrEnum):
    """By what a user says that rows belong together."""

    ID = "id"
    ORDER = "order"


class Family(StrEnum):
    """What can be rescored."""

    CHAIR = "chair"
    POPE = "pope"
    WALLS = "walls"
    NIAH = "niah"


DEFAULT_PROFILE = "chair-2018"


def rescore(
    task: Annotated[Family, typer.Option(help="Which family of scorers.")],
    predictions: Annotated[
        str, typer.Option(help="Outputs: a file, a folder of JSON files, or human (walls only).")
    ],
    ground_truth: Annotated[
        list[Path] | None,
        typer.Option(help="chair: {image: [object, ...]}, or COCO's instances and captions files."),
    ] = None,
    questions: Annotated[Path | None, typer.Option(help="pope: the labelled questions.")] = None,
    walls: Annotated[Path | None, typer.Option(help="walls: the solved walls.")] = None,
    profile: Annotated[
        str, typer.Option(help="chair: chair-2018 (as in papers) or chair-clean.")
    ] = DEFAULT_PROFILE,
    parser: Annotated[
        str, typer.Option(help="How answers are read: pope_ref, walls_ref (as in papers), ...")
    ] = "",
    phrases: Annotated[
        list[str] | None,
        typer.Option(
            help="niah: what a response must hold; may be repeated. Else the rows' needle."
        ),
    ] = None,
    reasoning_marks: Annotated[
        str,
        typer.Option(
            help="Thoughts cut before reading: closed (default), none, or names, with commas."
        ),
    ] = "closed",
    field: Annotated[
        list[str] | None,
        typer.Option(
            help="A field, e.g. caption=text, answer=resps[0][0], questions.label=gold; repeatable."
        ),
    ] = None,
    join: Annotated[
        Join | None,
        typer.Option(help="pope, walls: you say that rows belong together by id, or by order."),
    ] = None,
    name: Annotated[str, typer.Option(help="Who answered; else the name of the file.")] = "",
    origin: Annotated[str, typer.Option(help="Where the outputs were found, for the record.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="Also write result and records below this folder, no text.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result document.")] = False,
) -> None:
    """Score recorded outputs; no model is needed."""
    from headbench.families.chair.rescore_chair import rescore_chair
    from headbench.families.needles.rescore_needles import rescore_niah
    from headbench.families.pope.rescore_pope import rescore_pope
    from headbench.families.walls.rescore_walls import HUMANS, rescore_walls
    from headbench.results.fields import Fields
    from headbench.scoring.thoughts import CLOSED, marks_of

    marks = marks_of(split_names(reasoning_marks) or (CLOSED,))
    people = predictions == HUMANS and task is Family.WALLS
    fields = Fields.parse(field or [])
    vouched: Vouched | None = None if join is None else "id" if join is Join.ID else "order"
    _refuse_others(
        task,
        {
            "--ground-truth": (bool(ground_truth), (Family.CHAIR,)),
            "--profile": (profile != DEFAULT_PROFILE, (Family.CHAIR,)),
            "--questions": (questions is not None, (Family.POPE,)),
            "--walls": (walls is not None, (Family.WALLS,)),
            "--parser": (bool(parser), () if people else (Family.POPE, Family.WALLS)),
            "--join": (join is not None, () if people else (Family.POPE, Family.WALLS)),
            "--phrases": (bool(phrases), (Family.NIAH,)),
        },
    )
    file = Path(predictions)
    work: dict[Family, Callable[[], Rescored]] = {
        Family.CHAIR: lambda: rescore_chair(
            file, needed(ground_truth, "--ground-truth", task), profile, fields, marks=marks
        ),
        Family.POPE: lambda: rescore_pope(
            file,
            needed(questions, "--questions", task),
            parser or "pope_ref",
            fields,
            marks=marks,
            join=vouched,
        ),
        Family.WALLS: lambda: rescore_walls(
            None if people else file,
            needed(walls, "--walls", task),
            parser or "walls_ref",
            fields,
            marks=marks,
            join=vouched,
        ),
        Family.NIAH: lambda: rescore_niah(file, fields, phrases=phrases or (), marks=marks),
    }
    found = work[task]().named(name, origin)
    written = found.write(out) if out else None
    if as_json:
        import json

        typer.echo(json.dumps(found.document(), indent=2, ensure_ascii=False, allow_nan=False))
        return
    show(found)
    if written:
        typer.echo(f"written: {written}")


def _refuse_others(task: Family, options: Mapping[str, tuple[bool, tuple[Family, ...]]]) -> None:
    """Refuse options that the family does not read.

    Args:
        task: The family.
        options: Option -> whether it was given, and which families read it.

    Raises:
        ConfigError: An option was given that would change nothing.
    """
    for option, (given, families) in options.items():
        if given and task not in families:
            read = " or ".join(family.value for family in families)
            raise ConfigError(
                f"--task {task.value} does not read {option}"
                + ("" if read else " for what people did"),
                where=option,
                hint="leave it out" + (f", or take --task {read}" if read else ""),
            )


def needed(value: _Given | None, option: str, task: Family) -> _Given:
    """An option that this family cannot do without."""
    if not value:
        raise ConfigError(
            f"--task {task.value} needs {option}",
            where="headbench rescore",
            hint=f"give {option} FILE",
        )
    return value


def show(found: Rescored) -> None:
    """Print the figures as a table, and what a reader must know below it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from headbench.results.comparison_notes import count, result_notes
    from headbench.results.fields import FILES

    result = found.result
    title = f"{result.task.name} of {result.model.name}: {result.task.scorer}, {result.task.parser}"
    table = Table(box=box.SIMPLE, pad_edge=False, title=title, title_justify="left")
    for column in ("metric", "value", "interval"):
        table.add_column(column, justify="left" if column == "metric" else "right", no_wrap=True)
    for name, one in result.metrics.items():
        value = "n/a" if one.value is None else one.value
        shown = value if isinstance(value, str | int) else f"{value:.4f}"
        ends = "" if one.low is None or one.high is None else f"{one.low:.4f} .. {one.high:.4f}"
        table.add_row(name, str(shown), ends)
    Console().print(table)
    clusters = max((one.clusters or 0 for one in result.metrics.values()), default=0)
    if clusters:
        typer.echo(f"documents (clusters): {count(result.coverage.answered, clusters)}")
    for note in result_notes([result]):
        typer.echo(note)
    if result.task.profile:
        typer.echo(f"lexical profile: {result.task.profile}")
    for role in FILES:
        if result.source.get(f"{role}.fields"):
            typer.echo(f"{role} read: {result.source[f'{role}.fields']}")
    if "joined by" in result.source:
        typer.echo(f"joined by: {result.source['joined by']}")
    if "connections" in result.source:
        typer.echo(f"connections: {result.source['connections']}")
    from headbench.results.reasoning import reasoning_lines

    for line in reasoning_lines(result):
        typer.echo(line)
    if "sought" in result.source:
        typer.echo(f"sought: {result.source['sought']} ({result.source['sought by']})")
    if result.headline is None:
        why = result.reason or result.source.get("no_headline", "")
        typer.echo(f"no headline: {why}")
