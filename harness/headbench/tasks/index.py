"""Which tasks and groups there are: names to files, without reading more than YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headbench._paths import tasks_root
from headbench._plugins import entry_points
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
    """

    name: str
    kind: Literal["task", "group"]
    path: Path
    tags: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    summary: str = ""
    version: str = ""
    needs_images: bool = False


@dataclass(frozen=True)
class Index:
    """All names of the searched folders.

    Attributes:
        entries: Name -> entry.
        problems: Files that could not be read; they hide no other file.
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
            hint = f"{hint} ({len(self.problems)} task file(s) could not be read: {first})"
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


def search_path(include: Sequence[Path] = ()) -> tuple[Path, ...]:
    """What is searched: the packaged folder, installed plugins', the user's folders and task files.

    Python files may be included too; they hold no task.

    Raises:
        ConfigError: A folder or file of ``include`` does not exist.
    """
    plugins: list[Path] = []
    for point in sorted(entry_points(group="headbench.tasks"), key=lambda p: p.name):
        folder = Path(str(point.load()))
        if not is_folder(folder):
            raise ConfigError(
                f"the plugin {point.name!r} names a task folder that does not exist",
                where=str(folder),
                hint="reinstall the plugin",
            )
        plugins.append(folder)
    folders_given = [path for path in include if not (path.suffix == ".py" and is_file(path))]
    for path in folders_given:
        if not is_folder(path) and not (path.suffix in SUFFIXES and is_file(path)):
            raise ConfigError(
                "there is no such folder or task file", where=str(path), hint="check --include"
            )
    return (tasks_root(), *plugins, *folders_given)


def build_index(include: Sequence[Path] = ()) -> Index:
    """Read every task file of the search path; ``_name.yaml`` are fragments for ``include``.

    Raises:
        ConfigError: Two files claim one name.
    """
    entries: dict[str, Entry] = {}
    problems: list[HeadbenchError] = []
    parsed: dict[Path, YamlFile] = {}
    for folder in search_path(include):
        for path in task_files(folder):
            try:
                entry = _entry(read_merged(path, parsed))
            except HeadbenchError as problem:
                problems.append(problem)
                continue
            known = entries.get(entry.name)
            if known is not None and resolved(known.path) != resolved(path):
                raise ConfigError(
                    f"two files claim the name {entry.name!r}",
                    where=f"{known.path} and {path}",
                    hint="rename one",
                )
            entries[entry.name] = entry
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
    )


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value)) if isinstance(value, list) else ()
