"""The boundary to YAML: safe values only, of limited depth and size, every fault with its line."""

from __future__ import annotations

import math
from dataclasses import dataclass

import yaml

from headbench.errors import HeadbenchError

# libyaml is several times faster; the pure loader reads the same language.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
LONGEST = 2**24
"""Longest text that is read, in characters."""
DEEPEST = 50
"""Nesting that is meant; the library's own reader overflows the stack at some thousands."""
MOST_NODES = 500_000
"""Values that a file may hold, each alias counted as what it stands for."""
DIGITS = 300
"""Of an integer that still has a float."""
_BAD_SCALAR = (ValueError, KeyError, AttributeError, TypeError, OverflowError, RecursionError)
"""What the library's constructors raise for ``0x_``, ``!!int abc``, ``2001-13-45`` and others."""

_KINDS = {"int": "whole number", "bool": "true or false", "timestamp": "date"}


@dataclass(frozen=True)
class Loaded:
    """A document.

    Attributes:
        data: Its value.
        node: Its root with positions; ``None`` where the text is empty.
    """

    data: object
    node: yaml.Node | None


def load(text: str, where: str, error: type[HeadbenchError]) -> Loaded:
    """Read one YAML document.

    Args:
        text: The text.
        where: The file, for errors.
        error: The class of errors.

    Raises:
        HeadbenchError: Of the class ``error``: not YAML, a value that is not what its tag or form
            says, or a document beyond the limits.
    """
    if len(text) > LONGEST:
        raise error(f"the YAML text is longer than {LONGEST:,} characters", where=where)
    try:
        _refuse_depth(text, where, error)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return Loaded({}, None)
            _refuse_size(node, where, error)
            return Loaded(_construct(loader, node, where, error), node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as bad:
        mark = bad.problem_mark or bad.context_mark
        raise error(
            f"not valid YAML: {bad.problem or bad.context}",
            where=f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where,
            hint="check indentation, colons and quotes there",
        ) from bad
    except yaml.YAMLError as bad:
        raise error(f"not valid YAML: {bad}", where=where) from bad
    except UnicodeEncodeError as bad:  # half of a character that takes two
        raise error("not valid YAML: a character that cannot be written", where=where) from bad


def _refuse_depth(text: str, where: str, error: type[HeadbenchError]) -> None:
    """Refuse deep nesting, and an alias within what it stands for, before a tree is built."""
    open_anchors: list[str | None] = []
    for event in yaml.parse(text, Loader=_Loader):
        mark = event.start_mark
        spot = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
        if isinstance(event, yaml.CollectionStartEvent):
            open_anchors.append(event.anchor)
            if len(open_anchors) > DEEPEST:
                raise error(f"the file is nested more than {DEEPEST} deep", where=spot)
        elif isinstance(event, yaml.CollectionEndEvent):
            open_anchors.pop()
        elif isinstance(event, yaml.AliasEvent) and event.anchor in open_anchors:
            raise error(
                f"the alias *{event.anchor} stands within what it stands for",
                where=spot,
                hint="write the value out",
            )


def _refuse_size(root: yaml.Node, where: str, error: type[HeadbenchError]) -> None:
    """Refuse what aliases multiply beyond what is meant, without walking all of it."""
    sizes: dict[int, tuple[int, int]] = {}  # node -> values below it, levels below it
    stack: list[tuple[yaml.Node, bool]] = [(root, False)]
    while stack:
        node, done = stack.pop()
        if id(node) in sizes:
            continue
        below = _children(node)
        if not done:
            stack.append((node, True))
            stack.extend((one, False) for one in below)
            continue
        count = 1 + sum(sizes[id(one)][0] for one in below)
        depth = 1 + max((sizes[id(one)][1] for one in below), default=-1)
        sizes[id(node)] = count, depth
        if count > MOST_NODES or depth > DEEPEST:
            problem = (
                f"the file expands to more than {MOST_NODES:,} values"
                if count > MOST_NODES
                else f"the file's aliases nest more than {DEEPEST} deep"
            )
            raise error(problem, where=f"{where}:{node.start_mark.line + 1}")


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [one for pair in node.value for one in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _construct(
    loader: yaml.SafeLoader, root: yaml.Node, where: str, error: type[HeadbenchError]
) -> object:
    """The value; a scalar that is not what it claims is named with its line."""
    seen: set[int] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        stack.extend(_children(node))
        if not isinstance(node, yaml.ScalarNode):
            continue
        spot = f"{where}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
        kind = node.tag.rpartition(":")[2]
        if kind == "int" and len(node.value) > DIGITS:
            raise error(f"an integer of {len(node.value):,} digits", where=spot)
        try:
            value = loader.construct_object(node)
        except _BAD_SCALAR as bad:
            raise error(
                f"{node.value[:60]!r} is no {_KINDS.get(kind, kind)}",
                where=spot,
                hint="quote it if it is a text",
            ) from bad
        if isinstance(value, float) and not math.isfinite(value):
            raise error(f"{node.value[:60]!r} is no finite number", where=spot)
    try:
        return loader.construct_document(root)
    except _BAD_SCALAR as bad:  # a collection that is not what its tag says
        raise error(f"not valid YAML: {bad}", where=where) from bad
