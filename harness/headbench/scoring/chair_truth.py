"""Which objects an image holds: from COCO's annotation files, or as given.

Rohrbach et al. 2018 (arXiv 1809.02156) take the union of the segmented categories and of what the
same extractor reads in the five reference captions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headbench.errors import DataError
from headbench.scoring.chair_lexicon import Lexicon

Truth = dict[str, tuple[str, ...]]
"""Image id as text, without leading zeros -> objects, sorted."""


def image_key(image: object) -> str:
    """One form for the ways an image is named.

    ``42``, ``"42"``, ``42.0`` and ``COCO_val2014_000000000042.jpg`` are the same COCO image. Names
    that do not end in a number stay as they are, without their folder and ending.

    Args:
        image: An id or a file name.
    """
    if isinstance(image, float) and image.is_integer():
        image = int(image)
    name = str(image).replace("\\", "/").rsplit("/", 1)[-1].strip()
    stem = name.rsplit(".", 1)[0] if "." in name else name
    if stem.isdigit():
        return str(int(stem))
    tail = stem.rsplit("_", 1)[-1]
    return str(int(tail)) if stem.startswith("COCO_") and tail.isdigit() else stem


def coco_truth(
    instances: Iterable[Mapping[str, object]],
    captions: Iterable[Mapping[str, object]],
    lexicon: Lexicon,
) -> Truth:
    """Objects of every image that has an annotation.

    Args:
        instances: Loaded ``instances_*.json`` files (``annotations`` and ``categories``).
        captions: Loaded ``captions_*.json`` files (``annotations`` with ``caption``).
        lexicon: The extractor that also reads the model's captions.

    Raises:
        DataError: A file has no ``annotations``, or an annotation names no image.
    """
    objects: dict[str, set[str]] = {}
    for document in instances:
        names = {
            row["id"]: lexicon.nodes.get(str(row["name"]), str(row["name"]))
            for row in _rows(document, "categories", "id", "name")
        }
        for row in _rows(document, "annotations"):
            if row.get("category_id") in names:
                objects.setdefault(_image(row), set()).add(names[row["category_id"]])
    for document in captions:
        for row in _rows(document, "annotations"):
            if "caption" in row:
                read = lexicon.mentions(str(row["caption"]))
                objects.setdefault(_image(row), set()).update(read)
    return {image: tuple(sorted(found)) for image, found in objects.items()}


def given_truth(document: Mapping[str, object], lexicon: Lexicon | None = None) -> Truth:
    """Ground truth as ``{image: [object, ...]}``.

    Args:
        document: The loaded JSON object.
        lexicon: If given, every object must be one of its node words.

    Raises:
        DataError: An entry is no list of words, or names an object that the lexicon cannot find.
    """
    known = None if lexicon is None else set(lexicon.nodes.values())
    truth: Truth = {}
    for image, objects in document.items():
        if not isinstance(objects, list) or not all(isinstance(name, str) for name in objects):
            raise DataError(
                "ground truth must map each image to a list of object names", where=f"key {image!r}"
            )
        strange = sorted(set(objects) - known) if known is not None else []
        if strange:
            raise DataError(
                f"the profile does not know {', '.join(strange[:5])}",
                where=f"ground truth of image {image!r}",
                mend="use the profile's node words, or choose another profile",
            )
        truth[image_key(image)] = tuple(sorted(set(objects)))
    return truth


def _rows(document: Mapping[str, object], key: str, *fields: str) -> list[Mapping[str, object]]:
    """A list of an annotation file, whose rows all have these fields."""
    rows = document.get(key)
    if not isinstance(rows, list):
        raise DataError(f"an annotation file lacks the list {key!r}")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or not set(fields) <= row.keys():
            raise DataError(
                f"{key!r} of an annotation file must be objects with {', '.join(fields) or 'keys'}",
                where=f"row {number} of {key!r}",
            )
    return rows


def _image(row: Mapping[str, object]) -> str:
    if "image_id" not in row:
        raise DataError("an annotation names no image_id", where=str(sorted(row)))
    return image_key(row["image_id"])
