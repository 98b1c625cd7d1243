"""Commands in sentences: their verbs, options, modules and targets are ones that there are."""

from __future__ import annotations

import functools
import importlib.util
import re
import shlex
from collections.abc import Sequence
from typing import Any

from training.pages.typed.blocks import ROOT


def faults(command: str) -> str:
    """What is wrong with a command; empty where nothing is.

    Args:
        command: As it stands in a sentence: an ellipsis or a bracket may leave something out.
    """
    if not command.startswith("headbench "):
        return _missing(command.split())
    from headbench.cli import VERBS, load_verb

    words = shlex.split(re.sub(r"[\[\]]|\.\.\.", " ", command).replace("'", '"'))
    verb = words[1] if len(words) > 1 else ""
    if verb.startswith("-") or not verb:
        return ""
    if verb not in VERBS:
        return f"there is no verb {verb!r}"
    group: Any = load_verb(verb)
    inner = next((word for word in words[2:] if not word.startswith("-")), "")
    known = _options(verb)
    if hasattr(group, "commands") and words[2:3] == [inner] and inner not in group.commands:
        return f"{verb} has no command {inner!r}"
    for word in words[2:]:
        name = word.partition("=")[0]
        if re.match(r"--[a-z]", name) and name not in known:
            return f"{verb} has no option {name}"
    return ""


def _missing(words: Sequence[str]) -> str:
    """What a command of Python or make names and is not there."""
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return "" if words[1] in targets else f"there is no target {words[1]!r}"
    if words[1] != "-m":
        return "" if (ROOT / words[1]).is_file() else f"there is no file {words[1]}"
    if words[2].isupper() or words[2].rpartition(".")[2].isupper():
        return ""  # stands for a name
    return "" if importlib.util.find_spec(words[2]) else f"there is no module {words[2]}"


@functools.cache
def _options(verb: str) -> frozenset[str]:
    """All options of a verb and of its commands."""
    from headbench.cli import load_verb
    from headbench.cli.rescore import with_family_options

    if verb == "rescore":
        import typer

        app = typer.Typer(add_completion=False)
        app.command("rescore")(with_family_options())
        command: Any = typer.main.get_command(app)
    else:
        command = load_verb(verb)
    found = {"--help"}
    for one in (command, *getattr(command, "commands", {}).values()):
        for parameter in one.params:
            found |= {*parameter.opts, *parameter.secondary_opts}
    return frozenset(found)
