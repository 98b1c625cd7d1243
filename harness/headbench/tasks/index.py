"""Which tasks and groups there are: names to files, without reading more than YAML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from headbench import _plugins
from headbench._paths import tasks_root
from headbench._reading import is_file, is_folder, resolved
from headbench.errors import ConfigError, HeadbenchError, nearest
from headbench.tasks.merge import Merged, read_merged
from headbench.tasks.yamlfile import YamlFile


@dataclass(frozen=True)
class Entry:
    """One named file.

    Attributes:
        name: Value of its ``task`` or ``group`` key.
        kind: Which of the two.
        path: Where it lies.
        tags: Further names under which it is found.
        members: For a group: names of tasks, tags or groups.
        summary: ``metadata.description``.
        version: ``metadata.version``.
        needs_images: Whether it asks about images.
        files: What the user must bring: variables that name a file or folder, or an argument.
    """

    name: str
    kind: Literal["task", "group"]
    path: Path
    tags: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    summary: str = ""
    version: str = ""
    needs_images: bool = False
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Index:
    """All names of the searched folders.

    Attributes:
        entries: Name -> entry.
        problems: Files and installed folders that could not be read; they hide no other file.
    """

    entries: Mapping[str, Entry]
    problems: tuple[HeadbenchError, ...] = ()

    def tagged(self, tag: str) -> tuple[str, ...]:
        """Names of the entries that carry a tag, sorted."""
        return tuple(sorted(name for name, entry in self.entries.items() if tag in entry.tags))

    def expand(self, name: str, _chain: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Task names behind a task, group or tag, in order, each once.

        Raises:
            ConfigError: Nothing has this name, or groups contain each other in a circle.
        """
        if name in _chain:
            circle = " -> ".join((*_chain, name))
            raise ConfigError(f"groups contain each other in a circle: {circle}")
        entry = self.entries.get(name)
        if entry is not None and entry.kind == "task":
            return (name,)
        members = entry.members if entry is not None else self.tagged(name)
        if not members:
            raise self._unknown(name, _chain)
        found: dict[str, None] = {}
        for member in members:
            found |= dict.fromkeys(self.expand(member, (*_chain, name)))
        return tuple(found)

    def _unknown(self, name: str, chain: tuple[str, ...]) -> ConfigError:
        tags = {tag for entry in self.entries.values() for tag in entry.tags}
        hint = nearest(name, {*self.entries, *tags})
        if self.problems:
            first = str(self.problems[0]).replace("\n", " ")
            hint = f"{hint} ({len(self.problems)} files or folders cannot be used: {first})"
        if "/" in name:
            return ConfigError(
                "there is no such task file",
                where=name,
                hint="check the path; the name of a task, group or tag will do as well",
            )
        return ConfigError(
            f"there is no task, group or tag {name!r}",
            where=f"group {chain[-1]}" if chain else "",
            hint=f"{hint} `headbench ls tasks` lists all".strip(),
        )


def _given(include: Sequence[Path]) -> list[Path]:
    """The user's folders and task files; Python files may be included too, and hold no task.

    Raises:
        ConfigError: A folder or file does not exist.
    """
    given = [path for path in include if not (path.suffix == ".py" and is_file(path))]
    for path in given:
        if not is_folder(path) and not (path.suffix in SUFFIXES and is_file(path)):
            raise ConfigError(
                "there is no such folder or task file", where=str(path), hint="check --include"
            )
    return given


def _installed() -> tuple[list[Path], list[HeadbenchError]]:
    """Task folders of installed packages; and what is wrong with those that are left out."""
    found: list[Path] = []
    problems: list[HeadbenchError] = []
    for point in sorted(_plugins.entry_points("headbench.tasks"), key=lambda point: point.name):
        try:
            folder = Path(str(_plugins.load(point, "task folder")))
        except ConfigError as problem:
            problems.append(problem)
            continue
        if is_folder(folder):
            found.append(folder)
        else:
            problems.append(
                ConfigError(
                    f"the plugin {point.name!r} names a task folder that does not exist",
                    where=f"{folder}, {_plugins.described(point)}",
                    hint="correct the package or uninstall it",
                )
            )
    return found, problems


def build_index(include: Sequence[Path] = ()) -> Index:
    """Read every task file: packaged, of installed packages, of the user's folders and files.

    Files called ``_name.yaml`` are fragments for ``include``.

    Raises:
        ConfigError: Two files claim one name, a folder or file of ``include`` does not exist, or
            one of these files cannot be read.
    """
    entries: dict[str, Entry] = {}
    parsed: dict[Path, YamlFile] = {}
    installed, problems = _installed()
    for folder in (tasks_root(), *installed, *_given(include)):
        for path in task_files(folder):
            try:
                entry = _entry(read_merged(path, parsed))
            except HeadbenchError as problem:
                if is_file(folder):  # named by itself, not found among others
                    raise
                problems.append(problem)
                continue
            known = entries.setdefault(entry.name, entry)
            if resolved(known.path) == resolved(path):
                continue
            twice = ConfigError(
                f"two files claim the name {entry.name!r}",
                where=f"{known.path} and {path}",
                hint="rename one",
            )
            # A package that was installed for another reason must not stop every run.
            if folder not in installed or known.path.is_relative_to(folder):
                raise twice
            problems.append(twice)
    return Index(entries, tuple(problems))


SUFFIXES = (".yaml", ".yml")


def task_files(folder: Path) -> Iterator[Path]:
    """YAML files of a folder and its subfolders, sorted, without fragments; or the file itself."""
    if is_file(folder):
        yield folder
        return
    for path in sorted(folder.rglob("*.yaml")):
        if not path.name.startswith("_"):
            yield path


def _entry(merged: Merged) -> Entry:
    data = merged.data
    kind: Literal["task", "group"] = "group" if "group" in data else "task"
    name = data.get(kind)
    if not isinstance(name, str):
        raise ConfigError(
            "the file names neither a task nor a group",
            where=merged.where((kind,)) if kind in data else str(merged.path),
            hint="add `task: NAME`, or begin the file name with _ if it is only included",
        )
    metadata = data.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return Entry(
        name=name,
        kind=kind,
        path=merged.path,
        tags=_names(data.get("tag")),
        members=_names(data.get("task")) if kind == "group" else (),
        summary=str(metadata.get("description", "")),
        version=str(metadata.get("version", "")),
        needs_images=data.get("needs_images") is True,
        files=_brought(data),
    )


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value)) if isinstance(value, list) else ()


_VARIABLE = re.compile(r"HEADBENCH_[A-Z_]+")


def _brought(data: Mapping[str, Any]) -> tuple[str, ...]:
    """What a task reads that is the user's: named by a variable, or by an argument of its own."""
    found = dict.fromkeys(_VARIABLE.findall(repr(dict(data))))
    options, arguments = data.get("dataset_kwargs"), data.get("arguments")
    named = isinstance(arguments, dict) and "table" in arguments
    if named and isinstance(options, dict) and options.get("table") == "":
        found["--task-args table=FILE"] = None
    return tuple(found)
