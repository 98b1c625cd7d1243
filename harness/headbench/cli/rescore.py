"""``headbench rescore``: figures of recorded outputs; no model is needed.

Which tasks can be rescored, and which options each of them reads, is what the families bring
(:class:`headbench.results.rescorer.Rescorer`). A family that comes with ``--include`` must be known
before its options can be parsed, therefore :class:`RescoreCommand` looks for that option first.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer
from typer.core import TyperCommand

from headbench import _extensions
from headbench.cli.command_style import styled
from headbench.cli.printing import say, show_table
from headbench.cli.run import split_names
from headbench.errors import ConfigError, nearest
from headbench.results.rescorer import RescoreOptions, Rescorer
from headbench.scoring import family

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from headbench.results.rescored import Rescored


class RescoreCommand(TyperCommand):
    """Stands for the verb until its arguments are there, because they decide its options."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Hand over to the command with the options of every known family."""
        _extensions.include([Path(value) for value in values_of("--include", args)])
        verb = typer.Typer(add_completion=False, rich_markup_mode=None)
        verb.command("rescore")(with_family_options())
        command = styled(typer.main.get_command(verb), "rescore")
        return command.make_context(info_name, args, parent, **extra)


def with_family_options() -> Callable[..., None]:
    """The verb's function as Typer reads it: its own options, then those of the families."""
    own = inspect.signature(rescore_outputs, eval_str=True).parameters
    shared = [one for name, one in own.items() if name not in ("given", "task")]
    task = own["task"].replace(
        annotation=Annotated[
            str, typer.Option(help=f"What was recorded: {', '.join(rescorers())}.")
        ]
    )
    options = family_options(taken=own)

    def rescore(**values: Any) -> None:
        given = {key: _texts(values.pop(key)) for key in options}
        rescore_outputs(given={key: texts for key, texts in given.items() if texts}, **values)

    rescore.__doc__ = rescore_outputs.__doc__
    rescore.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [task, *shared, *options.values()]
    )
    return rescore


def values_of(option: str, args: Sequence[str]) -> Iterator[str]:
    """Every value of an option on a command line that was not parsed yet."""
    for at, word in enumerate(args):
        if word == option and at + 1 < len(args):
            yield args[at + 1]
        elif word.startswith(f"{option}="):
            yield word.partition("=")[2]


def rescorers() -> Mapping[str, Rescorer]:
    """What can be rescored, by the name that ``--task`` takes."""
    found: dict[str, Rescorer] = {}
    for name in sorted(family.names("rescorers")):
        one = family.load("rescorers", name)
        if not isinstance(one, Rescorer):
            raise ConfigError(
                f"the rescorer {name!r} is a {type(one).__name__}",
                where=family.place_of("rescorers", name),
                hint="let it be an instance of headbench.results.rescorer.Rescorer",
            )
        found[name] = one
    return found


def family_options(taken: Iterable[str]) -> dict[str, inspect.Parameter]:
    """The options of all rescorers by field; one of the same name in several families is one.

    Each is kept as the texts that were given, because only the family knows what they mean.

    Args:
        taken: Names of the command's own parameters.

    Raises:
        ConfigError: A family's option has the name of one of the command's own.
    """
    metavars: dict[str, str] = {}
    flags: dict[str, bool] = {}
    readers: dict[str, dict[str, list[str]]] = {}
    for name, rescorer in rescorers().items():
        for key, info in rescorer.options.model_fields.items():
            if key in taken:
                raise ConfigError(
                    f"{_option(key)} is an option of every task",
                    where=family.place_of("rescorers", name),
                    hint="call the field of its options something else",
                )
            flag = info.annotation is bool
            if flags.setdefault(key, flag) != flag:
                raise ConfigError(
                    f"{_option(key)} takes a value in one family and none in another",
                    where=family.place_of("rescorers", name),
                    hint="call the field of its options something else",
                )
            metavars.setdefault(key, _metavar(info))
            readers.setdefault(key, {}).setdefault(info.description or "", []).append(name)
    found: dict[str, inspect.Parameter] = {}
    for key, said in readers.items():
        told = " ".join(f"{', '.join(names)}: {text}" for text, names in said.items())
        kept: Any = (
            Annotated[bool, typer.Option(_option(key), help=told)]
            if flags[key]
            else Annotated[list[str] | None, typer.Option(metavar=metavars[key], help=told)]
        )
        found[key] = inspect.Parameter(
            key,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if flags[key] else None,
            annotation=kept,
        )
    return found


def _texts(value: bool | list[str] | None) -> tuple[str, ...]:
    """The texts that were given for an option; a flag that was given is ``true``."""
    return ("true",) if value is True else tuple(value or ())


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _metavar(info: FieldInfo) -> str:
    """``FILE`` for paths, ``TEXT`` for all else; the family checks the value."""
    annotation = info.annotation
    several = get_args(annotation) if get_origin(annotation) in (tuple, UnionType) else ()
    return "FILE" if Path in (annotation, *several) else "TEXT"


