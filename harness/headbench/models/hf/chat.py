"""What a chat template is given beside the messages: the user's arguments, and the date.

``enable_thinking=false`` and the like change the prompt, so they are checked against the template's
text, recorded, and part of every response key. A template that writes today's date would give
another prompt tomorrow; the date is given (``today=2024-07-26``) or such a template is refused.
"""

from __future__ import annotations

import datetime
import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from headbench._json import strict_json
from headbench.errors import ConfigError, RefusedError, nearest

if TYPE_CHECKING:
    from jinja2.parser import Parser

Argument = bool | int | float | str | None
CLOCK = "strftime_now"
"""What transformers offers to templates that write a date."""
_DATES = "headbench_dates"
_NO_DATE = "headbench: no date was given"
_OURS = frozenset({"messages", "raise_exception", "tokenizer", CLOCK, _DATES})


def read_arguments(args: Mapping[str, str]) -> dict[str, Argument]:
    """The template's arguments among ``--model-args``.

    Args:
        args: ``chat_template_args``, a JSON object, and ``enable_thinking``, for short.

    Raises:
        ConfigError: No JSON object, a value that is no single one, or a key given twice.
    """
    found: dict[str, Argument] = {}
    text = args.get("chat_template_args", "")
    if text:
        where = f"--model-args chat_template_args={text}"
        hint = 'write {"key": value}, or give --template-arg key=value'
        try:
            given = strict_json(text)
        except ValueError as error:
            raise ConfigError(
                f"chat_template_args is not JSON: {error}", where=where, hint=hint
            ) from error
        if not isinstance(given, dict):
            raise ConfigError("chat_template_args is no JSON object", where=where, hint=hint)
        for key, value in given.items():
            whole = value is None or isinstance(value, bool | int | str)
            if not whole and not (isinstance(value, float) and math.isfinite(value)):
                raise ConfigError(
                    f"the template argument {key!r} is not true, false, a number or a text",
                    where=where,
                )
            found[key] = value
    thinking = args.get("enable_thinking", "").lower()
    if thinking:
        if thinking not in ("true", "false"):
            raise ConfigError(
                f"enable_thinking cannot be {args['enable_thinking']!r}",
                where="--model-args",
                hint="true or false",
            )
        if found.get("enable_thinking", thinking == "true") is not (thinking == "true"):
            raise ConfigError(
                "enable_thinking is given twice, with two values", where="--model-args"
            )
        found["enable_thinking"] = thinking == "true"
    return found


def read_today(text: str) -> datetime.date | None:
    """The date that templates write; ``None`` where none was given.

    Raises:
        ConfigError: It is no date.
    """
    if not text:
        return None
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"today cannot be {text!r}", where=f"--model-args today={text}", hint="write YYYY-MM-DD"
        ) from error


def given_to(
    template: Any | None, arguments: Mapping[str, Argument], today: datetime.date | None
) -> dict[str, Any]:
    """What a template is rendered with beside the messages.

    Args:
        template: The owner of the chat template (processor or tokenizer); ``None``: none is used.
        arguments: The user's.
        today: The date that it may write.

    Raises:
        ConfigError: The template does not use an argument, or none is used at all.
    """
    if template is None:
        if arguments or today:
            names = [*arguments, *(["today"] if today else [])]
            raise ConfigError(
                "no chat template is applied, so its arguments would change nothing",
                where=f"--model-args: {', '.join(names)}",
                hint="leave them out, or use a checkpoint with a chat template (chat_template=on)",
            )
        return {}
    known = variables(template_text(template))
    reserved = set(inspect.signature(template.apply_chat_template).parameters) | _OURS
    for key in arguments:
        if key in reserved:
            raise ConfigError(
                f"headbench itself decides what {key!r} is", where=f"template argument {key}"
            )
        if key not in known:
            special = getattr(template, "tokenizer", template).special_tokens_map
            offered = sorted(known - reserved - set(special))
            raise ConfigError(
                f"the model's chat template does not use {key!r}",
                where=f"template argument {key}={arguments[key]!r}",
                hint=nearest(key, offered) if offered else "it takes no argument; leave it out",
            )
    if CLOCK not in known:
        if today:
            raise ConfigError(
                "the model's chat template writes no date", where="--model-args today", hint=""
            )
        return dict(arguments)
    return {**arguments, **_with_date(template_text(template), today)}


def template_text(template: Any) -> str:
    """The text of the chat template that is used, of several the one called ``default``."""
    found = template.chat_template
    return str(found.get("default", "") if isinstance(found, dict) else found)


def variables(text: str) -> frozenset[str]:
    """Names that a chat template reads and does not set by itself."""
    return frozenset(find_undeclared_variables(_parsed(text)))


def _parsed(text: str) -> nodes.Template:
    try:
        return _environment().parse(text)
    except (TemplateError, RecursionError) as error:
        raise ConfigError(
            f"the model's chat template does not compile: {error}",
            where="the checkpoint's chat template",
            hint="correct it, or run with --model-args chat_template=off",
        ) from error


class _Generation(Extension):
    """The tag with which templates mark what the assistant says; its body is read as it is."""

    tags = {"generation"}  # noqa: RUF012 - Jinja's own form

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(extensions=[_Generation, loopcontrols])


def _with_date(text: str, today: datetime.date | None) -> dict[str, Any]:
    """The template with a macro in the clock's place, and the dates that it gives.

    The library takes no function among the arguments, so the dates are written beforehand, one for
    each form that the template asks for.
    """
    forms: set[str] = set()
    for call in _parsed(text).find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == CLOCK:
            form = call.args[0] if call.args else None
            if not isinstance(form, nodes.Const):
                raise RefusedError(
                    "the model's chat template writes the date in a form that it computes",
                    where=f"chat template, line {call.lineno}",
                    hint="use chat_template=off",
                )
            forms.add(form.value)
    body = f"raise_exception('{_NO_DATE}')" if today is None else f"{_DATES}[form]"
    macro = f"{{%- macro {CLOCK}(form) -%}}{{{{- {body} -}}}}{{%- endmacro -%}}"
    dates = {form: today.strftime(form) for form in sorted(forms)} if today else {}
    return {"chat_template": macro + text, _DATES: dates}


FAILURES = (
    *(TemplateError, SyntaxError, TypeError, ValueError, LookupError, ArithmeticError),
    *(AttributeError, AssertionError, RuntimeError, MemoryError),
)
"""How a chat template, or the library around it, may fail."""


@contextmanager
def template_errors(where: str, roles: Sequence[str]) -> Iterator[None]:
    """Turn what a chat template raises into an error that says what to do.

    Args:
        where: The document, for errors.
        roles: Roles of the messages that it is given.

    Raises:
        RefusedError: The template asked for a date that was not given, or refuses the messages.
    """
    try:
        yield
    except FAILURES as error:
        told = str(error) or type(error).__name__
        if _NO_DATE in told:
            raise RefusedError(
                "the model's chat template writes today's date, so that tomorrow's prompts would "
                "be others",
                where="--model-args today=",
                hint="say which date it writes: --model-args today=2024-07-26",
            ) from error
        if "system" in roles and "system" in told.lower():
            hint = "the task has a description or a system message: write it into doc_to_text"
        else:
            hint = "look at the checkpoint's chat template"
        raise RefusedError(
            f"the model's chat template refuses the messages ({', '.join(roles)}): {told}",
            where=where,
            hint=f"{hint}, or run with --model-args chat_template=off",
        ) from error
