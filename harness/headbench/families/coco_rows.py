"""``dataset_path: coco``: images with COCO annotations, for yes/no questions or captions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Literal, cast

from pydantic import Field

from headbench.errors import DataError
from headbench.families.chair.chair_lexicon import lexicon_of
from headbench.families.chair.chair_truth import coco_truth
from headbench.families.pope.pope_build import SETTINGS, Annotated, Setting, build
from headbench.results.image_keys import ImageKeys, image_key
from headbench.tasks.data.source import DataRow, DataSpec
from headbench.tasks.data.tables import read_json
from headbench.tasks.data.user_files import ImageFolder
from headbench.tasks.images import Images
from headbench.tasks.schema import Strict


class CocoOptions(Strict):
    """``dataset_kwargs`` of COCO images."""

    instances: str = Field(description="`instances_*.json`: categories and annotations.")
    captions: str | None = Field(
        None, description="`captions_*.json`, or a file that holds `captions` beside instances."
    )
    images: str = Field(description="Folder of the images.")
    ask: Literal["pope", "captions"] = Field("captions", description="What the rows are.")
    n: int | None = Field(None, ge=1, description="Sample so many images; all if left out.")
    seed: int = Field(0, description="Of the sample and of random negatives.")
    settings: tuple[Setting, ...] = Field(SETTINGS, description="POPE settings.")
    positives: int = Field(3, ge=1, description="Present objects asked about an image.")
    profile: str = Field("chair-2018", description="Lexical profile that reads the captions.")


Annotations = Mapping[str, object]


def rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Yield POPE questions or captioning rows about annotated images.

    Raises:
        DataError: An annotation file is not COCO's, or an image is missing.
    """
    options = spec.options(CocoOptions)
    instances = _annotations(spec, "instances", options.instances)
    names = _file_names(instances, options.instances)
    folder = ImageFolder(spec, options.images, "images")
    if options.ask == "pope":
        yield from _questions(options, instances, names, folder, images)
    else:
        captions = _captions(spec, options, instances)
        yield from _to_describe(options, (instances, captions), names, folder, images)


def _questions(
    options: CocoOptions,
    instances: Annotations,
    names: Mapping[str, str],
    folder: ImageFolder,
    images: Images,
) -> Iterator[DataRow]:
    objects = _objects_in_order(instances)
    rich = [key for key in names if len(objects.get(key, ())) >= options.positives]
    chosen = _sample(rich, options)
    annotated = [Annotated(names[key], objects[key]) for key in chosen]
    asked = build(
        annotated, seed=options.seed, positives=options.positives, settings=options.settings
    )
    for item in asked:
        yield DataRow(
            {
                "id": f"{image_key(item.image)}-{item.setting}-{item.number}",
                "cluster": item.image,
                "image": item.image,
                "setting": item.setting,
                "object": item.object,
                "target": item.label,
            },
            {"picture": folder.add(item.image, images, f"question about {item.object}")},
        )


def _to_describe(
    options: CocoOptions,
    annotations: tuple[Annotations, Annotations],
    names: Mapping[str, str],
    folder: ImageFolder,
    images: Images,
) -> Iterator[DataRow]:
    instances, captions = annotations
    lexicon = lexicon_of({"profile": options.profile})
    truth = coco_truth([instances], [captions], lexicon)
    for key in _sample([key for key in names if truth.get(key)], options):
        yield DataRow(
            {"id": key, "cluster": key, "image": names[key], "target": list(truth[key])},
            {"picture": folder.add(names[key], images, f"image {key}")},
        )


def _sample(keys: list[str], options: CocoOptions) -> list[str]:
    if options.n is None or options.n >= len(keys):
        return keys
    return sorted(Random(options.seed).sample(keys, options.n))


def _objects_in_order(instances: Annotations) -> dict[str, tuple[str, ...]]:
    """Image -> its categories, each once, in the order of the annotations."""
    names = {row["id"]: str(row["name"]) for row in _rows(instances, "categories")}
    found: dict[str, dict[str, None]] = {}
    for row in _rows(instances, "annotations"):
        if (
            row.get("category_id") not in names
        ):  # without it, the object would be asked about as absent
            raise DataError(
                f"an annotation has the category {row.get('category_id')!r}, which is not listed",
                where=f"image {row.get('image_id')}",
                hint="complete 'categories'",
            )
        found.setdefault(image_key(row["image_id"]), {})[names[row["category_id"]]] = None
    return {image: tuple(objects) for image, objects in found.items()}


def _annotations(spec: DataSpec, option: str, value: str) -> Annotations:
    path = spec.locate(option, value)
    document = read_json(path)
    if not isinstance(document, dict) or "annotations" not in document:
        raise DataError("the file holds no COCO annotations", where=str(path))
    return document


def _captions(spec: DataSpec, options: CocoOptions, instances: Annotations) -> Annotations:
    if "captions" in instances and options.captions is None:
        return {"annotations": instances["captions"]}
    if options.captions is None:
        raise DataError(
            "ground truth is the union of instances and reference captions; captions are absent",
            where=spec.where("captions"),
            hint="name captions_*.json in dataset_kwargs.captions",
        )
    return _annotations(spec, "captions", options.captions)


def _file_names(instances: Annotations, where: str) -> dict[str, str]:
    """Image key -> file name, in the file's order."""
    keys = ImageKeys(where)
    found = {keys.of(row["id"]): str(row["file_name"]) for row in _rows(instances, "images")}
    if not found:
        raise DataError("the annotation file lists no images", where=where)
    return found


def _rows(document: Annotations, key: str) -> list[Mapping[str, object]]:
    rows = document.get(key)
    if not isinstance(rows, list):
        raise DataError(f"an annotation file lacks the list {key!r}")
    return cast("list[Mapping[str, object]]", rows)
