"""What a template may cost: a budget on steps, time and the size of what it makes.

A loop, a call or a number written in a file must not keep a run busy for hours or fill the memory.
Jinja's sandbox limits neither. Steps and sizes are counted, so that equal templates are refused
alike everywhere; the time is a last resort and far above what a prompt takes.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.visitor import NodeTransformer

MOST_STEPS = 1_000_000
"""Turns of loops, calls and filters of one rendering."""
MOST_WRITTEN = 200_000_000
"""Steps times characters of the template: what a loop could write without a step of its own."""
MOST_SECONDS = 5.0
"""Processor time of one rendering."""
LONGEST = 20_000_000
"""Characters and items of a value, all that it holds counted; a long prompt has a million."""
MOST_BITS = 1_000
"""Of an integer that a template makes; a float holds no more."""
WIDEST = 100_000
"""Width, indent or count that a template may ask for."""
COUNTED = "steps of a loop"
"""The filter that :func:`watch` puts before every loop; with blanks, no template can name it."""

JOINED = "size of a text"
"""The same for every ``~``, whose result no filter, call or operator would check."""

_FORM = re.compile(r"%[^a-zA-Z%]*|\{[^{}]*")
_WIDE = re.compile(r"\d{6}|\*")
_NESTED = re.compile(r"\{[^{}]+\{")
_PADDING = frozenset(
    {"batch", "center", "expandtabs", "indent", "ljust", "rjust", "slice", "to_bytes"}
    | {"tojson", "truncate", "wordwrap", "zfill"}
)
"""Filters and methods that take a width, an indent or a count."""
_SLOW = frozenset({"idna", "punycode"})
"""Encodings whose time grows with the square of the text."""


@dataclass
class Budget:
    """What one rendering may still use.

    Attributes:
        steps: Steps left.
        ends: Processor time of the thread at which it ends, in seconds.
    """

    steps: int
    ends: float = field(default_factory=lambda: time.thread_time() + MOST_SECONDS)


_budget: ContextVar[Budget | None] = ContextVar("budget", default=None)


def begin(source: str) -> None:
    """Give the rendering that begins a budget of its own.

    Args:
        source: The template's text.
    """
    _budget.set(Budget(min(MOST_STEPS, MOST_WRITTEN // max(len(source), 1))))


def step() -> None:
    """Count a call or a turn of a loop; nothing where a template is compiled.

    Raises:
        SecurityError: The budget is spent.
    """
    budget = _budget.get()
    if budget is None:
        return
    budget.steps -= 1
    if budget.steps < 0:
        raise SecurityError("it takes too many steps (a loop within a loop?)")
    if time.thread_time() > budget.ends:
        raise SecurityError(f"it takes more than {MOST_SECONDS:g} seconds")


def joined(pieces: Iterable[str]) -> str:
    """The text of a rendering, refused as soon as it is too long.

    Raises:
        SecurityError: It is.
    """
    kept, length = [], 0
    for piece in pieces:
        length += len(piece)
        if length > LONGEST:
            raise SecurityError(f"it writes more than {LONGEST:,} characters")
        kept.append(piece)
    return "".join(kept)


def watch(tree: nodes.Template) -> nodes.Template:
    """The parsed template: each loop counts its turns, and each ``~`` has its result checked.

    Without the check, a text that is joined to itself in a loop doubles at every turn: 30 turns are
    a gigabyte.
    """
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, COUNTED, [], [], None, None, lineno=loop.lineno)
    _CheckJoined().visit(tree)
    return tree


class _CheckJoined(NodeTransformer):
    """Puts the filter :data:`JOINED` behind every ``~``."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:
        self.generic_visit(node)
        return nodes.Filter(node, JOINED, [], [], None, None, lineno=node.lineno)


def counted(values: Iterable[object]) -> Iterator[object]:
    """The values of a loop, each of them a step."""
    for value in values:
        step()
        yield value


