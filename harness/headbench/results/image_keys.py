"""One key for the several ways in which files name an image."""

from __future__ import annotations

import re

from headbench.errors import DataError

ENDINGS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm",
    ".pgm", ".heic", ".avif",
)  # fmt: skip
"""Endings of image files; any case."""
_COCO = re.compile(r"(?:.*[/\\])?(?:COCO_[A-Za-z]+\d{4}_)?(\d{12})")


def image_key(image: object) -> str:
    """The key of an image, equal for all the ways in which it is named.

    ``42``, ``"42"``, ``42.0``, ``000000000042.jpg`` and ``COCO_val2014_000000000042.jpg`` are the
    same COCO image, whose number has twelve digits in file names. Of any other name only the ending
    of an image file is dropped: ``a.1`` and ``a.2`` are two images, and so are ``x/a.jpg`` and
    ``y/a.jpg``.

    Args:
        image: An id or a file name.
    """
    name = _name(image)
    ending = next((one for one in ENDINGS if name.lower().endswith(one)), "")
    stem = name[: len(name) - len(ending)] or name
    number = _COCO.fullmatch(stem)
    return str(int(number[1])) if number else stem


class ImageKeys:
    """The image keys of one file; two names that would become one key are refused.

    Args:
        where: Name of the file, for errors.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._names: dict[str, str] = {}

    def of(self, image: object) -> str:
        """The key of an image of the file.

        Raises:
            DataError: Another name of the file has this key.
        """
        key, name = image_key(image), _name(image)
        first = self._names.setdefault(key, name)
        if first != name:
            raise DataError(
                f"two images would be one: {first!r} and {name!r} both have the key {key!r}",
                where=self._where,
                hint="name each image in one way",
            )
        return key


def _name(image: object) -> str:
    """An id or a file name as text; a table may have made 42.0 of 42."""
    return str(int(image)) if isinstance(image, float) and image.is_integer() else str(image)
