"""Joining recorded answers with the questions they answer.

Versions of a data set share ids and most questions, so an id proves nothing: a join goes by image
and question, or by id where every question in common reads the same, or by order where a whole run
of questions agrees. Each result says how its rows were joined; ids or order alone give no headline
unless the user vouches for them. Where nothing fits, nothing is joined, and the reason is given.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from headbench.errors import DataError
from headbench.results.fields import Fields, Reading, contains, normal
from headbench.results.image_keys import ImageKeys
from headbench.results.joins import Vouched, is_prompt
from headbench.results.recorded import Recorded
from headbench.scoring.binary_labels import as_flag


@dataclass(frozen=True)
class LabelledQuestion:
    """One labelled question.

    Attributes:
        id: As the file has it, or the row number.
        image: Key of the image (see :func:`headbench.results.image_keys.image_key`).
        text: The question.
        label: Whether yes is right.
        key: The id that a log may name; ``None`` where the file has none.
    """

    id: str
    image: str
    text: str
    label: bool
    key: str | None = None


@dataclass(frozen=True)
class JoinedAnswers:
    """Answers by question.

    Attributes:
        answers: One per expected question, in order; ``None`` where the log has none.
        how: ``image and question``, ``id and question``, ``id and image``, ``id only``, ``order``
            (every question reads the same), ``order only`` or ``nothing``.
        repeated: Identical rows beyond the first.
        unused: Rows of the log that answer none of these questions.
        reason: Why nothing was joined, else empty.
        prompts: Prompts of the joined rows, each once; empty where rows hold the question alone.
        fields: From which fields the log was read.
    """

    answers: tuple[str | None, ...]
    how: str
    repeated: int
    unused: int
    reason: str = ""
    prompts: tuple[str, ...] = ()
    fields: Reading = field(default_factory=lambda: Reading({}))


def questions_of(recorded: Recorded, fields: Fields) -> tuple[LabelledQuestion, ...]:
    """Read a file of labelled questions.

    Raises:
        DataError: A row lacks image, question or label, its question is empty, its label is not
            one of two, or one question has two labels.
    """
    reading = question_fields(recorded, fields)
    images = ImageKeys(recorded.name)
    found: list[LabelledQuestion] = []
    labels: dict[tuple[str, str], bool] = {}
    for number, row in enumerate(recorded.rows, start=1):
        where = f"{recorded.name}, row {number}"
        image, text = reading.value(row, "image"), reading.text(row, "question")
        label = reading.value(row, "label")
        if image is None or text is None or label is None:
            raise DataError(
                "a question needs an image, a text and a label",
                where=f"{where}: {', '.join(map(str, row))}",
                hint="name the fields, for example --field questions.question=text",
            )
        if not normal(text):
            raise DataError("a question has no text", where=where)
        key = reading.value(row, "id")
        name = None if key is None else str(key)
        item = LabelledQuestion(
            str(number) if name is None else name, images.of(image), text, _flag(label, where), name
        )
        if labels.setdefault((item.image, normal(text)), item.label) != item.label:
            raise DataError(
                "one question has two labels",
                where=f"{where}: {text!r} about image {item.image}",
                hint="keep the right one",
            )
        found.append(item)
    return tuple(found)


def question_fields(recorded: Recorded, fields: Fields) -> Reading:
    """From which fields a file of questions is read."""
    roles = ("label", "image", "question", "id")
    return fields.of("questions").reading(recorded.rows, roles, recorded.name)


def _flag(label: object, where: str) -> bool:
    try:
        return as_flag(label)
    except DataError as error:
        raise DataError(
            f"a label is yes or no, not {str(label)[:40]!r}", where=where, hint=error.hint
        ) from error


def version_of(questions: Sequence[LabelledQuestion]) -> str:
    """Digest of the questions and labels, whatever their order, ids and file format."""
    rows = sorted([item.image, normal(item.text), item.label] for item in questions)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


@dataclass(frozen=True)
class _Reply:
    """One row of a log of answers; ``asked`` is its prompt, unchanged."""

    id: str | None
    image: str | None
    prompt: str | None
    answer: str
    asked: str | None = None

    def fits(self, question: LabelledQuestion) -> bool:
        """Whether neither prompt nor image of the row contradicts this question."""
        asked = self.prompt is None or contains(self.prompt, normal(question.text))
        return asked and self.image in (None, question.image)


ReplyPlaces = dict[int, int]
"""Place of a question -> place of its reply."""


def join_answers(
    log: Recorded,
    questions: Sequence[LabelledQuestion],
    fields: Fields,
    vouched: Vouched | None = None,
) -> JoinedAnswers:
    """Find the answer to each question.

    Args:
        log: Recorded answers.
        questions: What was expected to be answered.
        fields: Field names.
        vouched: By what the user says that rows belong together; then no other way is tried.

    Raises:
        DataError: Two different answers to one question, a row without an answer, or fields that
            cannot be told apart.
    """
    replies, reading = _replies(log, fields)
    distinct = _distinct(replies)
    repeated = len(replies) - len(distinct)
    found, how = _found(distinct, questions, log.name, vouched)
    answers = tuple(
        distinct[found[at]].answer if at in found else None for at in range(len(questions))
    )
    unused = len(distinct) - len(set(found.values()))
    reason = "" if found else _disagreement(distinct, questions)
    asked = (distinct[index].asked for index in sorted(set(found.values())))
    prompts = tuple(dict.fromkeys(prompt for prompt in asked if prompt is not None))
    return JoinedAnswers(answers, how, repeated, unused, reason, prompts, reading)


def _found(
    replies: Sequence[_Reply],
    questions: Sequence[LabelledQuestion],
    name: str,
    vouched: Vouched | None,
) -> tuple[ReplyPlaces, str]:
    """Which reply answers which question, and how they were joined."""
    if vouched is None and all(r.image is not None and r.prompt is not None for r in replies):
        found = _by_image(replies, questions, name)
        return found, "image and question" if found else "nothing"
    if vouched != "order":
        by_id, how = _by_id(replies, questions, name, believed=vouched == "id")
        if by_id:
            return by_id, how
    if vouched != "id":
        run = _by_order(replies, questions)
        if run:
            return run, "order"
        if _counted(replies, questions, believed=vouched == "order"):
            return {at: at for at in range(len(questions))}, "order only"
    return {}, "nothing"


def _replies(log: Recorded, fields: Fields) -> tuple[list[_Reply], Reading]:
    roles = ("answer", "image", "question", "id")
    reading = fields.of("predictions").reading(log.rows, roles, log.name)
    images = ImageKeys(log.name)
    replies: list[_Reply] = []
    for number, row in enumerate(log.rows, start=1):
        answer = reading.text(row, "answer")
        if answer is None:
            raise DataError(
                "a row holds no answer",
                where=f"{log.name}, row {number}: {', '.join(map(str, row))}",
                hint="name the field, for example --field answer=text",
            )
        image, key = reading.value(row, "image"), reading.value(row, "id")
        prompt = reading.text(row, "question")
        replies.append(
            _Reply(
                id=None if key is None else str(key),
                image=None if image is None else images.of(image),
                prompt=None if prompt is None else normal(prompt),
                answer=answer,
                asked=prompt if is_prompt(reading) else None,
            )
        )
    return replies, reading


def _distinct(replies: Sequence[_Reply]) -> list[_Reply]:
    """The replies without repeats; a row with neither image nor id is never a repeat."""
    seen: set[_Reply] = set()
    kept: list[_Reply] = []
    for reply in replies:
        if reply.image is None and reply.id is None:
            kept.append(reply)
        elif reply not in seen:
            seen.add(reply)
            kept.append(reply)
    return kept


def _by_image(
    replies: Sequence[_Reply], questions: Sequence[LabelledQuestion], name: str
) -> ReplyPlaces:
    """Join where both sides name the image: the longest question that the prompt contains."""
    of_image: dict[str, list[int]] = {}
    for at, question in enumerate(questions):
        of_image.setdefault(question.image, []).append(at)
    texts = [normal(question.text) for question in questions]
    found: ReplyPlaces = {}
    for index, reply in enumerate(replies):
        prompt = reply.prompt or ""
        candidates = [
            at for at in of_image.get(reply.image or "", ()) if contains(prompt, texts[at])
        ]
        longest = max((len(texts[at]) for at in candidates), default=0)
        best = [at for at in candidates if len(texts[at]) == longest]
        if len({texts[at] for at in best}) > 1:
            raise DataError(
                "a prompt holds several of the questions, and its answer is for one of them",
                where=f"{name}, image {reply.image}: {texts[best[0]]!r}, {texts[best[1]]!r}",
                hint="name a field that holds one question, with --field predictions.question=NAME",
            )
        for at in best:  # a question that stands twice in its file is answered twice
            _place(found, at, index, replies, name)
    return found


def _by_id(
    replies: Sequence[_Reply], questions: Sequence[LabelledQuestion], name: str, *, believed: bool
) -> tuple[ReplyPlaces, str]:
    """Join by id; nothing where an id stands for two different questions."""
    places: dict[str, list[int]] = {}
    for at, question in enumerate(questions):
        if question.key is not None:
            places.setdefault(question.key, []).append(at)
    found: ReplyPlaces = {}
    for index, reply in enumerate(replies):
        for at in places.get(reply.id, ()) if reply.id is not None else ():
            if not reply.fits(questions[at]):
                return {}, "nothing"
            _place(found, at, index, replies, name)
    joined = [replies[index] for index in found.values()]
    if joined and all(reply.prompt is not None for reply in joined):
        return found, "id and question"
    if joined and all(reply.image is not None for reply in joined):
        return found, "id and image"
    # Ids alone prove nothing unless log and questions are the same complete set.
    whole = len(found) == len(replies) == len(questions)
    return (found, "id only") if found and (whole or believed) else ({}, "nothing")


def _by_order(replies: Sequence[_Reply], questions: Sequence[LabelledQuestion]) -> ReplyPlaces:
    """Join a log whose ids mean something else: one unbroken run of the questions, in order.

    The run begins with the first question and ends with the last one or with the log. It must be
    the whole log, or the only such run and long enough not to be a coincidence.
    """
    texts = [normal(question.text) for question in questions]
    runs: list[range] = []
    for start in range(len(replies)):
        end = min(len(replies), start + len(texts))
        if end - start >= min(LEAST_RUN, len(texts)) and all(
            reply.prompt is not None
            and contains(reply.prompt, text)
            and reply.image in (None, question.image)
            for reply, text, question in zip(replies[start:end], texts, questions, strict=False)
        ):
            runs.append(range(start, end))
            if len(runs[0]) == len(replies) == len(questions):
                break
    return {at: runs[0][at] for at in range(len(runs[0]))} if len(runs) == 1 else {}


LEAST_RUN = 50
"""Questions that must agree in a row before an order is believed."""


def _counted(
    replies: Sequence[_Reply], questions: Sequence[LabelledQuestion], *, believed: bool
) -> bool:
    """Whether rows without image, id and question may be taken in order.

    Unless the user vouches for the order, every row must be bare: no image, no id, no question.
    """
    if len(replies) != len(questions):
        return False
    if believed:
        return all(r.fits(question) for r, question in zip(replies, questions, strict=True))
    return all(r.image is None and r.id is None and r.prompt is None for r in replies)


def _place(found: ReplyPlaces, at: int, index: int, replies: Sequence[_Reply], name: str) -> None:
    reply = replies[index]
    if at in found and replies[found[at]].answer != reply.answer:
        raise DataError(
            "one question has two different answers",
            where=f"{name}, question {reply.id or reply.prompt}",
            hint="keep one run in the file",
        )
    found[at] = index


def _disagreement(replies: Sequence[_Reply], questions: Sequence[LabelledQuestion]) -> str:
    """Why nothing was joined, with counts."""
    by_id = {question.key: question for question in questions if question.key is not None}
    common = [(reply, by_id[reply.id]) for reply in replies if reply.id in by_id]
    if not common:
        return "no row of the log names an image and question, or an id, of these questions"
    other = sum(not reply.fits(question) for reply, question in common)
    return (
        f"the log answers another set of questions: of {len(common)} ids in common "
        f"{other} ask something else (these questions are version {version_of(questions)[:16]})"
    )
