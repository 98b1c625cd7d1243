"""CHAIR of recorded captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from headbench._json import strict_json
from headbench._reading import expanded, read_file
from headbench.errors import DataError
from headbench.families.chair.asked_images import asked_images, refuse_others
from headbench.families.chair.chair_lexicon import Lexicon, coco_lexicon
from headbench.families.chair.chair_truth import Truth, coco_truth, given_truth
from headbench.nouns import Document, Record
from headbench.results.canonical import digest
from headbench.results.fields import Fields, Reading
from headbench.results.figures import Sampling
from headbench.results.image_keys import ImageKeys
from headbench.results.joins import is_prompt
from headbench.results.recorded import Recorded, log_name, read_rows
from headbench.results.rescored import SAMPLING, Log, Rescored, rescored
from headbench.scoring import lookup
from headbench.scoring.parser import VERBATIM
from headbench.scoring.thoughts import DEFAULT


def rescore_chair(
    predictions: Path,
    ground_truth: Sequence[Path],
    profile: str = "chair-2018",
    fields: Fields | None = None,
    sampling: Sampling = SAMPLING,
    marks: Sequence[str] = DEFAULT,
    images: Path | None = None,
    *,
    drop_unfinished: bool = False,
) -> Rescored:
    """CHAIR of recorded captions.

    Args:
        predictions: Captions, one per image.
        ground_truth: ``{image: [object, ...]}``, or COCO's ``instances`` and ``captions`` files.
        profile: Lexical profile.
        fields: Field names; defaults fit the common ones.
        sampling: How intervals are made.
        marks: Marks of thoughts, which are cut before anything is read
            (:func:`headbench.scoring.thoughts.marks_of`).
        images: The images that were asked
            (:func:`headbench.families.chair.asked_images.asked_images`); without a list, those
            that the log names are all.
        drop_unfinished: Drop what follows the last sentence end of a caption.

    Returns:
        ``chair_s``, ``chair_i``, ``recall``, ``len``, both F1, and the counts behind them.

    Raises:
        DataError: A row has no caption, several fields could hold it, or one image has two
            captions or two names; or the list of images and the log or the ground truth do not
            fit.
    """
    fields = fields or Fields()
    lexicon = coco_lexicon(profile)
    log, truth = read_rows(predictions), read_truth(ground_truth, lexicon)
    reading = fields.of("predictions").reading(log.rows, ("caption", "image", "question"), log.name)
    captions, left_out = _captions(log, reading)
    asked, listed = asked_images(images, truth) if images else ((), None)
    if listed is not None:
        refuse_others(captions, set(asked), log.name)
    scorer = lookup.scorer("chair")
    options = {"drop_unfinished": True} if drop_unfinished else {}
    records = tuple(
        scorer.record(
            Document(image, image, {}, target=truth[image]),
            (text,),
            VERBATIM,
            {"profile": profile, **options},
            marks=marks,
        )
        for image, text in captions.items()
        if image in truth
    )
    unknown = len(captions) - len(records)
    left_out = {**left_out, "captions of images without ground truth": unknown}
    counts = {name: str(count) for name, count in left_out.items() if count}
    missing = unknown + left_out["rows without an image"]
    expected = len(records) + missing if listed is None else len(asked)
    unanswered = [image for image in asked if image not in captions]
    if listed is not None:
        counts["images asked"] = str(len(asked))
    return rescored(
        Log(
            task="chair",
            scorer=scorer.id,
            parser=VERBATIM.id,
            metrics=lookup.named_metrics("chair", without=("chair.hit_ratio",)),
            records=records,
            expected=expected,
            inputs={
                "predictions": log,
                **_truth_files(ground_truth),
                **({} if listed is None else {"images": listed}),
            },
            name=log_name(predictions),
            profile=lexicon.id,
            data=digest({record.document: truth[record.document] for record in records}),
            source={"joined by": "image", "predictions.fields": str(reading), **counts},
            options=options,
            notes=(*_without_caption(unanswered, asked), *_dropped(records, drop_unfinished)),
            prompts=_prompts(log, reading),
            unmatched=_unmatched(captions, truth),
            marks=marks,
        ),
        sampling,
    )


def _without_caption(unanswered: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    if not asked:
        return ()
    named = f", e.g. {unanswered[0][:60]}" if unanswered else ""
    return (f"{len(unanswered):,} of {len(asked):,} images that were asked have no caption{named}",)


def _dropped(records: Sequence[Record], drop_unfinished: bool) -> tuple[str, ...]:
    if not drop_unfinished:
        return ()
    dropped = sum(record.parts.get("dropped") == 1 for record in records)
    endless = sum(record.parts.get("no_sentence_end") == 1 for record in records)
    kept = f"; kept whole, without any sentence end: {endless:,}" if endless else ""
    return (f"captions whose unfinished last sentence was dropped: {dropped:,}{kept}",)


def _unmatched(captions: Mapping[str, str], truth: Truth) -> str:
    named, known = (next(iter(keys), "nothing") for keys in (captions, truth))
    return (
        f"0 of {len(captions):,} captions matched an image; images of the log look like "
        f"{named[:60]!r}, those of the ground truth like {known[:60]!r}"
    )


def read_truth(files: Sequence[Path], lexicon: Lexicon) -> Truth:
    """Objects of each image, from a file that lists them or from COCO's annotation files.

    Raises:
        DataError: A file is no JSON object, or of neither form.
    """
    loaded = [_json_object(file) for file in files]
    if not any("annotations" in document for document in loaded):
        truth: Truth = {}
        for file, document in zip(files, loaded, strict=True):
            for image, objects in given_truth(document, lexicon).items():
                if truth.setdefault(image, objects) != objects:
                    raise DataError(
                        "an image has two lists of objects",
                        where=f"{file}, image {image}",
                        hint="give one file, or files that agree",
                    )
        return truth
    instances = [document for document in loaded if "categories" in document]
    captions = [document for document in loaded if "categories" not in document]
    return coco_truth(instances, captions, lexicon)


def _captions(log: Recorded, reading: Reading) -> tuple[dict[str, str], dict[str, int]]:
    """Caption of each image, and what was left out, counted."""
    captions: dict[str, str] = {}
    images = ImageKeys(log.name)
    counts = {"rows without an image": 0, "repeated rows": 0}
    for number, row in enumerate(log.rows, start=1):
        image, caption = reading.value(row, "image"), reading.text(row, "caption")
        if caption is None:
            raise DataError(
                "a row holds no caption",
                where=f"{log.name}, row {number}: {', '.join(map(str, row))}",
                hint="name the field, for example --field caption=text",
            )
        if image is None:
            counts["rows without an image"] += 1
            continue
        key = images.of(image)
        if captions.get(key, caption) != caption:
            raise DataError(
                f"image {key} has two different captions",
                where=f"{log.name}, row {number}",
                hint="keep one run in the file",
            )
        counts["repeated rows"] += key in captions
        captions[key] = caption
    return captions, counts


def _truth_files(files: Sequence[Path]) -> dict[str, Recorded]:
    """The ground-truth files as inputs: their digests, without their rows."""
    found = {}
    for at, file in enumerate(files):
        role = "ground_truth" if len(files) == 1 else f"ground_truth.{at + 1}"
        found[role] = replace(read_rows(file), rows=())
    return found


def _json_object(path: Path) -> dict[str, object]:
    try:
        content = expanded(read_file(path, "the ground truth"), str(path))
        loaded = strict_json(content.decode("utf-8-sig"), lambda pairs: _once(pairs, path))
    except ValueError as error:
        raise DataError(f"the ground truth is not JSON: {error}", where=str(path)) from error
    if not isinstance(loaded, dict):
        raise DataError(
            "the ground truth must be an object",
            where=str(path),
            hint="give {image: [object, ...]}, or COCO's instances and captions files",
        )
    return loaded


def _once(pairs: list[tuple[str, object]], path: Path) -> dict[str, object]:
    """An object with unique keys; the JSON parser would silently keep the last of two."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError("a key stands twice in one object", where=f"{path}, key {twice!r}")
    return found


def _prompts(log: Recorded, reading: Reading) -> tuple[str, ...]:
    """Prompts of the rows, each once; empty where they hold none."""
    prompts = (reading.text(row, "question") for row in log.rows if is_prompt(reading))
    return tuple(dict.fromkeys(text for text in prompts if text is not None))
