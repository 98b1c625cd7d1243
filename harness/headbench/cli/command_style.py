"""One style for the help of all verbs, what the shell completes, and how a wrong word is answered.

Verbs declare their options and what these mean; how a value is called in the help, the examples and
the names that a shell completes are here, so that they are the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import typer

from headbench.errors import ConfigError, nearest

EXAMPLES = Path(__file__).parent / "examples.txt"
"""What the help of each command ends with: data, as this package names no family of tasks."""

VALUES: Mapping[str, str] = {
    "tasks": "NAMES",
    "task_args": "NAME=VALUE,...",
    "intervention": "METHOD(...)",
    "model": "NAME",
    "model_args": "KEY=VALUE,...",
    "template_arg": "KEY=VALUE",
    "parameter": "NAME=VALUE",
    "heads": "CHOICE",
    "layers": "N,N,...",
    "gen_kwargs": "KEY=VALUE,...",
    "control_heads": "KIND",
    "control_match": "KIND",
    "controls": "N|all",
    "batch_size": "N|auto",
    "limit": "N",
    "detector": "NAME",
    "field": "ROLE=FIELD",
    "shape": "LAYERSxHEADS",
    "form": "FORM",
}
"""Parameter -> how its value is called, where its type says too little."""

_TYPES = (
    (re.compile(r"<(list\[)?str\]?>"), "TEXT"),
    (re.compile(r"<(list\[)?int( range)?\]?>"), "N"),
    (re.compile(r"<(list\[)?float( range)?\]?>"), "NUMBER"),
    (re.compile(r"<(list\[)?path\]?>", re.IGNORECASE), "PATH"),
)
"""How Typer shows a type -> how this help does."""


@cache
def examples() -> Mapping[str, tuple[str, ...]]:
    """Command -> command lines, as :data:`EXAMPLES` lists them."""
    found: dict[str, tuple[str, ...]] = {}
    path = ""
    for line in EXAMPLES.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            path = line.strip("[]")
        elif line.startswith("headbench "):
            found[path] = (*found.get(path, ()), line)
    return found


def styled(command: Any, path: str) -> Any:
    """Give a command, and the commands of a group, their value names, examples and completions.

    Args:
        command: A command as Typer made it; it is changed.
        path: Its name behind ``headbench``, e.g. ``heads detect``.
    """
    for parameter in command.params:
        _name_value(parameter)
        if parameter.name in COMPLETED:
            _complete(parameter, COMPLETED[parameter.name])
        elif (path, parameter.name) == ("show", "name"):
            _complete(parameter, _what_is_shown)
    if path in examples():
        command.epilog = "\b\nExamples:\n" + "\n".join(f"  {one}" for one in examples()[path])
    for name, inner in getattr(command, "commands", {}).items():
        styled(inner, f"{path} {name}")
    return command


def _name_value(parameter: Any) -> None:
    """Call a value by a word in capitals, unless the verb does; a choice names its values."""
    shown = _shown_type(parameter)
    argument = parameter.param_type_name == "argument"
    if "|" in shown:
        values = ", ".join(shown.strip("<>").split("|"))
        parameter.help = f"{parameter.help} One of {values}."
    if argument:
        parameter.metavar = (parameter.metavar or parameter.name).upper()
        parameter.display_type_rich = lambda *_, **__: None  # the help says it in words
    elif parameter.metavar is None and not getattr(parameter, "is_flag", False):
        typed = (word for pattern, word in _TYPES if pattern.fullmatch(shown))
        parameter.metavar = VALUES.get(parameter.name) or next(typed, "WORD")


def _shown_type(parameter: Any) -> str:
    """How Typer would show the type of an option, e.g. ``<int range>``."""
    context = typer.Context(typer.core.TyperCommand("help"))
    record = parameter.get_help_record(context)  # none for a hidden option
    shown = record[0].partition(" <")[2] if record else ""
    return f"<{shown}" if shown else ""


# ------------------------------------------------------------------ completion


@dataclass(frozen=True)
class Completion:
    """One word that a shell may put in.

    Attributes:
        value: The word.
        help: What some shells show beside it.
        type: How shells treat it; always text.
    """

    value: str
    help: str = ""
    type: str = "plain"


Names = Callable[[Any], Mapping[str, str]]
"""Context of the command -> name and description of what may stand there."""


def _complete(parameter: Any, names: Names) -> None:
    """Let the shell complete names; behind a comma, the next one."""

    def shell_complete(context: Any, incomplete: str) -> list[Completion]:
        before, comma, last = incomplete.rpartition(",")
        return [
            Completion(f"{before}{comma}{name}", summary)
            for name, summary in sorted(names(context).items())
            if name.startswith(last)
        ]

    parameter.shell_complete = shell_complete


def _tasks(_: Any = None) -> Mapping[str, str]:
    from headbench.tasks.index import build_index

    return {name: entry.summary for name, entry in build_index([]).entries.items()}


def _interventions(_: Any = None) -> Mapping[str, str]:
    from headbench.interventions import method_catalogue

    return dict.fromkeys(method_catalogue.names(), "")  # a summary would import the method


def _models(_: Any = None) -> Mapping[str, str]:
    from headbench.models.adapter_catalogue import summaries

    return summaries()


def _detectors(_: Any = None) -> Mapping[str, str]:
    from headbench.detectors.detector_catalogue import rows

    return {row["name"]: row.get("summary", "") for row in rows()}


def _what_is_shown(context: Any) -> Mapping[str, str]:
    kind = str(context.params.get("kind", ""))
    return {"task": _tasks, "intervention": _interventions}.get(kind, dict)()


COMPLETED: Mapping[str, Names] = {
    "tasks": _tasks,
    "targets": _tasks,
    "intervention": _interventions,
    "model": _models,
    "detector": _detectors,
}
"""Parameter -> the names that a shell completes; files are the shell's own."""


