"""Which adapter answers which role, as a user writes it.

``--model NAME`` is the subject. ``--model subject=hf,judge=openai`` gives each role an adapter, and
``--model-args subject.pretrained=PATH,judge.name=NAME`` its arguments. An argument without a role
would have several readings there, and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from headbench.errors import ConfigError, nearest
from headbench.nouns import Role
from headbench.results.canonical import plain

SUBJECT: Role = "subject"
ROLES: tuple[Role, ...] = get_args(Role)
_NAME = rf"(?:(?:{'|'.join(ROLES)})\.)?[A-Za-z_]\w*"


@dataclass(frozen=True)
class Models:
    """The adapters of a run as a user wrote them.

    Attributes:
        names: Role -> adapter.
        args: Role -> the adapter's arguments.
    """

    names: Mapping[Role, str] = field(default_factory=dict)
    args: Mapping[Role, Mapping[str, str]] = field(default_factory=dict)

    def fields(self) -> dict[str, object]:
        """The fields of a ``RunSpec``."""
        others = {
            role: {"model": name, "args": dict(self.args.get(role, {}))}
            for role, name in self.names.items()
            if role != SUBJECT
        }
        return {
            "model": self.names.get(SUBJECT),
            "model_args": dict(self.args.get(SUBJECT, {})),
            "roles": others,
        }


def read_roles(model: str | None, option: str = "--model") -> Mapping[Role, str]:
    """Role -> adapter.

    Raises:
        ConfigError: An unknown or repeated role, or a role without an adapter.
    """
    if model is None:
        return {}
    if "=" not in model:
        return {SUBJECT: model}
    names: dict[Role, str] = {}
    for part in model.split(","):
        word, _, name = (piece.strip() for piece in part.partition("="))
        role = known_role(word, f"{option} {model}")
        if not name:
            raise ConfigError(
                f"the role {role!r} has no adapter",
                where=f"{option} {model}",
                hint="write for example subject=hf,judge=recorded",
            )
        if role in names:
            raise ConfigError(f"the role {role!r} is given twice", where=f"{option} {model}")
        names[role] = name
    return names


def known_role(name: str, where: str) -> Role:
    """A role by its name.

    Raises:
        ConfigError: There is no such role.
    """
    for role in ROLES:
        if role == name:
            return role
    raise ConfigError(
        f"there is no role {name!r}",
        where=where,
        hint=nearest(name, ROLES) or f"roles: {', '.join(ROLES)}",
    )


def assign_args(names: Mapping[Role, str], args: Mapping[str, str]) -> Models:
    """Give each argument to its role; without other roles, all are the subject's.

    Raises:
        ConfigError: An argument whose role has no adapter, or that could be several roles'.
    """
    others = [role for role in names if role != SUBJECT]
    assigned: dict[Role, dict[str, str]] = {}
    for key, value in args.items():
        prefix, dot, name = key.partition(".")
        where = f"--model-args {key}={value}"
        if not dot:
            if others:
                given = " or ".join(f"{role}.{key}=" for role in (SUBJECT, *others))
                raise ConfigError(
                    f"{key!r} could be an argument of several models", where=where, hint=given
                )
            prefix, name = SUBJECT, key
        role = known_role(prefix, where)
        if role != SUBJECT and role not in names:
            raise ConfigError(
                f"the run has no model for the role {role!r}",
                where=where,
                hint=f"add it: --model subject=...,{role}=ADAPTER",
            )
        assigned.setdefault(role, {})[name] = value
    return Models(names, assigned)


def parse_model_args(text: str) -> Mapping[str, str]:
    """Read ``pretrained=PATH,dtype=bfloat16``; a comma inside a value is kept.

    A comma separates only where ``name=`` or ``ROLE.name=`` follows it.

    Raises:
        ConfigError: a part has no ``=``, or a name comes twice.
    """
    args: dict[str, str] = {}
    for part in re.split(rf",(?=\s*{_NAME}=)", text) if text.strip() else ():
        name, sign, value = part.strip().partition("=")
        if not sign or not name:
            raise ConfigError(
                f"{part.strip()!r} is not name=value",
                where=f"--model-args {text}",
                hint="write for example pretrained=./checkpoint,dtype=bfloat16",
            )
        if name in args:
            raise ConfigError(f"{name!r} is given twice", where=f"--model-args {text}")
        args[name] = str(plain(value))
    return args


def model_words(names: Mapping[Role, str], args: Mapping[Role, Mapping[str, str]]) -> list[str]:
    """The options of the command line that name these adapters."""
    roled = any(role != SUBJECT for role in names)
    words: list[str] = []
    if names:
        named = ",".join(f"{role}={names[role]}" for role in ROLES if role in names)
        words += ["--model", named if roled else names[SUBJECT]]
    pairs = [
        f"{f'{role}.' if roled else ''}{key}={value}"
        for role in ROLES
        for key, value in sorted(args.get(role, {}).items())
    ]
    return [*words, "--model-args", ",".join(pairs)] if pairs else words
