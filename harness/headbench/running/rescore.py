"""Scoring recorded outputs: files in, a result out, no model and no task file.

Each function reads a file of outputs and what they are held against, joins the two, and returns
the same kind of result as a run, with ``kind: rescored``. A log that answers only part of what was
asked says so and has no headline.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from headbench.errors import DataError
from headbench.results.canonical import digest
from headbench.results.figures import Sampling
from headbench.results.recorded import Fields, Recorded, Row, as_text, read_rows
from headbench.results.recorded_join import Question, join_answers, questions_of, version_of
from headbench.running.needle_rows import Sought, sought
from headbench.running.rescored import SAMPLING, Log, Rescored, rescored
from headbench.scoring import registry
from headbench.scoring.chair_lexicon import Lexicon, coco_lexicon
from headbench.scoring.chair_truth import Truth, coco_truth, given_truth, image_key
from headbench.scoring.metric import Metric
from headbench.scoring.niah_cells import JUDGE, cell_records, with_scores
from headbench.scoring.parser import VERBATIM
from headbench.scoring.thoughts import DEFAULT
from headbench.types import Document


def rescore_chair(
    predictions: Path,
    ground_truth: Sequence[Path],
    profile: str = "chair-2018",
    fields: Fields | None = None,
    sampling: Sampling = SAMPLING,
    marks: Sequence[str] = DEFAULT,
) -> Rescored:
    """CHAIR of recorded captions.

    Args:
        predictions: Captions, one an image.
        ground_truth: ``{image: [object, ...]}``, or COCO's ``instances`` and ``captions`` files.
        profile: Lexical profile.
        fields: Field names; defaults fit the common ones.
        sampling: How intervals are made.
        marks: Marks of thoughts, which are cut before anything is read
            (:func:`headbench.scoring.thoughts.marks_of`).

    Returns:
        ``chair_s``, ``chair_i``, ``recall``, ``len``, both F1, and the counts behind them.

    Raises:
        DataError: A row has no caption, or one image has two different captions.
    """
    fields = fields or Fields()
    lexicon = coco_lexicon(profile)
    log, truth = read_rows(predictions), read_truth(ground_truth, lexicon)
    captions, left_out = _captions(log, fields)
    scorer = registry.scorer("chair")
    records = tuple(
        scorer.record(
            Document(image, image, {}, target=truth[image]),
            (text,),
            VERBATIM,
            {"profile": profile},
            marks=marks,
        )
        for image, text in captions.items()
        if image in truth
    )
    unknown = len(captions) - len(records)
    left_out = {**left_out, "captions of images without ground truth": unknown}
    said = {name: str(count) for name, count in left_out.items() if count}
    missing = unknown + left_out["rows without an image"]
    return rescored(
        Log(
            task="chair",
            scorer=scorer.id,
            parser=VERBATIM.id,
            metrics=metrics_of("chair", without=("chair.hit_ratio",)),
            records=records,
            expected=len(records) + missing,
            inputs={"predictions": log, **_truth_files(ground_truth)},
            name=predictions.stem,
            profile=lexicon.id,
            data=digest({record.document: truth[record.document] for record in records}),
            source=said,
            marks=marks,
        ),
        sampling,
    )


def read_truth(files: Sequence[Path], lexicon: Lexicon) -> Truth:
    """Objects of each image, from a file that lists them or from COCO's annotation files.

    Raises:
        DataError: A file is no JSON object, or of neither form.
    """
    loaded = [_json_object(file) for file in files]
    if not any("annotations" in document for document in loaded):
        return {
            image: objects
            for document in loaded
            for image, objects in given_truth(document, lexicon).items()
        }
    instances = [document for document in loaded if "categories" in document]
    captions = [document for document in loaded if "categories" not in document]
    return coco_truth(instances, captions, lexicon)


def rescore_pope(
    predictions: Path,
    questions: Path,
    parser: str = "pope_ref",
    fields: Fields | None = None,
    sampling: Sampling = SAMPLING,
    marks: Sequence[str] = DEFAULT,
) -> Rescored:
    """POPE's figures of recorded answers.

    Args:
        predictions: Answers.
        questions: The labelled questions of one setting.
        parser: How answers are read; ``pope_ref`` is the one to compare with papers.
        fields: Field names.
        sampling: How intervals are made.
        marks: Marks of thoughts, which are cut before anything is read
            (:func:`headbench.scoring.thoughts.marks_of`).

    Returns:
        ``f1``, ``accuracy``, ``precision``, ``recall``, ``yes_ratio``, ``unparsed_rate`` and the
        confusion counts, over the answered questions; partial logs have no headline.

    Raises:
        DataError: Two different answers to one question, or a question without a label.
    """
    fields = fields or Fields()
    log, asked = read_rows(predictions), read_rows(questions)
    items = questions_of(asked, fields)
    joined = join_answers(log, items, fields)
    scorer, reader = registry.scorer("pope"), registry.parser(parser)
    records = tuple(
        scorer.record(_pope_document(item), (answer,), reader, marks=marks)
        for item, answer in zip(items, joined.answers, strict=True)
        if answer is not None
    )
    counts = {"repeated rows": joined.repeated, "rows of other questions": joined.unused}
    return rescored(
        Log(
            task="pope",
            scorer=scorer.id,
            parser=reader.id,
            metrics=metrics_of("pope"),
            records=records,
            expected=len(items),
            inputs={"predictions": log, "questions": asked},
            name=predictions.stem,
            data=version_of(items),
            source={"joined by": joined.how, **{k: str(v) for k, v in counts.items() if v}},
            reason=joined.reason,
            marks=marks,
        ),
        sampling,
    )


def rescore_niah(
    predictions: Path,
    fields: Fields | None = None,
    sampling: Sampling = SAMPLING,
    phrases: Sequence[str] = (),
    marks: Sequence[str] = DEFAULT,
) -> Rescored:
    """Needle recall of recorded responses, without a judge, by length and by depth.

    Args:
        predictions: Responses with their length and depth; or judged cells without responses.
        fields: Field names.
        sampling: How intervals are made.
        phrases: What a response must hold; by default the needle that the rows name
            (:mod:`headbench.running.needle_rows`), or the San Francisco needle's three phrases.
        marks: Marks of thoughts, which are cut before anything is read
            (:func:`headbench.scoring.thoughts.marks_of`).

    Returns:
        ``keyphrase3`` (all phrases) and ``keyphrase3_fraction``, or ``recall`` and ``fraction`` of
        the words of another needle; ``judge``, the mean of the judge's scores, where rows have
        them, with responses or without.

    Raises:
        DataError: Lengths or depths are missing, a score is not on the judge's scale, or the rows
            are of another needle.
    """
    fields = fields or Fields()
    log = read_rows(predictions)
    texts = [fields.text(row, "response") for row in log.rows]
    wanted: tuple[str, ...] = ()
    source: dict[str, str] = {}
    metrics: dict[str, Metric]
    if all(text is None for text in texts):
        if phrases:
            raise DataError(
                "phrases are sought in responses, and no row has one",
                where=log.name,
                mend="leave --phrases out, or name the field: --field response=NAME",
            )
        records, scorer, reader = cell_records(log.rows), "niah_cells@1", "judge@1"
        metrics = {"judge": JUDGE}
    else:
        needle = sought(log.rows, fields, phrases, log.name)
        wanted, metrics = needle.texts, needle.metrics()
        source = {"sought": " | ".join(wanted), "sought by": needle.how}
        records = tuple(
            needle.scorer.record(
                _cell(at, row, fields, needle), (text,), VERBATIM, needle.options, marks=marks
            )
            for at, (row, text) in enumerate(zip(log.rows, texts, strict=True))
            if text is not None
        )
        answered = [row for row, text in zip(log.rows, texts, strict=True) if text is not None]
        judged = with_scores(records, [fields.find(row, "judge") for row in answered])
        if judged != records:
            records, metrics = judged, {**metrics, "niah.judge": JUDGE}
        scorer, reader = needle.scorer.id, VERBATIM.id
    cells = {(record.parts["length"], record.parts["depth"]) for record in records}
    pooled = f"{len(records)} responses to {len(cells)} cells: repeats weigh some cells more"
    return rescored(
        Log(
            task="niah",
            scorer=scorer,
            parser=reader,
            metrics=metrics,
            records=records,
            expected=len(log.rows),
            inputs={"predictions": log},
            name=predictions.stem,
            data=digest(sorted(f"{length} {depth}" for length, depth in cells)),
            source=source,
            reason=pooled if len(records) > len(cells) else "",
            parts=("length", "depth"),
            marks=marks,
            sought=wanted,
        ),
        sampling,
    )


# ------------------------------------------------------------------ rows and documents


def metrics_of(family: str, without: Sequence[str] = ()) -> dict[str, Metric]:
    """A family's metrics by registry name, the headline first."""
    names = [name for name in registry.scorer(family).metrics if name not in without]
    return {name: registry.metric(name) for name in names}


