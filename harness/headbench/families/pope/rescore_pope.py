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
from headbench.nouns import Document
from headbench.results.canonical import digest
from headbench.results.fields import Fields, Reading, Row, as_text
from headbench.results.figures import Sampling
from headbench.results.recorded import Recorded, log_name, read_rows
from headbench.families.pope.answer_join import (
    Question,
    Vouched,
    is_prompt,
    join_answers,
    question_fields,
    questions_of,
    unproven,
    version_of,
)
from headbench.families.needles.sought_needle import Sought, sought
from headbench.results.rescored import SAMPLING, Log, Rescored, rescored
from headbench.scoring import lookup
from headbench.families.chair.chair_lexicon import Lexicon, coco_lexicon
from headbench.families.chair.chair_truth import ImageKeys, Truth, coco_truth, given_truth
from headbench.families.needles.judged_cells import JUDGE, cell_records, with_scores
from headbench.scoring.parser import VERBATIM
from headbench.scoring.parts import exact
from headbench.scoring.thoughts import DEFAULT
from headbench.statistics.metric import Metric


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
        DataError: A row has no caption, several fields could hold it, or one image has two
            captions or two names.
    """
    fields = fields or Fields()
    lexicon = coco_lexicon(profile)
    log, truth = read_rows(predictions), read_truth(ground_truth, lexicon)
    reading = fields.of("predictions").reading(log.rows, ("caption", "image", "question"), log.name)
    captions, left_out = _captions(log, reading)
    scorer = lookup.scorer("chair")
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
            name=log_name(predictions),
            profile=lexicon.id,
            data=digest({record.document: truth[record.document] for record in records}),
            source={"joined by": "image", "predictions.fields": str(reading), **said},
            prompts=_prompts(log, reading),
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


def rescore_pope(
    predictions: Path,
    questions: Path,
    parser: str = "pope_ref",
    fields: Fields | None = None,
    sampling: Sampling = SAMPLING,
    marks: Sequence[str] = DEFAULT,
    join: Vouched | None = None,
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
        join: ``id`` or ``order``: you say that rows belong together by it; see ``recorded_join``.

    Returns:
        ``f1``, ``accuracy``, ``precision``, ``recall``, ``yes_ratio``, ``unparsed_rate`` and the
        confusion counts, over the answered questions; partial logs, and logs that nothing but ids
        or an order joins, have no headline.

    Raises:
        DataError: Two different answers to one question, a question without a label, or several
            fields that could be the answer.
    """
    fields = fields or Fields()
    log, asked = read_rows(predictions), read_rows(questions)
    items = questions_of(asked, fields)
    joined = join_answers(log, items, fields, join)
    scorer, reader = lookup.scorer("pope"), lookup.parser(parser)
    records = tuple(
        scorer.record(document, (answer,), reader, marks=marks)
        for document, answer in zip(_pope_documents(items), joined.answers, strict=True)
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
            name=log_name(predictions),
            data=version_of(items),
            source={
                "joined by": joined.how,
                "predictions.fields": str(joined.fields),
                "questions.fields": str(question_fields(asked, fields)),
                **{k: str(v) for k, v in counts.items() if v},
            },
            reason=joined.reason or unproven(joined.how, join),
            vouched=join or "",
            prompts=joined.prompts,
            settings=_settings((log, asked), fields, questions.name),
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
            (:mod:`headbench.families.needles.sought_needle`), or the San Francisco needle's three phrases.
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
    roles = ("response", "length", "depth", "needle", "retrieval_question", "judge")
    reading = fields.of("predictions").reading(log.rows, roles, log.name)
    texts = [reading.text(row, "response") for row in log.rows]
    wanted: tuple[str, ...] = ()
    source = {
        "joined by": "length and depth of each row",
        "predictions.fields": str(reading),
    }
    metrics: dict[str, Metric]
    if all(text is None for text in texts):
        if phrases:
            raise DataError(
                "phrases are sought in responses, and no row has one",
                where=log.name,
                hint="leave --phrases out, or name the field: --field response=NAME",
            )
        judged_cells = [
            {
                "token_limit": _number(reading.value(row, "length"), "length", at),
                "depth_percent": _number(reading.value(row, "depth"), "depth", at),
                "score": _number(reading.value(row, "judge"), "judge", at),
            }
            for at, row in enumerate(log.rows)
        ]
        records, scorer, reader = cell_records(judged_cells), "niah_cells@1", "judge@1"
        metrics = {"judge": JUDGE}
    else:
        needle = sought(log.rows, reading, phrases, log.name)
        wanted, metrics = needle.texts, needle.metrics()
        source |= {"sought": " | ".join(wanted), "sought by": needle.how}
        records = tuple(
            needle.scorer.record(
                _cell(at, row, reading, needle), (text,), VERBATIM, needle.options, marks=marks
            )
            for at, (row, text) in enumerate(zip(log.rows, texts, strict=True))
            if text is not None
        )
        answered = [at for at, text in enumerate(texts) if text is not None]
        scores = [reading.value(log.rows[at], "judge") for at in answered]
        judged = with_scores(records, scores, [at + 1 for at in answered])
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
            name=log_name(predictions),
            data=digest(sorted(f"{length} {depth}" for length, depth in cells)),
            source=source,
            reason=pooled if len(records) > len(cells) else "",
            parts=("length", "depth"),
            marks=marks,
            sought=wanted,
        ),
        sampling,
    )


