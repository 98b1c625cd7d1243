"""What may be stored and printed of a task with sensitive texts.

A task that says ``sensitive: true`` asks about offensive or private texts, and a model that is
asked about a text may repeat it. So no output of such a task, no reading of one and no text of its
documents goes into records, results or messages. What stays: numbers, the task's own labels, and
digests, which still show whether two outputs are equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import replace
from numbers import Number

from headbench.errors import HeadbenchError
from headbench.nouns import Document, Record
from headbench.scoring.withheld import text_digest

WITHHELD = "[withheld]"
"""Replaces a text of a sensitive task in a message."""
LABELS = frozenset({"yes", "no", "true", "false", "0", "1", "0.0", "1.0"})
"""Labels of every task, beside those that its ``scorer_options`` name."""
_NEGATIONS = ("not ", "non-", "non ", "no ")
_LONGEST_ID = 64
_LONGEST_LABEL = 20
"""A word of a document that is no longer than this may be a label in a message."""
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_LONGEST_QUOTE = 2  # words: names of fields and types


def label_set(options: Mapping[str, object]) -> frozenset[str]:
    """The labels that a task names, in lower case, and their negations.

    Args:
        options: The task's ``scorer_options``.
    """
    named = {text.strip().lower() for text in _texts(options)}
    return LABELS | named | {f"{no}{label}" for label in named for no in _NEGATIONS}


def without_text_as_name(document: Document) -> Document:
    """The document with digests for an id and a cluster that were taken from its text."""
    return replace(document, id=_name(document.id), cluster=_name(document.cluster))


def without_texts(record: Record, labels: Set[str]) -> Record:
    """The record with labels and numbers as they are, and digests for every other text.

    Args:
        record: As the scorer made it.
        labels: Texts that may stay, in lower case.
    """
    return replace(
        record,
        outputs=tuple(map(text_digest, record.outputs)),
        parsed=_plain(record.parsed, labels),
        parts={name: _plain(value, labels) for name, value in record.parts.items()},
        target=_plain(record.target, labels),
        tokens=(),  # a tokenizer would read them
    )


@contextmanager
def no_texts_in_errors(
    sensitive: bool, document: Document | None = None, outputs: Iterable[str] = ()
) -> Iterator[None]:
    """Keep texts out of the messages of what runs inside.

    Args:
        sensitive: Whether the task is; otherwise nothing is done.
        document: Whose texts are withheld.
        outputs: Further texts.
    """
    try:
        yield
    except HeadbenchError as error:
        if not sensitive:
            raise
        texts = [*_texts(document.fields if document else {}), *outputs]
        error.what, error.where, error.hint = (
            _withhold(part, texts) for part in (error.what, error.where, error.hint)
        )
        error.args = (error.what,)
        raise error from None  # the cause may quote a text, too


def _withhold(message: str, texts: Iterable[str]) -> str:
    for text in sorted(set(texts), key=len, reverse=True):
        if len(text.split()) > 1 or len(text) > _LONGEST_LABEL:
            for form in (text, repr(text)[1:-1]):
                message = message.replace(form, WITHHELD)
    return _QUOTED.sub(
        lambda quote: WITHHELD if len(quote[0].split()) > _LONGEST_QUOTE else quote[0], message
    )


def _name(name: str) -> str:
    return text_digest(name) if len(name.split()) > 1 or len(name) > _LONGEST_ID else name


def _plain(value: object, labels: Set[str]) -> object:
    """The value with digests for texts that are no labels, at any depth, keys included."""
    if value is None or isinstance(value, Number):
        return value
    if isinstance(value, str):
        return value if value.strip().lower() in labels else text_digest(value)
    if isinstance(value, Mapping):
        return {_plain(key, labels): _plain(item, labels) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, labels) for item in value]
    if isinstance(value, Set):
        return {_plain(item, labels) for item in value}
    return text_digest(repr(value))


def _texts(value: object) -> Iterator[str]:
    """Every text in nested lists and mappings, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple | Set):
        for item in value:
            yield from _texts(item)
