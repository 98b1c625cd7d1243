"""``dataset_path: world``: data that the package makes itself, from a seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import import_module

from headbench.errors import ConfigError, nearest
from headbench.tasks.data.source import DataSpec, Row
from headbench.tasks.images import Images

WORLDS: Mapping[str, str] = {
    "needles": "headbench.families.needles.needle_world_rows:needle_rows",
    "scenes-pope": "headbench.families.scene_rows:pope_rows",
    "scenes-chair": "headbench.families.scene_rows:caption_rows",
    "walls": "headbench.families.walls.wall_world_rows:wall_rows",
    "labels": "headbench.families.stickiness.label_world_rows:label_rows",
}
"""``dataset_kwargs.name`` -> function."""


def rows(spec: DataSpec, images: Images) -> Iterator[Row]:
    """Rows of a packaged world; the same arguments give the same rows on every machine.

    ``dataset_kwargs.seed`` picks the data (0 if left out); ``seed: run`` lets the run's seed do so.

    Raises:
        ConfigError: No world has this name, or an option is wrong.
    """
    name = spec.kwargs.get("name")
    if not isinstance(name, str) or name not in WORLDS:
        raise ConfigError(
            f"there is no world {name!r}" if name else "dataset_kwargs.name names no world",
            where=spec.where("name"),
            hint=nearest(str(name), WORLDS),
        )
    own = {key: value for key, value in spec.kwargs.items() if key != "name"}
    if own.get("seed") == "run":
        own["seed"] = spec.seed
    module, _, function = WORLDS[name].partition(":")
    make = getattr(import_module(module), function)
    made: Iterator[Row] = make(replace(spec, kwargs=own), images)
    return made