SETTINGS = ("random", "popular", "adversarial")

# ------------------------------------------------------------------ rows and documents


def metrics_of(family: str, without: Sequence[str] = ()) -> dict[str, Metric]:
    """A family's metrics by registry name, the headline first."""
    names = [name for name in lookup.scorer(family).metrics if name not in without]
    return {name: lookup.metric(name) for name in names}


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
        loaded = json.loads(path.read_bytes(), object_pairs_hook=lambda p: _once(p, path))
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
            hint="give {image: [object, ...]}, or COCO's instances and captions files",
        )
    return loaded


def _once(pairs: list[tuple[str, object]], path: Path) -> dict[str, object]:
    """An object whose keys stand once; JSON itself would keep the last of two."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError("a key stands twice in one object", where=f"{path}, key {twice!r}")
    return found


def _prompts(log: Recorded, reading: Reading) -> tuple[str, ...]:
    """Prompts of the rows, each once; empty where they hold none."""
    asked = (reading.text(row, "question") for row in log.rows if is_prompt(reading))
    return tuple(dict.fromkeys(text for text in asked if text is not None))


def _settings(files: Sequence[Recorded], fields: Fields, name: str) -> tuple[str, ...]:
    """POPE's settings that the rows name, else the one that the questions' file name holds."""
    named: dict[str, None] = {}
    for file, role in zip(files, ("predictions", "questions"), strict=True):
        reading = fields.of(role).reading(file.rows, ("setting",), file.name)
        values = (reading.text(row, "setting") for row in file.rows)
        named |= {value.strip().lower(): None for value in values if value is not None}
    known = tuple(value for value in named if value in SETTINGS)
    return known or tuple(setting for setting in SETTINGS if setting in name.lower())


def _pope_documents(items: Sequence[Question]) -> list[Document]:
    """One document a question; a question that stands twice under one id gets a number."""
    seen: dict[str, int] = {}
    documents = []
    for item in items:
        name = f"{item.image}/{item.id}"
        seen[name] = seen.get(name, 0) + 1
        documents.append(
            Document(
                id=name if seen[name] == 1 else f"{name}-{seen[name]}",
                cluster=item.image,
                fields={"image": item.image},
                target="yes" if item.label else "no",
            )
        )
    return documents


def _cell(at: int, row: Row, reading: Reading, needle: Sought) -> Document:
    numbers = {role: _number(reading.value(row, role), role, at) for role in ("length", "depth")}
    name = f"{exact(numbers['length'])}-{exact(numbers['depth'])}"
    return Document(id=f"{at}-{name}", cluster=name, fields=numbers, target=needle.target)


def _number(value: object, role: str, at: int) -> float:
    try:
        number = float(as_text(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(
            f"a row needs its {role} as a number",
            where=f"row {at + 1}",
            hint=f"name the field, for example --field {role}=NAME",
        )
    return number
