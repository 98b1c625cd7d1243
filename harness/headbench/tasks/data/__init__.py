"""Where documents come from: one small module a kind of source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from headbench.errors import ConfigError, nearest
from headbench.tasks.data.source import DataSpec, Row
from headbench.tasks.images import Images

SOURCES: Mapping[str, str] = {
    "world": "world",
    "json": "files",
    "jsonl": "files",
    "csv": "files",
    "text_folder": "text_folder",
    "ruler": "ruler",
    "walls": "walls_files",
    "annotations": "annotations",
    "pope_files": "pope_files",
    "coco": "coco",
    "datasets": "hub",
}
"""``dataset_path`` -> module of this package, imported when a task first uses it."""


def read_rows(spec: DataSpec, images: Images) -> Iterator[Row]:
    """Rows of a task's data.

    Args:
        spec: What the task file says.
        images: Where images are registered.

    Raises:
        ConfigError: Unknown source, or an option that it does not take.
        DataError: The data is absent or broken.
    """
    module = SOURCES.get(spec.path)
    if module is None and "/" in spec.path and "revision" in spec.kwargs:
        module = "hub"
    if module is None:
        hint = nearest(spec.path, SOURCES)
        if "/" in spec.path:
            hint = "a hub data set needs dataset_kwargs.revision: the full commit hash"
        raise ConfigError(
            f"unknown data source {spec.path!r}",
            where=spec.merged.where(("dataset_path",)),
            hint=hint,
        )
    source = import_module(f"headbench.tasks.data.{module}")
    rows: Iterator[Row] = source.rows(spec, images)
    return rows
