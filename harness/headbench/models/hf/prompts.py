"""From a request to token ids: the ONE place for templates, BOS, image tokens and spans.

Spans arrive as character ranges of the messages. Private-use marker characters carry them through
the chat template, because a search for the words would find an earlier copy; after the template
the markers are taken out and the tokenizer's offsets turn characters into token positions.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from headbench._json import is_whole
from headbench.errors import ConfigError, DataError, RefusedError
from headbench.models.hf.chat import FAILURES, template_errors
from headbench.models.hf.settings import ChatFlag
from headbench.models.hf.vision import Vision
from headbench.nouns import Positions, Request
from headbench.scoring import thoughts

MARKER = "<image>"
FIRST_MARK = 0xF0000  # supplementary private-use area: no tokenizer's training text holds these
MARKS = re.compile("[\U000f0000-\U000ffffd]")
CACHED_TOKENS = 4_000_000
"""Prompts are kept up to this many tokens in all (about 150 MB)."""

Span = tuple[str, int, int]


@dataclass(frozen=True)
class Prompt:
    """A request as the model sees it.

    Attributes:
        tokens: Ids, unpadded, one BOS where the model uses one.
        spans: Name -> token positions; always ``first`` and ``last``; ``image`` where there are
            images.
        images: Content hashes, in order.
        text: The rendered text, placeholders expanded; continuations are joined to it.
        specials: Whether the tokenizer added its special tokens to ``text``.
    """

    tokens: Positions
    spans: Mapping[str, Positions]
    images: tuple[str, ...]
    text: str
    specials: bool


class Prompter:
    """Renders and tokenises the requests of one model.

    Args:
        tokenizer: A transformers tokenizer.
        vision: The image half of the processor, or ``None``.
        template: The owner of the chat template (processor or tokenizer), or ``None`` for plain
            text: the contents of the messages joined by a line break.
        given: What the template is rendered with beside the messages.
    """

    def __init__(
        self,
        tokenizer: Any,
        vision: Vision | None,
        template: Any | None,
        given: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._tokenizer = tokenizer
        self._vision = vision
        self._template = template
        self._given = dict(given)
        self._typed = vision is not None and template is not None and takes_parts(template)
        added = getattr(tokenizer, "added_tokens_decoder", {})
        special = {at: str(token.content) for at, token in added.items() if token.special}
        self._special = frozenset(special) | frozenset(tokenizer.all_special_ids)
        self._marks = frozenset(at for at, text in special.items() if text in thoughts.TOKENS)
        self._kept: OrderedDict[object, Prompt] = OrderedDict()
        self._size = 0

    @property
    def image_ids(self) -> frozenset[int]:
        """Ids of the tokens that stand for image patches; none for a text model."""
        return self._vision.token_ids if self._vision is not None else frozenset()

    def resolve(self, request: Request) -> Prompt:
        """Token ids, spans and images of a request; kept, since conditions share prompts."""
        key = (
            tuple(tuple(sorted(turn.items())) for turn in request.messages),
            request.images,
            tuple(sorted(request.spans.items())),
        )
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        prompt = self._resolve(request)
        self._kept[key] = prompt
        self._size += len(prompt.tokens)
        while self._size > CACHED_TOKENS:
            _, old = self._kept.popitem(last=False)
            self._size -= len(old.tokens)
        return prompt

    def continuation(self, prompt: Prompt, text: str) -> Positions:
        """Ids of a text that follows the prompt.

        Prompt and text are tokenised together where that leaves the prompt's ids as they are, so
        that a leading space becomes what the tokenizer makes of it; apart otherwise.

        Raises:
            DataError: the text has no tokens.
        """
        joined = self._encode(prompt.text + text, specials=prompt.specials)
        if joined[: len(prompt.tokens)] == list(prompt.tokens):
            ids = joined[len(prompt.tokens) :]
        else:
            ids = self._encode(text, specials=False)
        if not ids:
            raise DataError(
                "a continuation has no tokens",
                where=repr(text),
                hint="give every choice at least one visible character",
            )
        return tuple(ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of generated ids, without special tokens, but with the marks of thoughts.

        Without them (Magistral's, gpt-oss's and others are special tokens) nobody could tell a
        thought from the answer behind it.
        """
        ids, skip = list(tokens), True
        if not self._marks.isdisjoint(ids):
            ids = [token for token in ids if token in self._marks or token not in self._special]
            skip = False
        text = self._tokenizer.decode(
            ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False
        )
        return str(text)

    def pieces(self, tokens: Sequence[int]) -> list[str]:
        """The text of each token by itself, special tokens included."""
        decode = self._tokenizer.decode
        return [str(decode([token], clean_up_tokenization_spaces=False)) for token in tokens]

    def pixel_scaling(self) -> tuple[list[float], list[float]] | None:
        """Mean and standard deviation by channel that pixels in [0, 1] were scaled with, if any."""
        return self._vision.scaling() if self._vision is not None else None

    def unknown_share(self, prompt: Prompt) -> float:
        """Share of the prompt's text tokens that are the unknown token, in [0, 1]."""
        unknown = self._tokenizer.unk_token_id
        image = set(prompt.spans.get("image", ()))
        text = [token for at, token in enumerate(prompt.tokens) if at not in image]
        if unknown is None or not text:
            return 0.0
        return text.count(unknown) / len(text)

    # ------------------------------------------------------------- inside

    def _resolve(self, request: Request) -> Prompt:
        where = f"document {request.document!r}, step {request.step!r}"
        marked, names = mark_spans(request)
        rendered = self._render(marked, where)
        if names and self._template is not None:
            self._check_unaltered(request, rendered, where)
        text, spans = take_marks(rendered, names, where)
        if request.images:
            text, spans = self._expand(text, spans, request.images, where)
        if not is_whole(text):
            raise DataError(
                "the prompt holds half of a character that takes two, which no tokenizer reads",
                where=where,
                hint="remove it from the data or the template",
            )
        begins = self._begins_with_bos(text)
        specials = not begins
        if spans and not getattr(self._tokenizer, "is_fast", False):
            raise RefusedError(
                "spans need a tokenizer that reports offsets (a fast one)",
                where=f"{type(self._tokenizer).__name__}, {where}",
                hint="use a checkpoint with a tokenizer.json",
            )
        tokens, offsets = self._encode_with_offsets(text, specials=specials)
        if not tokens:
            raise DataError("the prompt is empty", where=where, hint="look at `doc_to_text`")
        return Prompt(
            tokens=tuple(tokens),
            spans=self._token_spans(tokens, offsets, spans),
            images=request.images,
            text=text,
            specials=specials,
        )

    def _render(self, messages: Sequence[Mapping[str, str]], where: str) -> str:
        if self._template is None:
            text = "\n".join(turn["content"] for turn in messages)
            return text.replace(MARKER, self._vision.plain_placeholder()) if self._vision else text
        continues = messages[-1]["role"] == "assistant"
        turns = [
            {"role": turn["role"], "content": self._content(turn["content"])} for turn in messages
        ]
        with template_errors(where, [turn["role"] for turn in messages]):
            rendered = self._template.apply_chat_template(
                turns,
                tokenize=False,
                add_generation_prompt=not continues,
                continue_final_message=continues,
                **self._given,
            )
        return str(rendered)

    def _content(self, text: str) -> str | list[dict[str, str]]:
        """Typed parts where the template takes them, else text with the family's placeholder.

        Blanks next to an image go from typed parts: templates write their own.
        """
        if self._vision is None:
            return text
        if not self._typed:
            return text.replace(MARKER, self._vision.plain_placeholder())
        parts: list[dict[str, str]] = []
        for index, piece in enumerate(re.split(rf"\s*{re.escape(MARKER)}\s*", text)):
            if index:
                parts.append({"type": "image"})
            if piece:
                parts.append({"type": "text", "text": piece})
        return parts

    def _check_unaltered(self, request: Request, rendered: str, where: str) -> None:
        """The markers must not change what the template writes."""
        if self._render(request.messages, where) != MARKS.sub("", rendered):
            raise RefusedError(
                "the chat template rewrites a marked span, so its tokens cannot be found",
                where=where,
                hint="run with --model-args chat_template=off, or drop the span from the task",
            )

    def _expand(
        self, text: str, spans: list[Span], images: tuple[str, ...], where: str
    ) -> tuple[str, list[Span]]:
        """Write one placeholder token a patch, and move the spans along."""
        vision = self._vision
        if vision is None:
            raise RefusedError("the model takes no images", where=where)
        found = [match.start() for match in re.finditer(re.escape(vision.token), text)]
        if len(found) != len(images):
            raise DataError(
                f"{len(images)} images, but {len(found)} placeholders {vision.token!r}",
                where=where,
                hint=f"write {MARKER} once for each image, and nowhere else",
            )
        for start, sha256 in reversed(list(zip(found, images, strict=True))):
            end, new = start + len(vision.token), vision.text(sha256)
            text = text[:start] + new + text[end:]
            shift = len(new) - (end - start)
            spans = [(name, a + shift * (a >= end), b + shift * (b >= end)) for name, a, b in spans]
        return text, spans

    def _begins_with_bos(self, text: str) -> bool:
        """Whether the template wrote BOS itself, blanks before it aside."""
        bos = str(self._tokenizer.bos_token or "")
        # Several templates begin with a line break; of a plain text, blanks are its own.
        start = text if self._template is None else text.lstrip()
        return bool(bos) and start.startswith(bos)

    def _encode(self, text: str, *, specials: bool) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=specials)["input_ids"]
        return ids[self._wanted(ids, text)]

    def _encode_with_offsets(
        self, text: str, *, specials: bool
    ) -> tuple[list[int], list[tuple[int, int]]]:
        fast = bool(getattr(self._tokenizer, "is_fast", False))
        out = self._tokenizer(text, add_special_tokens=specials, return_offsets_mapping=fast)
        wanted = self._wanted(out["input_ids"], text)
        return out["input_ids"][wanted], out["offset_mapping"][wanted] if fast else []

    def _wanted(self, ids: Sequence[int], text: str) -> slice:
        """One BOS at most, and no EOS that the text does not hold."""
        bos, eos = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        twice = bos is not None and list(ids[:2]) == [bos, bos]
        ends = eos is not None and eos != bos and len(ids) > 1 and ids[-1] == eos
        added = ends and not text.endswith(str(self._tokenizer.eos_token))
        return slice(1 if twice else 0, len(ids) - 1 if added else len(ids))

    def _token_spans(
        self, tokens: Sequence[int], offsets: Sequence[tuple[int, int]], spans: Sequence[Span]
    ) -> dict[str, Positions]:
        found: dict[str, list[int]] = {}
        for name, start, end in spans:
            hit = [at for at, (a, b) in enumerate(offsets) if a < end and b > start and b > a]
            found.setdefault(name, []).extend(hit)
        named = {name: tuple(sorted(set(at))) for name, at in found.items()}
        if self._vision is not None:
            ids = self._vision.token_ids
            image = tuple(at for at, token in enumerate(tokens) if token in ids)
            named |= {"image": image} if image else {}
        return named | {"first": (0,), "last": (len(tokens) - 1,)}


