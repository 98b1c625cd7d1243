"""Where documents come from: a source is a function that yields rows, found by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from headbench.errors import ConfigError, nearest
from headbench.scoring import family
from headbench.tasks.data.source import DataRow, DataSpec, Source
from headbench.tasks.images import Images

HUB = "datasets"
"""Source of hub data sets, whose ``dataset_path`` is their own name."""


def read_rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Rows of a task's data.

    Args:
        spec: What the task file says.
        images: Where images are registered.

    Raises:
        ConfigError: Unknown source, or an option that it does not take.
        DataError: The data is absent or broken.
    """
    known = family.names("sources")
    name = spec.path
    if name not in known:
        if "/" not in name:
            raise ConfigError(
                f"unknown data source {name!r}",
                where=spec.merged.where(("dataset_path",)),
                hint=nearest(name, known),
            )
        if "revision" not in spec.kwargs:
            raise ConfigError(
                f"unknown data source {name!r}",
                where=spec.merged.where(("dataset_path",)),
                hint="a hub data set needs dataset_kwargs.revision: the full commit hash",
            )
        name = HUB
    return cast("Source", family.load("sources", name))(spec, images)
