"""``dataset_path: world``: data that the package makes itself, from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

from headbench.errors import ConfigError, nearest
from headbench.scoring import family
from headbench.tasks.data.source import DataRow, DataSpec, Source
from headbench.tasks.images import Images


def rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Rows of a packaged world; the same arguments give the same rows on every machine.

    ``dataset_kwargs.seed`` picks the data (0 if left out); ``seed: run`` lets the run's seed do so.

    Raises:
        ConfigError: No world has this name, or an option is wrong.
    """
    name = spec.kwargs.get("name")
    worlds = family.names("worlds")
    if not isinstance(name, str) or name not in worlds:
        raise ConfigError(
            f"there is no world {name!r}" if name else "dataset_kwargs.name names no world",
            where=spec.where("name"),
            hint=nearest(str(name), worlds),
        )
    own = {key: value for key, value in spec.kwargs.items() if key != "name"}
    if own.get("seed") == "run":
        own["seed"] = spec.seed
    return cast("Source", family.load("worlds", name))(replace(spec, kwargs=own), images)
