"""What a request asks to be scored, as token ids, and how many positions a request takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from headbench.errors import ConfigError, RefusedError
from headbench.models.hf.length import Room
from headbench.models.hf.prompts import Prompt, Prompter
from headbench.models.runtime.decoding import DecodingSettings
from headbench.nouns import Request


def answer_ids(request: Request, prompt: Prompt, prompter: Prompter) -> tuple[int, ...] | None:
    """Ids of the answer that a ``represent`` request continues; ``None``: it continues none.

    Raises:
        RefusedError: They hold a placeholder of an image.
    """
    text = request.ask.get("answer")
    if request.kind != "represent" or text is None:
        return None
    given = request.ask.get("answer_tokens")
    if given is not None:
        ids = tuple(cast("Sequence[int]", given))
    else:
        ids = prompter.continuation(prompt, str(text)) if str(text).strip() else ()
    if prompter.image_ids & set(ids):
        raise RefusedError(
            "the answer holds the placeholder of an image, which cannot be read again",
            where=f"document {request.document!r}, step {request.step!r}",
            hint="let the generating step end before it, with `until`",
        )
    return ids


def asked_ids(request: Request, prompt: Prompt, prompter: Prompter) -> tuple[tuple[int, ...], ...]:
    """Ids of each continuation (``score``) or of each next token (``nexttoken``)."""
    where = f"document {request.document!r}, step {request.step!r}"
    given = request.ask.get("continuation_tokens")
    if request.kind == "score" and given is not None:
        return tuple(tuple(ids) for ids in cast("Sequence[Sequence[int]]", given))
    name = "continuations" if request.kind == "score" else "tokens"
    texts = cast("Sequence[str | int]", request.ask.get(name) or ())
    if not texts:
        raise ConfigError(f"a {request.kind} request needs {name!r}", where=where)
    ids = [
        (text,) if isinstance(text, int) else prompter.continuation(prompt, text) for text in texts
    ]
    longer = [text for text, tokens in zip(texts, ids, strict=True) if len(tokens) > 1]
    if request.kind == "nexttoken" and longer:
        raise ConfigError(
            f"{longer[0]!r} is more than one token of this tokenizer",
            where=where,
            hint="ask for whole texts with output_type: score",
        )
    return tuple(ids)


def positions_taken(request: Request, prompt: Prompt, prompter: Prompter, room: Room) -> int:
    """Positions that a request takes: its prompt, images included, and the longest answer."""
    length = len(prompt.tokens)
    if request.kind == "generate":
        return length + DecodingSettings.read(request.ask, request.document).new_tokens
    if request.kind == "represent":
        return length + len(answer_ids(request, prompt, prompter) or ())
    if request.kind == "nexttoken":
        return length + 1
    texts = cast("Sequence[str]", request.ask.get("continuations") or ())
    # Plain text has no more tokens than characters: most is known as short without a tokenizer.
    most = max((len(text) + 1 for text in texts), default=0)
    if texts and all(map(str.isascii, texts)) and not room.beyond(length + most):
        return length + most
    return length + max(len(ids) for ids in asked_ids(request, prompt, prompter))
