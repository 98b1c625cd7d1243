"""A step, compiled: from a document and earlier answers to requests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from headbench.errors import ConfigError, DataError
from headbench.nouns import Capture, Document, GeneratedText, Kind, Request, Role
from headbench.tasks.merge import Merged
from headbench.tasks.schema import KINDS, CaptureConfig, StepConfig
from headbench.tasks.templates import Template, compile_template, is_field

IMAGE_MARK = "<image>"
CONTENT = "content"
"""Rows of a capture, and the span that carries them: the text of the user's turns."""
Earlier = Mapping[str, tuple[str, ...]]
"""Name of an earlier step -> its outputs."""
Fields = Mapping[str, object]


@dataclass(frozen=True)
class Turn:
    """One user turn before it becomes part of a request."""

    text: str
    spans: Mapping[str, tuple[tuple[int, int], ...]]
    images: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """One step of a task.

    Attributes:
        name: Its name.
        role: Who answers.
        kind: What is asked.
        config: Everything else the file says.
    """

    name: str
    role: Role
    kind: Kind
    config: StepConfig
    _where: str
    _text: Template
    _description: Template
    _system: Template | None
    _choices: tuple[Template, ...]

    @property
    def captures(self) -> tuple[Capture, ...]:
        """What a ``represent`` step captures."""
        return tuple(map(_capture, self.config.captures))

    def items(self, document: Document) -> Sequence[object]:
        """What the step asks about: one item, or those of the field ``for_each``.

        Raises:
            DataError: The field is absent or no list.
        """
        if self.config.for_each is None:
            return (None,)
        found = document.fields.get(self.config.for_each)
        if not isinstance(found, list | tuple):
            raise DataError(
                f"for_each names {self.config.for_each!r}, which is no list in this document",
                where=f"{self._where}, document {document.id}",
            )
        return found

    def turn(self, document: Document, fields: Fields, *, before: str = "") -> Turn:
        """The user turn of one item.

        Args:
            document: Whose images are shown.
            fields: What the template may read.
            before: Solved examples, already as text.

        Raises:
            ConfigError: The number of ``<image>`` marks is not the number of images.
            DataError: The span ``question`` is empty.
        """
        body = self._text.render(fields)
        prefix = self._description.text(fields) + before
        text = prefix + body.text
        images = tuple(self._image(document, name) for name in self.config.doc_to_image)
        marks = text.count(IMAGE_MARK)
        if marks != len(images):
            raise ConfigError(
                f"the prompt shows {marks} {IMAGE_MARK} marks for {len(images)} images",
                where=f"{self._where}, document {document.id}",
                hint=f"write {IMAGE_MARK} once in doc_to_text for each field of doc_to_image",
            )
        question_spans = body.spans.get("question")
        if question_spans is not None and not any(
            body.text[a:b].strip() for a, b in question_spans
        ):
            raise DataError(
                "the question of this document has no text",
                where=f"{self._where}, document {document.id}",
                hint="leave the row out, or complete it",
            )
        moved = {
            name: tuple((start + len(prefix), end + len(prefix)) for start, end in ranges)
            for name, ranges in body.spans.items()
        }
        return Turn(text, moved, images)

    def system(self, fields: Fields) -> str | None:
        """The text of the system turn, if any."""
        return self._system.text(fields) if self._system is not None else None

    def ask(self, document: Document, fields: Fields) -> dict[str, object]:
        """What the request asks, in the words of :class:`headbench.nouns.Request`.

        Raises:
            ConfigError: A ``score`` or ``nexttoken`` step has nothing to choose from.
        """
        if self.kind == "generate":
            return self.config.generation_kwargs.ask()
        if self.kind == "represent":
            return {"captures": tuple(_capture(item) for item in self.config.captures)}
        choices = self.choices(document, fields)
        if self.kind == "nexttoken":
            return {"tokens": choices}
        delimiter = self.config.target_delimiter
        return {"continuations": tuple(delimiter + choice for choice in choices)}

    def choices(self, document: Document, fields: Fields) -> tuple[str, ...]:
        """The texts to choose from; for ``loglikelihood`` the target alone."""
        if self.config.output_type == "loglikelihood" or self.config.doc_to_choice is None:
            return (str(document.target),)
        if isinstance(self.config.doc_to_choice, str):
            found = fields.get(self.config.doc_to_choice)
            if not isinstance(found, list | tuple) or not found:
                raise DataError(
                    f"doc_to_choice names {self.config.doc_to_choice!r}, no list in this document",
                    where=f"{self._where}, document {document.id}",
                )
            return tuple(map(str, found))
        return tuple(template.text(fields) for template in self._choices)

    def _image(self, document: Document, name: str) -> str:
        if name not in document.images:
            raise DataError(
                f"the document has no image {name!r}",
                where=f"{self._where}, document {document.id}",
                hint=f"its images: {', '.join(document.images) or 'none'}",
            )
        return document.images[name]


