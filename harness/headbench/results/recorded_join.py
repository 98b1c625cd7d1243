"""Joining recorded answers with the questions they answer.

Versions of a data set share ids and most questions, so an id proves nothing: a join goes by image
and question, or by id where every question in common reads the same, or by order where a whole run
of questions agrees. Where none of this holds nothing is joined, and the reason is said.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from headbench.errors import DataError
from headbench.results.recorded import Fields, Recorded, Row, as_flag
from headbench.scoring.chair_truth import image_key


@dataclass(frozen=True)
class Question:
    """One labelled question.

    Attributes:
        id: As the file has it, or the row number.
        image: Key of the image (see :func:`headbench.scoring.chair_truth.image_key`).
        text: The question.
        label: Whether yes is right.
    """

    id: str
    image: str
    text: str
    label: bool


@dataclass(frozen=True)
class Joined:
    """Answers by question.

    Attributes:
        answers: One an expected question, in order; ``None`` where the log has none.
        how: ``image and question``, ``asked file``, ``id``, ``order`` or ``nothing``.
        repeated: Identical rows beyond the first.
        unused: Rows of the log that answer none of these questions.
        reason: Why nothing was joined, else empty.
    """

    answers: tuple[str | None, ...]
    how: str
    repeated: int
    unused: int
    reason: str = ""


def normal(text: str) -> str:
    """A question without image marks, outer blanks, case, and repeated blanks."""
    return " ".join(text.replace("<image>", " ").lower().split())


def questions_of(recorded: Recorded, fields: Fields) -> tuple[Question, ...]:
    """Read a file of labelled questions.

    Raises:
        DataError: A row lacks image, question or label.
    """
    found: list[Question] = []
    for number, row in enumerate(recorded.rows, start=1):
        image, text = fields.find(row, "image"), fields.text(row, "question")
        label = fields.find(row, "label")
        if image is None or text is None or label is None:
            raise DataError(
                "a question needs an image, a text and a label",
                where=f"{recorded.name}, row {number}: {', '.join(map(str, row))}",
                mend="name the fields, for example --field question=text",
            )
        name = row.get("question_id", number)
        found.append(Question(str(name), image_key(image), text, as_flag(label)))
    return tuple(found)


def version_of(questions: Sequence[Question]) -> str:
    """Digest of the questions and labels, whatever their order, ids and file format."""
    rows = sorted([item.image, normal(item.text), item.label] for item in questions)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def join_answers(
    log: Recorded, questions: Sequence[Question], fields: Fields, asked: Recorded | None = None
) -> Joined:
    """Find the answer to each question.

    Args:
        log: Recorded answers.
        questions: What was expected to be answered.
        fields: Field names.
        asked: The unlabelled question file whose ids the log uses, where the log has no images.

    Raises:
        DataError: Two different answers to one question.
    """
    log = _with_images(log, asked, fields) if asked is not None else log
    rows, repeated = _distinct(log.rows)
    if all(fields.find(row, "image") is not None for row in rows):
        found = _by_image(rows, questions, fields)
        how = "image and question" if asked is None else "asked file"
    else:
        found, how = _by_id(rows, questions, fields), "id"
        if found is None:
            found, how = _by_order(rows, questions, fields), "order"
    if not found:
        reason = _disagreement(rows, questions, fields)
        return Joined((None,) * len(questions), "nothing", repeated, len(rows), reason)
    answers = tuple(found.get(index) for index in range(len(questions)))
    distinct = len(set(found.values())) if how == "image and question" else len(found)
    used = sum(answer is not None for answer in answers)
    del distinct
    return Joined(answers, how, repeated, max(0, len(rows) - used))
