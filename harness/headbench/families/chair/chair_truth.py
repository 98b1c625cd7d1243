"""Which objects an image holds: from COCO's annotation files, or as given.

Rohrbach et al. 2018 (arXiv 1809.02156) take the union of the segmented categories and of what the
same extractor reads in the five reference captions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headbench.errors import DataError
from headbench.families.chair.chair_lexicon import Lexicon
from headbench.results.image_keys import ImageKeys

Truth = dict[str, tuple[str, ...]]
"""Image key -> objects, sorted."""


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
        DataError: A file has no ``annotations``, an annotation names no image, no caption or a
            category that is not listed, or two names of images have one key.
    """
    objects: dict[str, set[str]] = {}
    keys = ImageKeys("annotation files")
    for document in instances:
        names = {
            _id(row["id"], "categories"): _node(str(row["name"]), lexicon)
            for row in _rows(document, "categories", "id", "name")
        }
        for row in _rows(document, "annotations", "image_id"):
            category = _id(row.get("category_id"), f"image {row['image_id']}")
            if category not in names:
                raise DataError(
                    f"an annotation has the category {category!r}, which is none",
                    where=f"image {row['image_id']}",
                    hint="complete 'categories', or give the file of captions as one of captions",
                )
            objects.setdefault(keys.of(row["image_id"]), set()).add(names[category])
    for document in captions:
        for row in _rows(document, "annotations", "image_id", "caption"):
            read = lexicon.mentions(str(row["caption"]))
            objects.setdefault(keys.of(row["image_id"]), set()).update(read)
    return {image: tuple(sorted(found)) for image, found in objects.items()}


def _id(value: object, where: str) -> str | int | None:
    if value is None or isinstance(value, str | int):
        return value
    raise DataError(f"the id of a category is a {type(value).__name__}", where=where)


def _node(name: str, lexicon: Lexicon) -> str:
    """The node word of a category; a category that captions cannot name would never be found."""
    if name not in lexicon.nodes:
        raise DataError(
            f"the profile does not know the category {name!r}",
            where=f"profile {lexicon.id}",
            hint="use the profile's words, or choose another profile",
        )
    return lexicon.nodes[name]


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
    keys = ImageKeys("ground truth")
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
                hint="use the profile's node words, or choose another profile",
            )
        truth[keys.of(image)] = tuple(sorted(set(objects)))
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
