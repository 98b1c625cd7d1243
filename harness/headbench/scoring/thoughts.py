"""Thoughts that models write before their answer: cut before any parser reads it.

"<think>There is no dog. Wait, there is.</think>Yes." says yes; a parser that reads all of it would
read no. :func:`cut` takes the thoughts out in one place, for every scorer:

* a closed thought is cut, wherever it stands;
* everything before a closing mark without an opening one is cut too: many chat templates (DeepSeek
  R1, QwQ, Qwen3 thinking) put the opening mark into the prompt;
* a thought that was opened and not closed leaves no answer: the output is unparsed.

An output without a mark is left as it is, to the character.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from headbench.errors import ConfigError, nearest
from headbench.nouns import CapturedArrays, ScoredText


class Form(NamedTuple):
    """One pair of marks, as regular expressions, and who writes them."""

    opening: str
    closing: str
    models: str


FORMS: Mapping[str, Form] = {
    "think": Form(
        r"<think>",
        r"</think>",
        "DeepSeek R1 and V3.1, Qwen3, QwQ, GLM, MiniMax, Nemotron, SmolLM3, Phi-4, OLMo 3, Hunyuan",
    ),
    "thinking": Form(r"<thinking>", r"</thinking>", "prompts that ask for it"),
    "thought": Form(r"<thoughts?>", r"</thoughts?>", "EXAONE Deep, Open-O1"),
    "reasoning": Form(r"<reasoning>", r"</reasoning>", "Reka Flash 3"),
    "mistral": Form(r"\[THINK\]", r"\[/THINK\]", "Magistral"),
    "open_thoughts": Form(
        r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>", "OpenThinker, Sky-T1"
    ),
    "seed": Form(r"<seed:think>", r"</seed:think>", "Seed-OSS"),
    "kimi": Form("◁think▷", "◁/think▷", "Kimi-VL Thinking"),
    "cohere": Form(r"<\|START_THINKING\|>", r"<\|END_THINKING\|>", "Command A Reasoning"),
    "apertus": Form(r"<\|inner_prefix\|>", r"<\|inner_suffix\|>", "Apertus"),
    "gemma": Form(r"<\|channel>", r"<channel\|>", "Gemma 4"),
    "harmony": Form(
        r"<\|channel\|>(?:analysis|commentary)[^<>]{0,200}<\|message\|>",
        r"<\|channel\|>final[^<>]{0,200}<\|message\|>",
        "gpt-oss",
    ),
    "harmony_text": Form(r"analysis", r"assistantfinal", "gpt-oss, special tokens lost"),
    "granite": Form(
        r"Here(?:'s| is) my thought process:", r"Here(?:'s| is) my response:", "Granite 3.2"
    ),
}
"""Name -> marks. The last two are plain words: they count at the start, and where they close."""
TOKENS = frozenset((
    "<think>", "</think>", "<seed:think>", "</seed:think>", "[THINK]", "[/THINK]",
    "<|begin_of_thought|>", "<|end_of_thought|>", "<|START_THINKING|>", "<|END_THINKING|>",
    "<|inner_prefix|>", "<|inner_suffix|>", "<|channel>", "<channel|>", "<|channel|>",
    "<|message|>", "◁think▷", "◁/think▷",
))  # fmt: skip
"""Marks that are single tokens; where a tokenizer calls them special, decoding must keep them."""
PLAIN_WORDS = ("harmony_text", "granite")
CLOSED = "closed"
"""The union of all forms."""
NONE = "none"
PROMPT = "prompt"
"""The opening mark stands in every prompt: an output without a closing mark is unclosed."""
_CUSTOM = "..."
_CASED = frozenset({"mistral", *PLAIN_WORDS})
_ENVELOPES = (
    ("<answer>", "</answer>"),
    ("<response>", "</response>"),
    ("<output>", "</output>"),
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ("<|start_response|>", "<|end_response|>"),
    ("<|start_text|>", "<|end_text|>"),
)
"""What some models put around the answer that follows a thought, in lower case."""
_END = re.compile(r"<\|(?:return|end|call)\|>\s*\Z|<turn\|>\s*\Z")

DEFAULT: tuple[str, ...] = tuple(FORMS)


class Unfinished(str):
    """Stands for an output whose thought never ended: an empty text that no parser reads."""

    __slots__ = ()


UNFINISHED = Unfinished()


@dataclass(frozen=True)
class Cut:
    """Outputs without their thoughts.

    Attributes:
        texts: One per output; :data:`UNFINISHED` where a thought was not closed.
        closed: Outputs whose thoughts were all closed, and that had one.
        unclosed: Outputs with a thought that was not closed.
    """

    texts: tuple[str, ...]
    closed: int = 0
    unclosed: int = 0

    def parts(self) -> dict[str, object]:
        """Score parts that keep the counts; none where there was no thought."""
        counts = {"closed_thoughts": self.closed, "unclosed_thoughts": self.unclosed}
        return {name: count for name, count in counts.items() if count}


def marks_of(given: Sequence[str]) -> tuple[str, ...]:
    """Marks as they are used: ``closed`` written out, ``none`` as nothing, no name twice.

    Args:
        given: Names of :data:`FORMS`, ``closed``, ``none``, ``prompt``, or a pair of your own as
            ``OPENING...CLOSING``.

    Raises:
        ConfigError: A name is unknown, ``none`` is given with others, or a pair lacks a side.
    """
    found: list[str] = []
    for name in given:
        if name == CLOSED:
            found += DEFAULT
        elif name == NONE:
            if len(given) > 1:
                raise ConfigError(
                    "'none' stands alone", where="reasoning marks", hint="leave the others out"
                )
        elif _CUSTOM in name:
            opening, _, closing = name.partition(_CUSTOM)
            if not opening.strip() or not closing.strip():
                raise ConfigError(
                    f"the pair {name!r} lacks a mark",
                    where="reasoning marks",
                    hint="write both, for example '[[T]]...[[/T]]'",
                )
            found.append(name)
        elif name in FORMS or name == PROMPT:
            found.append(name)
        else:
            raise ConfigError(
                f"there are no reasoning marks called {name!r}",
                where="reasoning marks",
                hint=nearest(name, (*FORMS, CLOSED, NONE, PROMPT)),
            )
    return tuple(dict.fromkeys(found))


def cut(
    outputs: Sequence[str],
    marks: Sequence[str] = DEFAULT,
    counted: Sequence[bool] | None = None,
) -> Cut:
    """Take the thoughts out of outputs.

    Args:
        outputs: As generated.
        marks: As :func:`marks_of` gives them.
        counted: Which outputs are counted: the evaluated model's, and not a judge's; ``None``: all.
    """
    texts: list[str] = []
    closed = unclosed = 0
    for output, counts in zip(outputs, counted or [True] * len(outputs), strict=True):
        # Neither is said by the model: one names arrays, the other is one of the task's choices.
        if isinstance(output, CapturedArrays | ScoredText):
            texts.append(output)
            continue
        text = _without_thoughts(output, tuple(marks))
        unclosed += counts and text is None
        closed += counts and text is not None and text is not output
        texts.append(UNFINISHED if text is None else text)
    return Cut(tuple(texts), closed, unclosed)


def _without_thoughts(output: str, marks: tuple[str, ...]) -> str | None:
    """The output itself where it has no thought; ``None`` where one is not closed."""
    text = output
    for name in PLAIN_WORDS:
        if name in marks:
            text = _without_plain(text, FORMS[name])
    pattern = _pattern(marks)
    kept: list[str] = []
    start, inside = 0, ""
    for match in pattern.finditer(text) if pattern else ():
        form = str(match.lastgroup)
        if form[0] == "o":
            if not inside:
                kept.append(text[start : match.start()])
                inside = form[1:]
        elif inside in ("", form[1:]):
            if not inside:
                kept.clear()
            start, inside = match.end(), ""
    if inside:
        return None
    if start:
        text = "".join([*kept, text[start:]])
    if text is output:
        return None if PROMPT in marks else output
    return _opened(text)


def _without_plain(text: str, form: Form) -> str:
    """The text behind the closing words, where it begins with the opening ones."""
    if re.match(rf"\s*{form.opening}", text) is None:
        return text
    *_, last = [None, *re.finditer(form.closing, text)]
    return text if last is None else text[last.end() :]


def _opened(text: str) -> str:
    """An answer without the envelope that some models put around it behind a thought."""
    bare = _END.sub("", text).strip()
    for opening, closing in _ENVELOPES:
        if bare[: len(opening)].lower() == opening:
            bare = bare[len(opening) :]
            if bare[-len(closing) :].lower() == closing:
                bare = bare[: -len(closing)]
            return bare.strip()
    return bare


_UNIT = re.compile(r"\\.|.", re.DOTALL)
"""One character of a regular expression, escaped or not."""


@cache
def _pattern(marks: tuple[str, ...]) -> re.Pattern[str] | None:
    """One expression for all marks; groups are called ``o`` or ``c`` and the number of the form."""
    pairs: list[str] = []
    begins: set[str] = set()
    for number, name in enumerate(marks):
        if name in FORMS and name not in PLAIN_WORDS:
            opening, closing, _ = FORMS[name]
        elif _CUSTOM in name:
            opening, closing = map(re.escape, name.split(_CUSTOM, 1))
        else:
            continue
        cased = name in _CASED or name not in FORMS
        flag = "" if cased else "?i:"
        for kind, mark in (("o", opening), ("c", closing)):
            pairs.append(f"(?P<{kind}{number}>({flag or '?:'}{mark}))")
            begins.add(f"({flag or '?:'}{''.join(_UNIT.findall(mark)[:2])})")
    if not pairs:
        return None
    # Few pairs of characters begin a mark; to try every form at each of a million characters takes
    # a third of a second.
    return re.compile(f"(?={'|'.join(sorted(begins))})(?:{'|'.join(pairs)})")
