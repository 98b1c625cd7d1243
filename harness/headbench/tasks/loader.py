"""From names or files to tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headbench.errors import ConfigError
from headbench.tasks.arguments import Arguments, check_known, overlaid
from headbench.tasks.index import Index, build_index
from headbench.tasks.merge import read_merged
from headbench.tasks.overrides import Overrides, check_taken, overridden
from headbench.tasks.problems import checked
from headbench.tasks.schema import GroupConfig, TaskConfig
from headbench.tasks.task import Task


def load(
    name: str | Path,
    include: Sequence[Path] = (),
    *,
    index: Index | None = None,
    args: Arguments | None = None,
) -> Task:
    """Load one task.

    Args:
        name: A task's name, or the path of a YAML file.
        include: Further folders to search.
        index: An index already built from ``include``.
        args: Values of the task's arguments (:mod:`headbench.tasks.arguments`).

    Raises:
        ConfigError: Unknown name, a group, or a broken file (``problems.TaskFileError``).
    """
    if isinstance(name, Path) or name.endswith((".yaml", ".yml")):
        return _one_file(Path(name), args)
    found = index or build_index(include)
    names = found.expand(name)
    if names != (name,):
        raise ConfigError(
            f"{name!r} names several tasks",
            where=", ".join(names),
            hint="name one of them, or use resolve_names",
        )
    return _one_file(found.entries[name].path, args)


def resolve_names(
    names: Sequence[str],
    include: Sequence[Path] = (),
    args: Arguments | None = None,
    changes: Overrides | None = None,
) -> list[Task]:
    """Load the tasks behind names, groups, tags and files, in order, each once.

    Args:
        names: Tasks, groups, tags or YAML files.
        include: Further folders to search.
        args: Values of the tasks' arguments (:mod:`headbench.tasks.arguments`).
        changes: What the run changes in all of them (:mod:`headbench.tasks.overrides`).

    Raises:
        ConfigError: Unknown name, a broken file, or an argument or change that none of the tasks
            takes.
    """
    files = [name for name in names if name.endswith((".yaml", ".yml"))]
    index = build_index(include) if len(files) < len(names) else Index({})
    tasks: dict[str, Task] = {}
    for name in names:
        if name in files:
            task = load_file(Path(name), args, changes)
            tasks.setdefault(task.name, task)
            continue
        for member in index.expand(name):
            if member not in tasks:
                tasks[member] = load_file(index.entries[member].path, args, changes)
    files_read = [(task.name, task.merged) for task in tasks.values()]
    check_known(args or {}, files_read)
    check_taken(changes or Overrides(), files_read)
    return list(tasks.values())


def _one_file(path: Path, args: Arguments | None) -> Task:
    """One task that takes every argument."""
    task = load_file(path, args)
    check_known(args or {}, [(task.name, task.merged)])
    return task


def load_file(path: Path, args: Arguments | None = None, changes: Overrides | None = None) -> Task:
    """Load one task file.

    Args:
        path: The file.
        args: Values of arguments; those that it does not take are left alone.
        changes: What the run changes in every task.

    Raises:
        ConfigError: Broken file, with every wrong key named.
    """
    merged = overridden(overlaid(read_merged(path), args or {}), changes or Overrides())
    config = checked(TaskConfig, merged.data, merged)
    return Task.build(config, merged)


def load_group(path: Path) -> GroupConfig:
    """Load one group file.

    Raises:
        ConfigError: Broken file.
    """
    merged = read_merged(path)
    return checked(GroupConfig, merged.data, merged)
