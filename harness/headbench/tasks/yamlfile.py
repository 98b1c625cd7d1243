"""Reading one YAML file: safe, UTF-8, no duplicate keys, and every key remembers its line.

This module knows nothing of tasks. Errors name the file, the line and the column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from headbench._reading import read_file
from headbench._yaml import load
from headbench.errors import ConfigError

_LONGEST = 2**22
"""Largest task file, in bytes."""

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class YamlFile:
    """A parsed file.

    Attributes:
        path: Where it lies.
        data: Its top-level mapping.
        lines: Path of a key, e.g. ``("metric_list", 0, "metric")``, to its 1-based line.
    """

    path: Path
    data: Mapping[str, object]
    lines: Mapping[KeyPath, int]


def dotted(path: KeyPath) -> str:
    """A key path as people write it: ``metric_list[0].metric``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_text(path: Path) -> str:
    """The text of a UTF-8 file.

    Raises:
        ConfigError: The file is missing, unreadable, a folder, or not UTF-8.
    """
    try:
        return read_file(path, error=ConfigError, most=_LONGEST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            "the file is not UTF-8 text",
            where=f"{path}, byte {error.start}",
            hint="save it as UTF-8",
        ) from error


def read_yaml(path: Path) -> YamlFile:
    """Parse a file whose top level is a mapping.

    Raises:
        ConfigError: Unreadable, not YAML, a duplicate key, or not a mapping.
    """
    loaded = load(read_text(path), str(path), ConfigError)
    lines = dict(_walk(loaded.node, path)) if loaded.node is not None else {}
    data = loaded.data
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ConfigError(
            f"a task file is a mapping of names to values, not a {type(data).__name__}",
            where=str(path),
            hint="write `key: value` lines",
        )
    return YamlFile(path, data, lines)


def _walk(root: yaml.Node, file: Path) -> Iterator[tuple[KeyPath, int]]:
    """Yield the line of every key and list item; refuse duplicate keys."""
    stack: list[tuple[KeyPath, yaml.Node]] = [((), root)]
    while stack:
        path, node = stack.pop()
        if isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                line = key.start_mark.line + 1
                name = str(key.value)
                if name in keys:
                    raise ConfigError(
                        f"the key {name!r} stands twice",
                        where=f"{file}:{line}",
                        hint="keep one of the two",
                    )
                keys.add(name)
                yield (*path, name), line
                stack.append(((*path, name), value))
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                yield (*path, number), value.start_mark.line + 1
                stack.append(((*path, number), value))
