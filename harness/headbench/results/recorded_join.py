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
from headbench.results.recorded import Fields, Recorded, as_text
from headbench.scoring.chair_truth import image_key
from headbench.scoring.stickiness_labels import as_flag


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
        how: ``image and question``, ``id``, ``order`` or ``nothing``.
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


@dataclass(frozen=True)
class _Reply:
    """One row of a log of answers."""

    id: str | None
    image: str | None
    prompt: str | None
    answer: str


def join_answers(log: Recorded, questions: Sequence[Question], fields: Fields) -> Joined:
    """Find the answer to each question.

    Args:
        log: Recorded answers.
        questions: What was expected to be answered.
        fields: Field names.

    Raises:
        DataError: Two different answers to one question, or a row without an answer.
    """
    replies = _replies(log, fields)
    distinct = list(dict.fromkeys(replies))
    repeated = len(replies) - len(distinct)
    if all(reply.image is not None and reply.prompt is not None for reply in distinct):
        found, how = _by_image(distinct, questions, log.name), "image and question"
    elif (by_id := _by_id(distinct, questions, log.name)) is not None:
        found, how = by_id, "id"
    else:
        found, how = _by_order(distinct, questions), "order"
    answers = tuple(found[at].answer if at in found else None for at in range(len(questions)))
    unused = len(distinct) - len(set(found.values()))
    if found:
        return Joined(answers, how, repeated, unused)
    return Joined(answers, "nothing", repeated, unused, _disagreement(distinct, questions))


def _replies(log: Recorded, fields: Fields) -> list[_Reply]:
    replies: list[_Reply] = []
    for number, row in enumerate(log.rows, start=1):
        name = fields.name(row, "answer")
        if name is None:
            raise DataError(
                "a row holds no answer",
                where=f"{log.name}, row {number}: {', '.join(map(str, row))}",
                mend="name the field, for example --field answer=text",
            )
        image, key = fields.find(row, "image"), fields.find(row, "id")
        prompt = fields.text(row, "question", but=name)
        replies.append(
            _Reply(
                id=None if key is None else str(key),
                image=None if image is None else image_key(image),
                prompt=None if prompt is None else normal(prompt),
                answer=as_text(row[name]),
            )
        )
    return replies


def _by_image(
    replies: Sequence[_Reply], questions: Sequence[Question], name: str
) -> dict[int, _Reply]:
    """Join where both sides name the image: the longest question that the prompt contains."""
    of_image: dict[str, list[int]] = {}
    for at, question in enumerate(questions):
        of_image.setdefault(question.image, []).append(at)
    texts = [normal(question.text) for question in questions]
    found: dict[int, _Reply] = {}
    for reply in replies:
        candidates = [
            at for at in of_image.get(reply.image or "", ()) if texts[at] in _prompt(reply)
        ]
        longest = max((len(texts[at]) for at in candidates), default=0)
        for at in candidates:  # a question that stands twice in its file is answered twice
            if len(texts[at]) == longest:
                _place(found, at, reply, name)
    return found


def _by_id(
    replies: Sequence[_Reply], questions: Sequence[Question], name: str
) -> dict[int, _Reply] | None:
    """Join by id, or ``None`` where an id stands for two different questions."""
    position = {question.id: at for at, question in enumerate(questions)}
    found: dict[int, _Reply] = {}
    unread = 0
    for reply in replies:
        at = position.get(reply.id or "")
        if at is None:
            continue
        if reply.prompt is None:
            unread += 1
        elif normal(questions[at].text) not in reply.prompt:
            return None
        _place(found, at, reply, name)
    # Ids alone are believed only where log and questions are the same whole set.
    if unread and not len(found) == len(replies) == len(questions):
        return None
    return found or None


def _by_order(replies: Sequence[_Reply], questions: Sequence[Question]) -> dict[int, _Reply]:
    """Join a log whose ids mean something else: one unbroken run of the questions, in order.

    The run begins with the first question and ends with the last one or with the log. It must be
    the only such run, and long enough not to be a coincidence.
    """
    texts = [normal(question.text) for question in questions]
    runs: list[range] = []
    for start in range(len(replies)):
        end = min(len(replies), start + len(texts))
        if end - start >= min(LEAST_RUN, len(texts)) and all(
            text in _prompt(reply) for reply, text in zip(replies[start:end], texts, strict=False)
        ):
            runs.append(range(start, end))
    if len(runs) != 1:
        return {}
    return {at: replies[index] for at, index in enumerate(runs[0])}


LEAST_RUN = 50
"""Questions that must agree in a row before an order is believed."""


def _prompt(reply: _Reply) -> str:
    return reply.prompt or ""


def _place(found: dict[int, _Reply], at: int, reply: _Reply, name: str) -> None:
    if at in found and found[at].answer != reply.answer:
        raise DataError(
            "one question has two different answers",
            where=f"{name}, question {reply.id or reply.prompt}",
            mend="keep one run in the file",
        )
    found[at] = reply


def _disagreement(replies: Sequence[_Reply], questions: Sequence[Question]) -> str:
    """Why nothing was joined, in figures."""
    by_id = {question.id: question for question in questions}
    common = [reply for reply in replies if reply.id in by_id]
    if not common:
        return "no row of the log names an image and question, or an id, of these questions"
    other = sum(normal(by_id[str(reply.id)].text) not in _prompt(reply) for reply in common)
    return (
        f"the log answers another set of questions: of {len(common)} ids in common "
        f"{other} ask something else (these questions are version {version_of(questions)[:16]})"
    )