def sized(value: Any) -> Any:
    """The value, which is not too large.

    Raises:
        SecurityError: It is.
    """
    weight = 0
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str | bytes):
            weight += len(one)
        elif isinstance(one, list | tuple):
            weight += len(one)
            waiting.extend(one if weight <= LONGEST else ())
        elif isinstance(one, Mapping):
            weight += len(one)
            waiting.extend(one.values() if weight <= LONGEST else ())
        elif isinstance(one, int) and one.bit_length() > MOST_BITS:
            raise SecurityError("it makes a number beyond what a float holds")
        if weight > LONGEST:
            raise SecurityError(f"it makes more than {LONGEST:,} characters or items")
    return value


def check_operation(operator: str, left: Any, right: Any) -> None:
    """Refuse an operation whose result would be too large, before it is made.

    Raises:
        SecurityError: It would be.
    """
    step()
    sized([left, right])
    if operator == "*":
        for one, times in ((left, right), (right, left)):
            many = isinstance(one, str | bytes | list | tuple) and isinstance(times, int)
            if many and len(one) * times > LONGEST:
                raise SecurityError(f"it makes more than {LONGEST:,} characters or items")
    elif operator == "**" and isinstance(left, int) and isinstance(right, int):
        if right * left.bit_length() > 2 * MOST_BITS:
            raise SecurityError("it makes a number beyond what a float holds")
    elif operator == "%" and isinstance(left, str | bytes):
        check_form(str(left))


def check_form(form: str) -> None:
    """Refuse a format that pads to a width beyond what is meant, or takes it from a value.

    Raises:
        SecurityError: It does.
    """
    if _NESTED.search(form) or any(_WIDE.search(one) for one in _FORM.findall(form)):
        raise SecurityError(f"it formats to a width of {WIDEST:,} characters or more")


def check_call(function: object, args: Sequence[Any], more: Mapping[str, Any]) -> None:
    """Refuse a call that would make too much; see :func:`_check_made`.

    Raises:
        SecurityError: It would.
    """
    step()
    method = getattr(function, "__wrapped__", function)  # the sandbox wraps str.format
    owner = getattr(method, "__self__", None)
    name = str(getattr(method, "__name__", ""))
    if name in ("format", "format_map") and isinstance(owner, str):
        check_form(owner)
    if name == "encode" and any(str(one).lower() in _SLOW for one in (*args, *more.values())):
        raise SecurityError(f"it encodes as {', '.join(map(str, args))}")
    if isinstance(owner, str | bytes):
        _check_made(name, owner, args, more)
    else:
        sized([*args, *more.values()])


def checked_filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that costs a step, and whose arguments and result are not too large."""
    skipped = 1 if hasattr(function, "jinja_pass_arg") else 0

    @functools.wraps(function)
    def checked(*args: Any, **more: Any) -> Any:
        step()
        value, *rest = args[skipped:] or ("",)
        if name == "format":
            check_form(str(value))
        _check_made(name, value, rest, more)
        return sized(function(*args, **more))

    return checked


def _check_made(name: str, value: Any, args: Sequence[Any], more: Mapping[str, Any]) -> None:
    """Refuse arguments from which a filter or a method of a text makes too much."""
    given = [*args, *more.values()]
    sized([value, *given])
    if name in _PADDING:
        wide = [one for one in given if isinstance(one, int) and abs(one) > WIDEST]
        if wide:
            raise SecurityError(f"{name} takes numbers up to {WIDEST:,}")
    texts = [one for one in given if isinstance(one, str | bytes)]
    if name == "replace" and len(texts) > 1 and isinstance(value, str):
        times = value.count(str(texts[0])) if texts[0] else len(value) + 1
        if times * len(texts[1]) > LONGEST:
            raise SecurityError(f"it makes more than {LONGEST:,} characters or items")
    if name in ("join", "indent"):
        between = value if isinstance(value, str) and name == "join" else "".join(map(str, texts))
        parts = given[0] if between is value and given else value
        count = len(parts) if isinstance(parts, str | list | tuple | Mapping) else WIDEST
        if count * len(between) > LONGEST:
            raise SecurityError(f"it makes more than {LONGEST:,} characters or items")
