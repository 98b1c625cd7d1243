"""Reading one YAML file: safe, UTF-8, no duplicate keys, and every key remembers its line.

This module knows nothing of tasks. Errors name the file, the line and the column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from headbench.errors import ConfigError

# libyaml is several times faster; the pure loader reads the same language.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MOST_NODES = 100_000
"""Aliases can multiply a small file into an endless one; no task file comes near this."""

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
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            "the file is not UTF-8 text",
            where=f"{path}, byte {error.start}",
            hint="save it as UTF-8",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"cannot read the file: {error.strerror or error}",
            where=str(path),
            hint="check the path and its permissions",
        ) from error


def read_yaml(path: Path) -> YamlFile:
    """Parse a file whose top level is a mapping.

    Raises:
        ConfigError: Unreadable, not YAML, a duplicate key, or not a mapping.
    """
    text = read_text(path)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        lines = dict(_walk(node, path)) if node is not None else {}
        data = loader.construct_document(node) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        spot = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigError(
            f"not valid YAML: {error.problem or error.context}",
            where=spot,
            hint="check indentation, colons and quotes there",
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"not valid YAML: {error}", where=str(path)) from error
    finally:
        loader.dispose()
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ConfigError(
            f"a task file is a mapping of names to values, not a {type(data).__name__}",
            where=str(path),
            hint="write `key: value` lines",
        )
    return YamlFile(path, data, lines)


def _walk(root: yaml.Node, file: Path) -> Iterator[tuple[KeyPath, int]]:
    """Yield the line of every key and list item; refuse duplicate keys and runaway aliases."""
    stack: list[tuple[KeyPath, yaml.Node]] = [((), root)]
    seen = 0
    while stack:
        path, node = stack.pop()
        seen += 1
        if seen > _MOST_NODES:
            raise ConfigError(
                "the file expands to too many values (recursive aliases?)", where=str(file)
            )
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
