"""The list of images that were asked about, from a user's file."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path

from headbench._json import json_values
from headbench._reading import expanded, read_file
from headbench.errors import DataError
from headbench.results.fields import Fields
from headbench.results.image_keys import ImageKeys
from headbench.results.recorded import Recorded, decode

SHOWN = 3
"""Names that an error shows."""


def asked_images(path: Path, known: Collection[str]) -> tuple[tuple[str, ...], Recorded]:
    """Keys of the images of a list, in its order, and the file as an input.

    Args:
        path: One name or id per line, a JSON list of them, or rows with a field for the image, as
            JSON lines or a list of objects; gzipped or not.
        known: Image keys that have a ground truth.

    Raises:
        DataError: The list is empty, names an image twice or one without ground truth, or holds
            something else than names.
    """
    stored = read_file(path, "the list of images")
    try:
        text, encoding = decode(expanded(stored, str(path)))
    except UnicodeDecodeError as error:
        raise DataError(
            "the list of images breaks off within a character",
            where=f"{path}, byte {error.start}",
            hint="save it as UTF-8",
        ) from error
    form = "JSON" if text.lstrip()[:1] in ("[", "{") else "lines"
    names = _json_names(text, path) if form == "JSON" else _lines(text)
    keys = ImageKeys(path.name)
    found: dict[str, None] = {}
    for name in names:
        key = keys.of(name)
        if key in found:
            raise DataError(f"the image {key} is listed twice", where=str(path))
        found[key] = None
    if not found:
        raise DataError("the list of images is empty", where=str(path))
    strange = [key for key in found if key not in known]
    if strange:
        raise DataError(
            f"{len(strange):,} of {len(found):,} listed images have no ground truth: "
            f"{_some(strange)}",
            where=str(path),
            hint="correct their names, or give the ground truth of every image that was asked",
        )
    sha256 = hashlib.sha256(stored).hexdigest()
    return tuple(found), Recorded((), path.name, sha256, form, encoding)


def refuse_others(captioned: Iterable[str], asked: Collection[str], log: str) -> None:
    """Refuse captions of images that were not asked.

    Raises:
        DataError: There are some: the list is of another run, or not complete.
    """
    others = [image for image in captioned if image not in asked]
    if others:
        raise DataError(
            f"captions of {len(others):,} images that --images does not list: {_some(others)}",
            where=log,
            hint="give the list of this run, or keep only the captions of listed images",
        )


def _some(names: list[str]) -> str:
    return ", ".join(name[:60] for name in names[:SHOWN]) + (", ..." if names[SHOWN:] else "")


def _lines(text: str) -> list[object]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _json_names(text: str, path: Path) -> list[object]:
    values = json_values(text, str(path))
    rows = values[0] if len(values) == 1 and isinstance(values[0], list) else values
    fields = Fields()
    names: list[object] = []
    for number, row in enumerate(rows, start=1):
        name = fields.find(row, "image") if isinstance(row, dict) else row
        if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
            raise DataError(
                "an image is given by its name or id",
                where=f"{path}, entry {number}",
                hint='for example ["000000000042.jpg", 57], or {"image_id": 42}',
            )
        names.append(name)
    return names