def _captions(log: Recorded, fields: Fields) -> tuple[dict[str, str], dict[str, int]]:
    """Caption of each image, and what was left out, counted."""
    captions: dict[str, str] = {}
    counts = {"rows without an image": 0, "repeated rows": 0}
    for number, row in enumerate(log.rows, start=1):
        image, caption = fields.find(row, "image"), fields.text(row, "caption")
        if caption is None:
            raise DataError(
                "a row holds no caption",
                where=f"{log.name}, row {number}: {', '.join(map(str, row))}",
                mend="name the field, for example --field caption=text",
            )
        if image is None:
            counts["rows without an image"] += 1
            continue
        key = image_key(image)
        if captions.get(key, caption) != caption:
            raise DataError(
                f"image {key} has two different captions",
                where=f"{log.name}, row {number}",
                mend="keep one run in the file",
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
        loaded = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"cannot read the ground truth: {error.strerror}", where=str(path)
        ) from error
    except ValueError as error:
        raise DataError(f"the ground truth is not JSON: {error}", where=str(path)) from error
    if not isinstance(loaded, dict):
        raise DataError(
            "the ground truth must be an object",
            where=str(path),
            mend="give {image: [object, ...]}, or COCO's instances and captions files",
        )
    return loaded


def _pope_document(item: Question) -> Document:
    return Document(
        id=f"{item.image}/{item.id}",
        cluster=item.image,
        fields={"image": item.image},
        target="yes" if item.label else "no",
    )


def _cell(at: int, row: Row, fields: Fields, needle: Sought) -> Document:
    numbers = {role: _number(fields.find(row, role), role, at) for role in ("length", "depth")}
    name = f"{numbers['length']:g}-{numbers['depth']:g}"
    return Document(id=f"{at}-{name}", cluster=name, fields=numbers, target=needle.target)


def _number(value: object, role: str, at: int) -> float:
    try:
        number = float(as_text(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(
            f"a response needs its {role} as a number",
            where=f"row {at + 1}",
            mend=f"name the field, for example --field {role}=NAME",
        )
    return number
