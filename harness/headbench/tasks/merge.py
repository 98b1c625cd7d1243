"""``include``: a deep merge of YAML files that remembers where each value came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headbench.errors import ConfigError
from headbench.tasks.yamlfile import KeyPath, YamlFile, dotted, read_yaml


@dataclass(frozen=True)
class Origin:
    """The line of a file that set a value."""

    path: Path
    line: int

    def __str__(self) -> str:
        """``file:line``, as editors open it."""
        return f"{self.path}:{self.line}"


@dataclass(frozen=True)
class Merged:
    """A file with everything it includes.

    Attributes:
        path: The file that was asked for.
        data: The merged mapping; ``include`` is as the file itself wrote it.
        origins: Key path -> the line that won.
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
        place = str(self.origins[known]) if known else str(self.path)
        return f"{place}, key {dotted(path)}" if path else place


def read_merged(path: Path) -> Merged:
    """Read a file and merge what it includes: the includer wins, lists are replaced whole.

    Raises:
        ConfigError: A file is unreadable or includes itself in a circle.
    """
    return _merge(path, ())


def _merge(path: Path, chain: tuple[Path, ...]) -> Merged:
    resolved = path.resolve()
    if resolved in chain:
        circle = " -> ".join(str(step.name) for step in (*chain, resolved))
        raise ConfigError(
            f"files include each other in a circle: {circle}",
            where=str(path),
            mend="remove one `include`",
        )
    own = read_yaml(path)
    data: dict[str, object] = {}
    origins: dict[KeyPath, Origin] = {}
    files: list[Path] = []
    for name in _includes(own):
        target = path.parent / name
        if not target.is_file():
            raise ConfigError(
                f"the included file {name!r} does not exist",
                where=f"{path}:{own.lines.get(('include',), 1)}",
                mend="paths are relative to the including file",
            )
        part = _merge(target, (*chain, resolved))
        _overlay(data, origins, part.data, part.origins)
        files.extend(file for file in part.files if file not in files)
    lines = {key: Origin(path, line) for key, line in own.lines.items()}
    _overlay(data, origins, own.data, lines)
    return Merged(path, data, origins, (*files, path))


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
    at: KeyPath = (),
) -> None:
    """Lay ``upper`` over ``data`` in place; mappings merge, everything else is replaced."""
    for key, value in upper.items():
        path = (*at, key)
        below = data.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            merged = dict(below)
            _overlay(merged, origins, value, upper_origins, path)
            data[key] = merged
        else:
            for stale in [known for known in origins if known[: len(path)] == path]:
                del origins[stale]
            data[key] = value
            for known, origin in upper_origins.items():
                if known[: len(path)] == path:
                    origins[known] = origin
        if path in upper_origins:
            origins[path] = upper_origins[path]