# ------------------------------------------------------------------ spans through the template


def mark_spans(request: Request) -> tuple[list[dict[str, str]], list[str]]:
    """Put a pair of marker characters round every span.

    Blanks at a span's edges stay outside, so that a template may trim them.

    Returns:
        The marked messages, and the span's name for each pair of markers, in order.

    Raises:
        DataError: the text itself holds characters of the markers' range.
        ConfigError: a span lies outside its message.
    """
    messages = [dict(turn) for turn in request.messages]
    ranges = [(name, *at) for name, ats in request.spans.items() for at in ats]
    inserts: list[list[tuple[int, int, str]]] = [[] for _ in messages]
    names: list[str] = []
    for name, turn, start, end in ranges:
        content = messages[turn]["content"] if 0 <= turn < len(messages) else ""
        if not 0 <= start <= end <= len(content):
            raise ConfigError(
                f"span {name!r} lies outside its message",
                where=f"document {request.document!r}: message {turn}, {start}..{end}",
            )
        piece = content[start:end]
        if not piece.strip():
            continue
        start += len(piece) - len(piece.lstrip())
        end -= len(piece) - len(piece.rstrip())
        mark = FIRST_MARK + 2 * len(names)
        # at one place, a span that ends comes before one that begins
        inserts[turn] += [(start, 1, chr(mark)), (end, 0, chr(mark + 1))]
        names.append(name)
    for message, places in zip(messages, inserts, strict=True):
        if MARKS.search(message["content"]):
            raise DataError(
                "the text holds characters of the supplementary private-use area",
                where=f"document {request.document!r}",
                hint="remove them: span markers live there",
            )
        for at, _, character in sorted(places, reverse=True):
            text = message["content"]
            message["content"] = text[:at] + character + text[at:]
    return messages, names


