"""Prompt templates: Jinja2 in an immutable sandbox, with named spans.

A span is marked where the text is written, ``{{ question | span("question") }}``. The filter puts
private-use characters round the text; they are taken out after rendering, so that a span is found
where it was marked and not where the same words happen to stand earlier.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError
from jinja2 import Template as Compiled
from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.meta import find_undeclared_variables

from headbench._json import is_whole
from headbench.errors import ConfigError, DataError, nearest
from headbench.tasks.budget import begin, joined
from headbench.tasks.purity import (
    NO_CHANCE,
    RANDOM_FILTERS,
    RANDOM_GLOBALS,
    PureEnvironment,
    in_order,
    refuse_addresses,
    refuse_impure,
)

_OPEN, _NAMED, _CLOSE = "\ue000", "\ue001", "\ue002"
_MARKS = re.compile(f"{_OPEN}([^{_NAMED}]*){_NAMED}|{_CLOSE}")
_MARKERS = (_OPEN, _NAMED, _CLOSE)
_SPAN_NAME = re.compile(r"[a-z][a-z0-9_]*")
_UNDEFINED = re.compile(r"'(\w+)' is undefined")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")

_FAILURES = (
    *(SyntaxError, RuntimeError, UnicodeError, OSError, EOFError, ImportError, BufferError),
    *(TemplateRuntimeError, SecurityError, TypeError, ValueError, ArithmeticError),
    *(LookupError, RecursionError, MemoryError, AttributeError, AssertionError),
)
"""How an expression of a template may fail."""

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Rendered:
    """A rendered prompt.

    Attributes:
        text: Without any marker.
        spans: Span name -> character ranges ``(start, end)`` in ``text``, in order.
    """

    text: str
    spans: Mapping[str, Ranges]


@dataclass(frozen=True)
class Template:
    """A compiled template.

    Attributes:
        source: What was written.
        where: File, line and key, for errors.
        names: Fields that it reads.
    """

    source: str
    where: str
    names: frozenset[str]
    _compiled: Compiled

    def render(self, fields: Mapping[str, object]) -> Rendered:
        """Fill the template.

        Raises:
            ConfigError: A name is not a field of the document, or an expression fails.
        """
        if not self.source:  # most tasks have no description; a rendering costs 0.1 ms
            return Rendered("", {})
        try:
            ordered = {name: in_order(value) for name, value in fields.items()}
            begin(self.source)
            made = _collect(joined(self._compiled.generate(ordered)), self.where)
        except UndefinedError as error:
            match = _UNDEFINED.search(str(error))
            hint = nearest(match.group(1), fields) if match else "check the names in the template"
            if match and match.group(1) in ("now", "today", "random", *RANDOM_GLOBALS):
                hint = NO_CHANCE
            raise ConfigError(
                f"the template asks for something the document has not: {error}",
                where=self.where,
                hint=hint,
            ) from error
        except _FAILURES as bad:
            random = any(f"'{name}'" in str(bad) for name in RANDOM_FILTERS)
            raise ConfigError(
                f"the template fails: {_reason(bad)}",
                where=self.where,
                hint=NO_CHANCE if random else "",
            ) from bad
        if not is_whole(made.text):
            raise ConfigError(
                "the template writes half of a character that takes two",
                where=self.where,
                hint="write the character itself",
            )
        refuse_addresses(made.text, fields, self.where)
        return made

    def text(self, fields: Mapping[str, object]) -> str:
        """Fill the template and drop its spans."""
        return self.render(fields).text


def compile_template(source: str, where: str, *, bare: bool = True) -> Template:
    """Compile a template once.

    Args:
        source: What was written.
        where: File, line and key, for errors.
        bare: Let a bare field name, ``question``, stand for ``{{ question }}``.

    Raises:
        ConfigError: Syntax error, an unknown filter, or one that draws at random.
    """
    text = f"{{{{ {source} }}}}" if bare and is_field(source) else source
    try:
        environment = _environment()
        tree = environment.parse(text)
        refuse_impure(tree, where)
        names = find_undeclared_variables(tree)
        return Template(source, where, frozenset(names), environment.compiled(tree))
    except TemplateSyntaxError as error:
        # Jinja reports an unknown filter as a syntax error too.
        known = re.search(r"No filter named '(\w+)'", str(error))
        hint = nearest(known.group(1), _environment().filters) if known else ""
        raise ConfigError(
            f"the template does not compile: {error.message}",
            where=f"{where}, line {error.lineno} of the template",
            hint=hint or "close every {{ }} and {% %}",
        ) from error
    except _FAILURES as bad:  # Jinja computes constants when it compiles
        raise ConfigError(f"the template does not compile: {_reason(bad)}", where=where) from bad


def _reason(bad: BaseException) -> str:
    if isinstance(bad, KeyError):  # its own text is the key alone
        return f"there is no key {bad}"
    return str(bad) or type(bad).__name__


def is_field(source: str) -> bool:
    """Whether a template is a bare field name."""
    return _IDENTIFIER.fullmatch(source) is not None


def refuse_markers(fields: Mapping[str, object], where: str) -> None:
    """Refuse documents whose text holds the private-use characters that mark spans.

    Raises:
        DataError: One of them occurs.
    """
    for key, value in fields.items():
        if isinstance(value, str) and any(marker in value for marker in _MARKERS):
            raise DataError(
                "the text holds a private-use character (U+E000 to U+E002), which marks spans here",
                where=f"{where}, field {key!r}",
                hint="remove it from the data",
            )


def _span(value: object, name: str) -> str:
    """The ``span`` filter."""
    if not _SPAN_NAME.fullmatch(name):
        raise TemplateRuntimeError(f"a span's name is lower-case letters, digits, _: not {name!r}")
    return f"{_OPEN}{name}{_NAMED}{value}{_CLOSE}"


def _article(noun: object) -> str:
    """The ``article`` filter: ``dog`` -> ``a dog``, ``apple`` -> ``an apple`` (by letter)."""
    text = str(noun)
    return f"{'an' if text[:1].lower() in set('aeiou') else 'a'} {text}"


@lru_cache(maxsize=1)
def _environment() -> PureEnvironment:
    # Prompts are plain text for models, not HTML: escaping would corrupt them.
    environment = PureEnvironment(undefined=StrictUndefined, autoescape=False)
    environment.filters["span"] = _span
    environment.filters["article"] = _article
    return environment


def _collect(marked: str, where: str) -> Rendered:
    """Take the markers out and keep what they said."""
    pieces: list[str] = []
    ranges: dict[str, list[tuple[int, int]]] = {}
    pending: list[tuple[str, int]] = []
    cursor = length = 0
    for match in _MARKS.finditer(marked):
        pieces.append(marked[cursor : match.start()])
        length += match.start() - cursor
        cursor = match.end()
        if match.group(1) is not None:
            pending.append((match.group(1), length))
            continue
        if not pending:
            raise DataError("a span ends that never began", where=where)
        name, start = pending.pop()
        ranges.setdefault(name, []).append((start, length))
    if pending:
        raise ConfigError(f"the span {pending[-1][0]!r} never ends", where=where)
    pieces.append(marked[cursor:])
    spans = {name: tuple(sorted(found)) for name, found in ranges.items()}
    return Rendered("".join(pieces), spans)
