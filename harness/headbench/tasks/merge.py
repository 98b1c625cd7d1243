"""``include``: a deep merge of YAML files that remembers where each value came from.

A file includes others by their path, relative to itself, or a packaged task by its name. ``null``
deletes a key that an included file sets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from headbench._paths import tasks_root
from headbench._reading import is_file, resolved
from headbench.errors import ConfigError, nearest
from headbench.tasks.yamlfile import KeyPath, YamlFile, dotted, read_yaml


@dataclass(frozen=True)
class Origin:
    """The line of a file that set a value; line 0 is an option of the command line."""

    path: Path
    line: int

    def __str__(self) -> str:
        """``file:line``, as editors open it."""
        return f"{self.path}:{self.line}" if self.line else str(self.path)


@dataclass(frozen=True)
class Merged:
    """A file with everything it includes.

    Attributes:
        path: The file that was asked for.
        data: The merged mapping; ``include`` is as the file itself wrote it.
        origins: Key path -> the line that won, or that deleted the key.
        files: Every file that took part, the included ones first.
    """

    path: Path
    data: Mapping[str, object]
    origins: Mapping[KeyPath, Origin]
    files: tuple[Path, ...]

    def where(self, path: KeyPath) -> str:
        """``file:line, key a.b[0]`` of a key, or of its nearest parent that has a line."""
        known = path
        while known and known not in self.origins:
            known = known[:-1]
        if not known:
            return f"{self.path}, key {dotted(path)}" if path else self._all_files()
        place = str(self.origins[known])
        # A mapping may be written in several files; no one of them has all of it.
        others: dict[Path, str] = {}
        for key, origin in self.origins.items():
            if key[: len(known)] == known and origin.path != self.origins[known].path:
                others.setdefault(origin.path, str(origin))
        also = f", and {', '.join(others.values())}" if others else ""
        return f"{place}{also}, key {dotted(path)}"

    def _all_files(self) -> str:
        included = [str(file) for file in self.files if file != self.path]
        return f"{self.path} (includes {', '.join(included)})" if included else str(self.path)


def read_merged(path: Path, parsed: dict[Path, YamlFile] | None = None) -> Merged:
    """Read a file and merge what it includes.

    The includer wins, lists are replaced whole, ``null`` deletes what was included.

    Args:
        path: The file.
        parsed: Files already parsed, by resolved path; added to. Pass one dictionary when reading
            many files that include the same ones.

    Raises:
        ConfigError: A file is unreadable or includes itself in a circle.
    """
    return _merge(path, (), {} if parsed is None else parsed)


def _merge(path: Path, chain: tuple[Path, ...], parsed: dict[Path, YamlFile]) -> Merged:
    place = resolved(path)
    if place in chain:
        circle = " -> ".join(str(step.name) for step in (*chain, place))
        raise ConfigError(
            f"files include each other in a circle: {circle}",
            where=str(path),
            hint="remove one `include`",
        )
    if place not in parsed:
        parsed[place] = read_yaml(path)
    own = parsed[place]
    data: dict[str, object] = {}
    origins: dict[KeyPath, Origin] = {}
    files: list[Path] = []
    for name in _includes(own):
        target = _target(path, name, f"{path}:{own.lines.get(('include',), 1)}")
        part = _merge(target, (*chain, place), parsed)
        _overlay(data, origins, part.data, part.origins)
        files.extend(file for file in part.files if file not in files)
    lines = {key: Origin(path, line) for key, line in own.lines.items()}
    _overlay(data, origins, own.data, lines)
    return Merged(path, data, origins, (*files, path))


def _target(path: Path, name: str, where: str) -> Path:
    """The file that an ``include`` of ``path`` names.

    Raises:
        ConfigError: There is none, or the name is both a file's and a packaged task's.
    """
    beside = path.parent / name
    plain = re.fullmatch(r"\w+", name) is not None
    packaged = packaged_tasks().get(name) if plain else None
    if packaged is None and is_file(beside):
        return beside
    if packaged is None:
        hint = nearest(name, packaged_tasks()) if plain else ""
        raise ConfigError(
            f"there is no {'file or packaged task' if plain else 'included file'} {name!r}",
            where=where,
            hint=hint or "paths are relative to the including file",
        )
    if is_file(beside):
        raise ConfigError(
            f"{name!r} is a packaged task, and a file beside this one",
            where=where,
            hint=f"write ./{name} for the file",
        )
    return packaged


@cache
def packaged_tasks() -> Mapping[str, Path]:
    """Name of each packaged task, but not of a group -> its file."""
    found: dict[str, Path] = {}
    for path in sorted(tasks_root().rglob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        named = re.search(r"^task: *(\w+) *$", text, re.MULTILINE)
        if named and not re.search(r"^group:", text, re.MULTILINE):
            found[named[1]] = path
    return found


def _includes(file: YamlFile) -> list[str]:
    """The names in a file's ``include``: one, or a list."""
    value = file.data.get("include", [])
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            "`include` is a file name or a list of file names",
            where=f"{file.path}:{file.lines.get(('include',), 1)}",
        )
    return names


def _overlay(
    data: dict[str, object],
    origins: dict[KeyPath, Origin],
    upper: Mapping[str, object],
    upper_origins: Mapping[KeyPath, Origin],
) -> None:
    """Lay ``upper`` over ``data`` in place.

    Mappings merge, ``null`` deletes, everything else is replaced.
    """
    replaced: set[KeyPath] = set()
    _lay(data, upper, (), replaced)
    if replaced:
        # What stood below a replaced value has no line any more.
        stale = [
            known
            for known in origins
            if any(known[:length] in replaced for length in range(1, len(known) + 1))
        ]
        for known in stale:
            del origins[known]
    origins.update(upper_origins)


def _lay(
    data: dict[str, object], upper: Mapping[str, object], at: KeyPath, replaced: set[KeyPath]
) -> None:
    for key, value in upper.items():
        below = data.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            merged = dict(below)
            _lay(merged, value, (*at, key), replaced)
            data[key] = merged
        else:
            if key in data:
                replaced.add((*at, key))
            if key in data and value is None:
                del data[key]
            else:
                data[key] = value