def take_marks(text: str, names: Sequence[str], where: str) -> tuple[str, list[Span]]:
    """Remove the markers and say where they stood.

    Raises:
        RefusedError: the template dropped or repeated a marked span.
    """
    if not names:
        return text, []
    places: dict[int, list[int]] = {}
    for taken, match in enumerate(MARKS.finditer(text)):
        places.setdefault(ord(match.group()) - FIRST_MARK, []).append(match.start() - taken)
    if any(len(places.get(mark, ())) != 1 for mark in range(2 * len(names))):
        raise RefusedError(
            "the chat template drops or repeats a marked span",
            where=where,
            hint="run with --model-args chat_template=off, or drop the span from the task",
        )
    spans = [(name, places[2 * i][0], places[2 * i + 1][0]) for i, name in enumerate(names)]
    return MARKS.sub("", text), spans


def takes_parts(template: Any) -> bool:
    """Whether a chat template reads typed parts, found by trying: others print the list itself."""
    part = {"type": "text", "text": "probe"}
    try:
        text = template.apply_chat_template([{"role": "user", "content": [part]}], tokenize=False)
    except FAILURES:
        return False
    return "probe" in text and "'type'" not in text


def choose_template(flag: ChatFlag, processor: Any | None, tokenizer: Any) -> Any | None:
    """The owner of the chat template, or ``None`` for plain text.

    Raises:
        ConfigError: the template was asked for and there is none.
    """
    if flag == "off":
        return None
    for owner in (processor, tokenizer):
        if owner is not None and getattr(owner, "chat_template", None):
            return owner
    if flag == "on":
        raise ConfigError(
            "the checkpoint has no chat template",
            where="--model-args chat_template=on",
            hint="use chat_template=auto or off",
        )
    return None
