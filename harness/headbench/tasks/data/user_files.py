"""``dataset_path: json``, ``jsonl`` or ``csv``: the user's own files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from pydantic import Field

from headbench._reading import is_folder
from headbench.errors import ConfigError, DataError, nearest
from headbench.tasks.data.source import DataRow, DataSpec
from headbench.tasks.data.tables import read_table
from headbench.tasks.images import Images
from headbench.tasks.schema import Strict


class FileOptions(Strict):
    """``dataset_kwargs`` of local files."""

    data_files: str | dict[str, str] = Field(
        description="A file, or split -> file. One file serves every split: documents that were "
        "taken as examples are then left out of the test."
    )
    field: str | None = Field(None, description="Key of the list of rows within a JSON object.")
    encoding: str = Field("utf-8", description="Encoding of the files.")
    image_folder: str | None = Field(None, description="Folder of the images.")
    image_field: str = Field("image", description="Field that holds an image's file name.")
    sample: int | None = Field(None, ge=1, description="Draw so many rows, in a seeded order.")
    sample_seed: int = Field(0, description="Seed of the draw.")


def rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Yield the rows of a file; each gets an ``id`` from its content where it has none."""
    options = spec.options(FileOptions)
    path = split_file(spec, options.data_files)
    table = read_table(path, options.encoding, options.field)
    folder = ImageFolder(spec, options.image_folder) if options.image_folder else None
    seen: dict[str, int] = {}
    for number in drawn(len(table), options.sample, options.sample_seed):
        fields, shown = table[number], {}
        if folder is not None:
            name = fields.get(options.image_field)
            where = f"{path}, row {number + 1}, field {options.image_field!r}"
            shown[options.image_field] = folder.add(name, images, where)
        yield DataRow(named(fields, seen), shown, f"{path.name}, row {number + 1}")


def drawn(count: int, sample: int | None, seed: int) -> Sequence[int]:
    """Places of the rows to take: all in order, or a seeded draw."""
    places = range(count)
    return places if sample is None else Random(seed).sample(places, min(sample, count))


def named(fields: dict[str, object], seen: dict[str, int]) -> dict[str, object]:
    """The fields with an ``id``: their own, or one of their content.

    Args:
        fields: A row.
        seen: Content -> how often it came; filled here.
    """
    return fields if "id" in fields else {"id": _own_id(fields, seen), **fields}


class ImageFolder:
    """The images of one folder, found by file name alone: recorded paths are never followed.

    Args:
        spec: For the location of the folder and for errors.
        folder: As the task file names it.
        option: Key of ``dataset_kwargs`` that names it.

    Raises:
        DataError: The folder is absent.
    """

    def __init__(self, spec: DataSpec, folder: str, option: str = "image_folder") -> None:
        self._folder = spec.locate(option, folder)
        if not is_folder(self._folder):
            raise DataError("the image folder is a file", where=str(self._folder))
        self._files: dict[str, Path] = {
            path.name: path for path in sorted(self._folder.iterdir()) if path.is_file()
        }

    def add(self, name: object, images: Images, where: str) -> str:
        """Register an image by its file name; returns its content hash.

        Raises:
            DataError: The name is a path, or the folder has no such file.
        """
        if not isinstance(name, str) or "/" in name or "\\" in name:
            raise DataError(
                f"an image is named by its file name alone, not {name!r}",
                where=where,
                hint="put all images in one folder and name them without folders",
            )
        if name not in self._files:
            hint = nearest(name, self._files) if len(self._files) < 2000 else ""
            raise DataError(
                f"the image {name!r} is missing", where=f"{where}; folder {self._folder}", hint=hint
            )
        return images.add_file(self._files[name])


def split_file(spec: DataSpec, data_files: str | dict[str, str]) -> Path:
    """The file of a split; one file given alone serves every split.

    Raises:
        ConfigError: The mapping names no such split.
        AbsentDataError: The file is not there.
    """
    if isinstance(data_files, str):
        return spec.locate("data_files", data_files)
    if spec.split not in data_files:
        raise ConfigError(
            f"data_files names no split {spec.split!r}",
            where=spec.where("data_files"),
            hint=nearest(spec.split, data_files),
        )
    return spec.locate("data_files", data_files[spec.split])


def _own_id(fields: dict[str, object], seen: dict[str, int]) -> str:
    """An id that depends on content, not on position; repeated rows are counted."""
    text = json.dumps(fields, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    seen[digest] = seen.get(digest, 0) + 1
    return digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
