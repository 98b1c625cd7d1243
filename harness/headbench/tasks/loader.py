"""From names or files to tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headbench.errors import ConfigError
from headbench.tasks.index import Index, build_index
from headbench.tasks.merge import read_merged
from headbench.tasks.problems import checked
from headbench.tasks.schema import GroupConfig, TaskConfig
from headbench.tasks.task import Task


def load(name: str | Path, include: Sequence[Path] = (), *, index: Index | None = None) -> Task:
    """Load one task.

    Args:
        name: A task's name, or the path of a YAML file.
        include: Further folders to search.
        index: An index already built from ``include``.

    Raises:
        ConfigError: Unknown name, a group, or a broken file (``problems.TaskFileError``).
    """
    if isinstance(name, Path) or name.endswith((".yaml", ".yml")):
        return load_file(Path(name))
    found = index or build_index(include)
    names = found.expand(name)
    if names != (name,):
        raise ConfigError(
            f"{name!r} names several tasks",
            where=", ".join(names),
            hint="name one of them, or use resolve_names",
        )
    return load_file(found.entries[name].path)


def resolve_names(names: Sequence[str], include: Sequence[Path] = ()) -> list[Task]:
    """Load the tasks behind names, groups, tags and files, in order, each once.

    Raises:
        ConfigError: Unknown name, or a broken file.
    """
    files = [name for name in names if name.endswith((".yaml", ".yml"))]
    index = build_index(include) if len(files) < len(names) else Index({})
    tasks: dict[str, Task] = {}
    for name in names:
        if name in files:
            task = load_file(Path(name))
            tasks.setdefault(task.name, task)
            continue
        for member in index.expand(name):
            if member not in tasks:
                tasks[member] = load_file(index.entries[member].path)
    return list(tasks.values())


def load_file(path: Path) -> Task:
    """Load one task file.

    Raises:
        ConfigError: Broken file, with every wrong key named.
    """
    merged = read_merged(path)
    config = checked(TaskConfig, merged.data, merged)
    return Task.build(config, merged)


def load_group(path: Path) -> GroupConfig:
    """Load one group file.

    Raises:
        ConfigError: Broken file.
    """
    merged = read_merged(path)
    return checked(GroupConfig, merged.data, merged)
