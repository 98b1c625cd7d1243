"""Recomputing a row's figures from recorded outputs, by the recipe that the row names."""

from __future__ import annotations

from pathlib import Path

from headbench._reading import is_file, resolved
from headbench.errors import ConfigError
from headbench.guard.published_cells import NOT_STATED, PublishedTable
from headbench.results.recipe import Recipe, Recomputed, Stated


def recompute(recipe: Recipe, table: PublishedTable, data: Path | None) -> Recomputed | None:
    """The figures of one row.

    Args:
        recipe: What to recompute, and from which files.
        table: Gives profile and parser.
        data: Folder of third-party data; ``None``: there is none.

    Returns:
        ``None`` where the recipe needs files that are not there.

    Raises:
        HeadbenchError: The files are there, and are not what the recipe says.
    """
    names = {key: str(getattr(recipe, key)) for key in recipe.files}
    if names and data is None:
        return None
    paths = {name: _inside(data, text) for name, text in names.items()} if data else {}
    if not all(is_file(path) for path in paths.values()):
        return None
    stated = Stated(table.table, _stated(table.parser), _stated(table.profile))
    return recipe.recompute(paths, stated)


def _stated(value: str | None) -> str | None:
    return None if value == NOT_STATED else value


def _inside(data: Path, name: str) -> Path:
    path = resolved(data / name)
    if not path.is_relative_to(resolved(data)):
        raise ConfigError(
            "a recipe names a file outside the data folder",
            where=name,
            hint="give paths relative to HEADBENCH_DATA",
        )
    return path
