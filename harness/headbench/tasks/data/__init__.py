"""Where documents come from: one small module a kind of source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from headbench.errors import ConfigError, nearest
from headbench.tasks.data.source import DataSpec, Row
from headbench.tasks.images import Images

SOURCES: Mapping[str, str] = {
    "world": "headbench.tasks.data.world",
    "json": "headbench.tasks.data.files",
    "jsonl": "headbench.tasks.data.files",
    "csv": "headbench.tasks.data.files",
    "text_folder": "headbench.families.needles.text_folder_rows",
    "ruler": "headbench.families.needles.ruler_rows",
    "walls": "headbench.families.walls.walls_files",
    "annotations": "headbench.families.stickiness.annotation_files",
    "pope_files": "headbench.families.pope.pope_files",
    "coco": "headbench.families.coco_rows",
    "datasets": "headbench.tasks.data.hub",
}
"""``dataset_path`` -> module, imported when a task first uses it."""


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
        module = "headbench.tasks.data.hub"
    if module is None:
        hint = nearest(spec.path, SOURCES)
        if "/" in spec.path:
            hint = "a hub data set needs dataset_kwargs.revision: the full commit hash"
        raise ConfigError(
            f"unknown data source {spec.path!r}",
            where=spec.merged.where(("dataset_path",)),
            hint=hint,
        )
    source = import_module(module)
    rows: Iterator[Row] = source.rows(spec, images)
    return rows