def compile_step(config: StepConfig, merged: Merged, number: int | None) -> Step:
    """Compile the templates of a step.

    Args:
        config: The step, defaults filled in.
        merged: The file, for line numbers.
        number: Its position in ``steps``; ``None`` where the task has no ``steps``.

    Raises:
        ConfigError: A template does not compile, or the step asks nothing.
    """

    def where(key: str) -> str:
        inner = ("steps", number, key) if number is not None else (key,)
        return merged.where(inner if inner in merged.origins else (key,))

    if not config.doc_to_text and config.continues is None:
        raise ConfigError("the step has no prompt", where=where("doc_to_text"), hint="doc_to_text")
    kind = KINDS[config.output_type]
    if kind == "represent" and not config.captures:
        raise ConfigError("a represent step captures nothing", where=where("captures"))
    if config.output_type in ("multiple_choice", "nexttoken") and config.doc_to_choice is None:
        raise ConfigError(
            f"{config.output_type} has nothing to choose from",
            where=where("output_type"),
            hint="add doc_to_choice",
        )
    listed = config.doc_to_choice
    if isinstance(listed, str) and not is_field(listed):
        raise ConfigError(
            "doc_to_choice is a list of templates or the bare name of a field",
            where=where("doc_to_choice"),
        )
    return Step(
        name=config.name,
        role=config.role,
        kind=kind,
        config=config,
        _where=where("doc_to_text"),
        _text=compile_template(config.doc_to_text, where("doc_to_text")),
        _description=compile_template(config.description, where("description")),
        _system=None if config.system is None else compile_template(config.system, where("system")),
        _choices=tuple(
            compile_template(choice, where("doc_to_choice"), bare=False) for choice in listed
        )
        if isinstance(listed, tuple)
        else (),
    )


def build_request(
    step: Step,
    document: Document,
    fields: Fields,
    turns: Sequence[Turn | str],
    place: tuple[int, int],
    system: str | None = None,
    answer: Mapping[str, object] = MappingProxyType({}),
) -> Request:
    """Join turns to messages; each span names the message that it lies in.

    Args:
        step: What is asked.
        document: About what.
        fields: What templates may read.
        turns: User turns (:class:`Turn`) and, between them, answers (text).
        place: Number of the request within (document, step), and its seed.
        system: Text of the system turn, if any.
        answer: As :func:`answer_of` gives it, where an answer is continued.
    """
    content = step.kind == "represent" and any(one.rows == CONTENT for one in step.captures)
    messages: list[Mapping[str, str]] = []
    spans: dict[str, list[tuple[int, int, int]]] = {}
    images: list[str] = []
    if system is not None:
        messages.append({"role": "system", "content": system})
    for turn in turns:
        if isinstance(turn, str):
            messages.append({"role": "assistant", "content": turn})
            continue
        for name, ranges in turn.spans.items():
            spans.setdefault(name, []).extend((len(messages), *pair) for pair in ranges)
        if content:
            pieces = ((len(messages), *at) for at in _around_images(turn.text))
            spans.setdefault(CONTENT, []).extend(pieces)
        images.extend(turn.images)
        messages.append({"role": "user", "content": turn.text})
    return Request(
        document=document.id,
        step=step.name,
        index=place[0],
        seed=place[1],
        kind=step.kind,
        messages=tuple(messages),
        images=tuple(images),
        spans={name: tuple(found) for name, found in spans.items()},
        ask={**step.ask(document, fields), **answer},
    )


def answer_of(output: str, *, same_model: bool) -> dict[str, object]:
    """What a request asks for whose answer is known already.

    Args:
        output: Of the step that is continued.
        same_model: Whether the ids that were generated are those of the model that reads them.
    """
    answer: dict[str, object] = {"answer": str(output)}
    # Adapters that report no ids give none: text without ids is tokenized again.
    if same_model and isinstance(output, GeneratedText) and (output.tokens or not output):
        answer["answer_tokens"] = output.tokens
    return answer


def _around_images(text: str) -> list[tuple[int, int]]:
    """Character ranges of a turn's text apart from its image marks."""
    ranges, start = [], 0
    for piece in text.split(IMAGE_MARK):
        ranges.append((start, start + len(piece)))
        start += len(piece) + len(IMAGE_MARK)
    return [(low, high) for low, high in ranges if high > low]


def request_seed(run_seed: int, document: str, step: str, index: int) -> int:
    """Seed of one request: 63 bits of SHA-256 over its coordinates, shared with no other row."""
    text = f"{run_seed}\x1f{document}\x1f{step}\x1f{index}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def _capture(config: CaptureConfig) -> Capture:
    # `all` names none until the model is known: `headbench.tasks.all_layers`.
    layers = tuple(one for one in config.layers if isinstance(one, int))
    return Capture(config.site, layers, config.rows, config.keys, config.pool, config.tower)
