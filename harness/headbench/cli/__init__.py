"""The command line. Each verb lives in a module of its own, imported when the verb is used."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from headbench._version import __version__
from headbench.cli.command_style import styled, usage_error
from headbench.cli.printing import say
from headbench.errors import ConfigError, HeadbenchError, nearest

VERBS: Mapping[str, str] = {
    "run": "Run tasks, baseline and interventions on the same documents.",
    "compare": "Compare results on the documents they share.",
    "rescore": "Score recorded outputs; no model is needed.",
    "ls": "List tasks, interventions, models, metrics and more.",
    "show": "Show a task, an intervention or a result.",
    "validate": "Check task files by rendering their documents.",
    "heads": "Find, import and show head maps.",
    "look": "Draw what heads attend to, before and after an edit.",
    "fold": "Write an intervention into a checkpoint's weights.",
    "leaderboard": "Build the static board of results, and check it.",
    "submit": "Check results for the board, as its CI does.",
    "guard": "Check results against published and pinned numbers.",
    "doctor": "Show versions and devices, and run a short self test.",
}
"""Verb -> one line of help. The verb ``x`` is ``headbench.cli.x:x``, a function or a Typer app."""


# Typer has the base class of all its usage errors under no public name.
_UNREADABLE: type[Exception] = next(
    one for one in typer.BadParameter.__mro__ if one.__name__ == "UsageError"
)


class LazyCommand(TyperCommand):
    """Stands for a verb until it is invoked, so that ``--help`` imports no verb."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: Any = None,
        **extra: Any,
    ) -> Any:
        """Hand over to the real command, which owns the context from here on."""
        command = load_verb(str(self.name))
        try:
            return command.make_context(info_name, args, parent, **extra)
        except _UNREADABLE as error:
            if getattr(error, "ctx", None) is None:  # the parser does not know which verb it reads
                error.ctx = typer.Context(command, parent=parent, info_name=info_name)  # type: ignore[attr-defined]
            raise


class Verbs(TyperGroup):
    """The group of all verbs."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line; a word that cannot be read ends in a message and status 2."""
        try:
            status = super().main(
                args, prog_name or "headbench", complete_var, False, windows_expand_args, **extra
            )
        except _UNREADABLE as error:
            if not standalone_mode:
                raise
            say(f"error: {usage_error(error)}", err=True)
            sys.exit(2)
        except typer.Abort:
            if not standalone_mode:
                raise
            say("stopped", err=True)
            sys.exit(1)
        if standalone_mode:
            sys.exit(status if isinstance(status, int) else 0)
        return status

    def list_commands(self, ctx: Any) -> list[str]:
        """Verbs in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stand-in for a verb."""
        if cmd_name not in VERBS:
            raise ConfigError(
                f"there is no command {cmd_name!r}",
                where=str(ctx.command_path),
                hint=nearest(cmd_name, VERBS),
            )
        return LazyCommand(cmd_name, help=VERBS[cmd_name])


def load_verb(name: str) -> Any:
    """Import a verb and make it a command."""
    found = getattr(import_module(f"headbench.cli.{name}"), name)
    if not isinstance(found, typer.Typer):
        verb = typer.Typer(add_completion=False, rich_markup_mode=None)
        verb.command(name)(found)
        found = verb
    command = typer.main.get_command(found)
    command.name = name
    return styled(command, name)


app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # ``--model_args`` is ``--model-args`` in every verb: lm-eval's command lines run as they are.
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda token: token.replace("_", "-"),
    },
    # Plain help: the rich one costs a tenth of a second each time.
    rich_markup_mode=None,
    help="Measure what attention heads do, and how interventions on them change behaviour.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Options of headbench itself."""


def main() -> None:
    """Entry point: a mistake the user can correct is a message on stderr and exit status 2."""
    try:
        app()
    except HeadbenchError as error:
        say(f"error: {error}", err=True)
        sys.exit(2)