# ------------------------------------------------------------------ wrong words


def usage_error(error: Any) -> ConfigError:
    """A mistake on the command line in the words of this project: what, where, hint.

    Args:
        error: What the parser raised; its context names the command and its options.
    """
    context = getattr(error, "ctx", None)
    where = context.command_path if context is not None else "headbench"
    hint = f"{where} --help"
    parameter = getattr(error, "param", None)
    label = _label(parameter)
    said = " ".join(error.format_message().split()).rstrip(".")
    option = getattr(error, "option_name", "")
    if hasattr(error, "possibilities"):
        hint = f"{_near(option, context)}'{where} --help' lists all options"
        return ConfigError(f"there is no option {option!r}", where=where, hint=hint)
    if wrong := re.match(r"No such command '(.*?)'", said):
        commands = getattr(context.command, "commands", {}) if context is not None else {}
        hint = nearest(wrong[1], commands)
        return ConfigError(f"there is no command {wrong[1]!r}", where=where, hint=hint)
    if said.endswith("requires an argument") or re.search(r"requires \d+ arguments", said):
        return ConfigError(f"{option or label} needs a value", where=where, hint=hint)
    if said.startswith("Missing "):
        choices = re.search(r"Choose from: (.*)", said)
        more = f"one of {choices[1]}; " if choices else ""
        return ConfigError(f"{label or 'an argument'} is missing", where=where, hint=more + hint)
    if extra := re.match(r"Got unexpected extra arguments? ?\(?s?\)? ?\((.*)\)", said):
        return ConfigError(f"there is no place for {extra[1]!r}", where=where, hint=hint)
    message = said.partition(": ")[2] if said.startswith("Invalid value") else said
    message = message.removeprefix("Value error, ").partition(", unable to parse")[0]
    if message.startswith("Input should "):
        message = f"{label} must {message.removeprefix('Input should ')}"
    elif label:
        message = f"{label}: {message}"
    return ConfigError(message, where=where, hint=hint)


def _label(parameter: Any) -> str:
    """``--limit``, or the name of an argument in capitals."""
    if parameter is None:
        return ""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name).upper()
    return str(max(parameter.opts, key=len))


def _near(option: str, context: Any) -> str:
    """``did you mean '--tasks'? `` where an option is close, else nothing."""
    known = [] if context is None else [o for one in context.command.params for o in one.opts]
    told = nearest(option, [name for name in known if name.startswith("--")])
    return f"{told} " if told.startswith("did you mean") else ""
