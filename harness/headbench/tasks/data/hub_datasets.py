"""``dataset_path: owner/name`` (hub) or ``datasets`` (a folder saved to disk)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field

from headbench.errors import ConfigError, DataError, nearest
from headbench.tasks.data.source import DataRow, DataSpec
from headbench.tasks.images import Images
from headbench.tasks.schema import Strict
from headbench.worlds.png import png

if TYPE_CHECKING:
    from PIL import Image

_COMMIT = re.compile(r"[0-9a-f]{40}")


class HubOptions(Strict):
    """``dataset_kwargs`` of the `datasets` library."""

    revision: str | None = Field(None, description="Full commit hash of a hub data set.")
    folder: str | None = Field(None, description="Folder written by `save_to_disk`.")
    image_fields: tuple[str, ...] = Field((), description="Columns that hold images.")


def rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Yield the rows of a pinned hub data set, or of one saved to disk.

    Raises:
        ConfigError: No pinned revision, or an unknown split.
        DataError: It cannot be had.
    """
    options = spec.options(HubOptions)
    table = _from_disk(spec, options) if spec.path == "datasets" else _from_hub(spec, options)
    for number, row in enumerate(table):
        fields = {key: value for key, value in row.items() if key not in options.image_fields}
        shown = {
            name: _register(images, row.get(name), f"{spec.split}/{number}/{name}")
            for name in options.image_fields
        }
        yield DataRow(
            fields if "id" in fields else {"id": f"{spec.split}-{number}", **fields}, shown
        )


def _from_hub(spec: DataSpec, options: HubOptions) -> Iterator[Mapping[str, Any]]:
    if options.revision is None or not _COMMIT.fullmatch(options.revision):
        raise ConfigError(
            "a hub data set is pinned by its full commit hash, because branches move",
            where=spec.where("revision"),
            hint="write dataset_kwargs.revision: 40 hexadecimal digits",
        )
    from datasets import load_dataset

    try:
        found = load_dataset(spec.path, spec.name, revision=options.revision, split=spec.split)
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(
            f"the data set cannot be loaded: {error}",
            where=f"{spec.path} at {options.revision[:12]}, split {spec.split}",
            hint="check the name, the split and the network",
        ) from error
    return cast("Iterator[Mapping[str, Any]]", iter(found))


def _from_disk(spec: DataSpec, options: HubOptions) -> Iterator[Mapping[str, Any]]:
    if options.folder is None:
        raise ConfigError("dataset_kwargs.folder is missing", where=spec.where("folder"))
    folder: Path = spec.locate("folder", options.folder)
    from datasets import DatasetDict, load_from_disk

    try:
        found = load_from_disk(str(folder))
    except (OSError, ValueError) as error:
        raise DataError(f"the folder holds no data set: {error}", where=str(folder)) from error
    if isinstance(found, DatasetDict):
        if spec.split not in found:
            raise ConfigError(
                f"the data set has no split {spec.split!r}",
                where=str(folder),
                hint=nearest(spec.split, found),
            )
        found = found[spec.split]
    return cast("Iterator[Mapping[str, Any]]", iter(found))


def _register(images: Images, value: object, label: str) -> str:
    if not hasattr(value, "convert"):
        raise DataError(f"the column holds no image but {type(value).__name__}", where=label)
    picture = cast("Image.Image", value)
    try:
        return images.named(label, lambda: png(picture))
    except ValueError as error:
        raise DataError(f"an image cannot be read: {error}", where=label) from error
