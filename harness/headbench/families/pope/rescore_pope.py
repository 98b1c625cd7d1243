"""POPE's figures of recorded answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headbench.families.pope.answer_join import (
    LabelledQuestion,
    join_answers,
    question_fields,
    questions_of,
    version_of,
)
from headbench.families.pope.pope_build import SETTINGS
from headbench.nouns import Document
from headbench.results.fields import Fields, Reading
from headbench.results.figures import Sampling
from headbench.results.joins import Vouched, unproven
from headbench.results.recorded import Recorded, log_name, read_rows
from headbench.results.rescored import SAMPLING, Log, Rescored, rescored
from headbench.scoring import lookup
from headbench.scoring.thoughts import DEFAULT


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
    log, questions_file = read_rows(predictions), read_rows(questions)
    items = questions_of(questions_file, fields)
    joined = join_answers(log, items, fields, join)
    scorer, reader = lookup.scorer("pope"), lookup.parser(parser)
    records = tuple(
        scorer.record(document, (answer,), reader, marks=marks)
        for document, answer in zip(pope_documents(items), joined.answers, strict=True)
        if answer is not None
    )
    counts = {"repeated rows": joined.repeated, "rows of other questions": joined.unused}
    return rescored(
        Log(
            task="pope",
            scorer=scorer.id,
            parser=reader.id,
            metrics=lookup.named_metrics("pope"),
            records=records,
            expected=len(items),
            inputs={"predictions": log, "questions": questions_file},
            name=log_name(predictions),
            data=version_of(items),
            source={
                "joined by": joined.how,
                "predictions.fields": str(joined.fields),
                "questions.fields": str(question_fields(questions_file, fields)),
                **{k: str(v) for k, v in counts.items() if v},
            },
            reason=joined.reason or unproven(joined.how, join),
            vouched=join or "",
            prompts=joined.prompts,
            unmatched=f"0 of {len(items):,} questions were answered: {joined.reason}; "
            f"{_looks(log, joined.fields, items[0].image)}"
            if joined.reason
            else "",
            settings=named_settings(
                (log, questions_file), ("predictions", "questions"), fields, questions.name
            ),
            marks=marks,
        ),
        sampling,
    )


def _looks(log: Recorded, reading: Reading, image: str) -> str:
    """What the ids of both sides look like, by the first of each."""
    named = reading.value(log.rows[0], "image")
    told = named if named is not None else reading.value(log.rows[0], "id")
    first = "nothing" if told is None else repr(str(told)[:60])
    return f"ids of the log look like {first}, images of the questions like {image[:60]!r}"


def named_settings(
    files: Sequence[Recorded], roles: Sequence[str], fields: Fields, name: str
) -> tuple[str, ...]:
    """POPE's settings that the rows name, else those that the questions' file name holds.

    Args:
        files: Files whose rows are read.
        roles: What each is: ``predictions`` or ``questions``.
        fields: Field names.
        name: Name of the questions' file.
    """
    named: dict[str, None] = {}
    for file, role in zip(files, roles, strict=True):
        reading = fields.of(role).reading(file.rows, ("setting",), file.name)
        values = (reading.text(row, "setting") for row in file.rows)
        named |= {value.strip().lower(): None for value in values if value is not None}
    known = tuple(value for value in named if value in SETTINGS)
    return known or tuple(setting for setting in SETTINGS if setting in name.lower())


def pope_documents(items: Sequence[LabelledQuestion], setting: str = "") -> list[Document]:
    """One document per question; a question that stands twice under one id gets a number.

    Args:
        items: The questions.
        setting: Their setting, which the ids then begin with, because settings share questions.
    """
    seen: dict[str, int] = {}
    documents = []
    for item in items:
        name = "/".join(filter(None, (setting, item.image, item.id)))
        seen[name] = seen.get(name, 0) + 1
        documents.append(
            Document(
                id=name if seen[name] == 1 else f"{name}-{seen[name]}",
                cluster=item.image,
                fields={"image": item.image, **({"setting": setting} if setting else {})},
                target="yes" if item.label else "no",
            )
        )
    return documents