def rescore_outputs(
    *,
    given: Mapping[str, Sequence[str]],
    task: str,
    predictions: Annotated[
        str,
        typer.Option(help="Recorded outputs: a file, or a folder of JSON files.", metavar="FILE"),
    ],
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
    name: Annotated[
        str, typer.Option(help="The model's name; default: the name of the file.")
    ] = "",
    origin: Annotated[str, typer.Option(help="Source of the outputs; stored in the result.")] = "",
    include: Annotated[
        list[Path] | None, typer.Option(help="File or folder of your own families; repeat it.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Also write the result and its records, without texts, to this folder."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result document.")] = False,
) -> None:
    """Score recorded outputs; no model is needed."""
    from headbench.results.fields import Fields
    from headbench.results.rescorer import LogReading
    from headbench.scoring.thoughts import CLOSED, marks_of

    known = rescorers()
    if task not in known:
        raise ConfigError(
            f"nothing called {task!r} can be rescored",
            where="--task",
            hint=f"{nearest(task, known)}; known are {', '.join(known)}",
        )
    marks = marks_of(split_names(reasoning_marks) or (CLOSED,))
    reading = LogReading(Fields.parse(field or []), marks)
    options = options_of(task, known, given)
    found = known[task].score(Path(predictions), options, reading).named(name, origin)
    written = found.write(out) if out else None
    if found.unusable:
        say(found.unusable, err=True)
    if as_json:
        import json

        say(json.dumps(found.document(), indent=2, allow_nan=False))
    else:
        show(found)
    if written and not as_json:
        say(f"wrote {written}")
    if found.unusable:
        raise typer.Exit(1)


def options_of(
    task: str, known: Mapping[str, Rescorer], given: Mapping[str, Sequence[str]]
) -> RescoreOptions:
    """The options of a task, checked.

    Args:
        task: Name of its rescorer.
        known: All rescorers.
        given: Field -> the texts that were given for it.

    Raises:
        ConfigError: An option was given that the task does not read, one is missing, is given twice
            or has a wrong value.
    """
    from pydantic import ValidationError

    form = known[task].options
    values: dict[str, object] = {}
    for key, texts in given.items():
        option = _option(key)
        if key not in form.model_fields:
            others = [name for name, one in known.items() if key in one.options.model_fields]
            raise ConfigError(
                f"--task {task} does not read {option}",
                where=option,
                hint=f"leave it out, or take --task {' or '.join(others)}",
            )
        several = get_origin(form.model_fields[key].annotation) is tuple
        if len(texts) > 1 and not several:
            raise ConfigError(f"{option} is given twice", where=f"--task {task}")
        values[key] = tuple(texts) if several else texts[0]
    for key, info in form.model_fields.items():
        option = _option(key)
        if info.is_required() and key not in values:
            raise ConfigError(
                f"--task {task} needs {option}",
                where="headbench rescore",
                hint=f"give {option} {_metavar(info)}",
            )
    try:
        return form.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        raise ConfigError(
            f"{_option(str(fault['loc'][0]))}: {fault['msg']}",
            where=f"headbench rescore --task {task}",
            hint="headbench rescore --help lists the options of each task",
        ) from None


def show(found: Rescored) -> None:
    """Print the figures as a table, and what a reader must know below it."""
    from headbench.results.comparison_notes import count, result_notes
    from headbench.results.fields import FILES

    result = found.result
    title = f"{result.task.name} of {result.model.name}: {result.task.scorer}, {result.task.parser}"
    rows = []
    for name, one in result.metrics.items():
        value = "n/a" if one.value is None else one.value
        shown = value if isinstance(value, str | int) else f"{value:.4f}"
        ends = "" if one.low is None or one.high is None else f"{one.low:.4f} .. {one.high:.4f}"
        rows.append((name, str(shown), ends))
    columns = ("metric", "value", "interval")
    show_table(
        [("metric", "left"), ("value", "right"), ("interval", "right")],
        rows,
        title=title,
        whole=columns,
    )
    for part, split in result.breakdowns.items() if found.shows_split else ():
        show_table(
            [(part, "left"), *((value, "right") for value in split)],
            [
                (
                    name,
                    *(
                        "n/a" if (one := split[value][name]).value is None else f"{one.value:.4f}"
                        for value in split
                    ),
                )
                for name in result.metrics
                if all(name in figures for figures in split.values())
            ],
            title=f"by {part}",
            whole=(part, *split),
        )
    clusters = max((one.clusters or 0 for one in result.metrics.values()), default=0)
    if clusters:
        say(f"documents (clusters): {count(result.coverage.answered, clusters)}")
    for note in result_notes([result]):
        say(note)
    if result.task.profile:
        say(f"lexical profile: {result.task.profile}")
    for role in FILES:
        if result.source.get(f"{role}.fields"):
            say(f"{role} read: {result.source[f'{role}.fields']}")
    if "joined by" in result.source:
        say(f"joined by: {result.source['joined by']}")
    for note in found.notes:
        say(note)
    from headbench.results.reasoning import reasoning_lines

    for line in reasoning_lines(result):
        say(line)
    if result.headline is None:
        why = result.reason or result.source.get("no_headline", "")
        say(f"no headline: {why}")


rescore = typer.Typer(add_completion=False)


@rescore.command(cls=RescoreCommand)
def _stand_in() -> None:
    """Score recorded outputs; no model is needed."""
