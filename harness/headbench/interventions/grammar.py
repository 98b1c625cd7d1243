"""The intervention grammar: ``vhr(alpha=2)+scale_heads(heads=[[1,2]],alpha=0.5)``.

An intervention is one or more method names with keyword parameters, joined by ``+``. Values are
finite numbers, bare words, bare file names (``map=runs/heads-2.json``), quoted strings, ``true``,
``false`` and lists of values. The text is read as a Python expression, of which only these forms
are accepted; nothing is ever evaluated.

Every intervention has one printed form: parameters sorted by name, no spaces, words unquoted where
a plain word says the same; file names print in quotes, as results have always held them.
``parse(canonical(spec)) == spec``.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from headbench.errors import ConfigError
from headbench.interventions.bare_values import BareValueError, Readable, replace_names

Value = bool | int | float | str | tuple["Value", ...]
BASELINE = "baseline"
LONGEST = 20_000
"""Longest text that is read, in characters."""
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXAMPLE = "write name, name(key=value), or several joined with '+'"


@dataclass(frozen=True)
class MethodSpec:
    """One method with the parameters that were written."""

    name: str
    params: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A frozen dataclass may hold a dict that somebody else changes; this one cannot be.
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))

    def __hash__(self) -> int:
        return hash((self.name, tuple(sorted(self.params.items()))))


@dataclass(frozen=True)
class InterventionSpec:
    """Methods applied left to right; no part at all is the baseline."""

    parts: tuple[MethodSpec, ...] = ()


def parse(text: str) -> InterventionSpec:
    """Read an intervention.

    Args:
        text: For example ``vhr(alpha=2)``; ``baseline`` is the one without parts.

    Raises:
        ConfigError: The text is not an intervention; the message names the column.
    """
    if len(text) > LONGEST:
        raise ConfigError(f"the intervention is longer than {LONGEST} characters")
    source = text.strip()
    if source == BASELINE:
        return InterventionSpec()
    try:
        read = replace_names(source)
    except BareValueError as error:
        raise _error(source, error.column, str(error)) from None
    try:
        tree = ast.parse(read.text, mode="eval").body
    except SyntaxError as error:
        raise _error(source, error.offset or 1, f"not an intervention: {error.msg}") from None
    except (RecursionError, MemoryError, ValueError) as error:
        raise _error(source, 1, f"not an intervention: {error}") from None
    nodes: list[ast.expr] = []
    # A chain a+b+c nests to the left; walking it in a loop keeps long chains off the stack.
    while isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add):
        nodes.append(tree.right)
        tree = tree.left
    nodes.append(tree)
    return InterventionSpec(tuple(_part(read, node) for node in reversed(nodes)))


def canonical(spec: InterventionSpec) -> str:
    """The one printed form of an intervention."""
    return "+".join(print_part(part) for part in spec.parts) or BASELINE


def print_part(part: MethodSpec) -> str:
    """The one printed form of a part."""
    if not part.params:
        return part.name
    inner = ",".join(f"{key}={print_value(part.params[key])}" for key in sorted(part.params))
    return f"{part.name}({inner})"


def print_value(value: Value) -> str:
    """The one printed form of a value; whole floats print as integers, which equal them."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            if not math.isfinite(value):
                raise ConfigError(f"{value} is not a finite number")
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case str():
            return value if _is_bare(value) else repr(value)
        case _:
            return "[" + ",".join(print_value(item) for item in value) + "]"


def _is_bare(word: str) -> bool:
    reserved = keyword.iskeyword(word) or word in ("true", "false")
    return _WORD.fullmatch(word) is not None and not reserved


def _error(source: str | Readable, column: int, what: str) -> ConfigError:
    source = source.source if isinstance(source, Readable) else source
    return ConfigError(what, where=f"column {column} of {source[:200]!r}", hint=_EXAMPLE)


def _part(read: Readable, node: ast.expr) -> MethodSpec:
    column = node.col_offset + 1
    if isinstance(node, ast.Name):
        return MethodSpec(_word(read, node))
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        raise _error(read, column, "expected a method's name")
    if node.args:
        raise _error(read, node.args[0].col_offset + 1, "parameters are written key=value")
    params: dict[str, Value] = {}
    for item in node.keywords:
        if item.arg is None:
            raise _error(read, item.col_offset + 1, "'**' is not part of the grammar")
        if item.arg in params:
            raise _error(read, item.col_offset + 1, f"{item.arg!r} is given twice")
        params[item.arg] = _value(read, item.value)
    return MethodSpec(_word(read, node.func), params)


def _word(read: Readable, node: ast.Name) -> str:
    if (name := read.name_at(node.col_offset)) is not None:
        return name
    if not _WORD.fullmatch(node.id):
        raise _error(read, node.col_offset + 1, f"{node.id!r} is not a plain word; quote it")
    return node.id


def _value(read: Readable, node: ast.expr) -> Value:
    match node:
        case ast.Constant(value=bool() | str() as constant):
            return constant
        case ast.Constant(value=int() | float() as number) if math.isfinite(number):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)) if (
            math.isfinite(number) and not isinstance(number, bool)
        ):
            return -number
        case ast.Name(id="true" | "false" as truth):
            return truth == "true"
        case ast.Name():
            return _word(read, node)
        case ast.List(elts=items):
            return tuple(_value(read, item) for item in items)
    raise _error(
        read,
        node.col_offset + 1,
        "a value is a finite number, a word, a file name, a quoted string, true, false or a list",
    )
