"""Words of a sentence by the Penn Treebank's conventions, as published CHAIR figures were read.

The released evaluation of Rohrbach et al. 2018 (arXiv 1809.02156) splits captions into sentences
and then takes NLTK's ``word_tokenize``. :func:`word_tokens` gives, of one sentence, the tokens of
``nltk.word_tokenize(sentence, preserve_line=True)`` of NLTK 3.10.4; it was written from what that
function returns, and is compared with stored values of it. :func:`tokens` splits into sentences
first, at full stops only: no list of abbreviations is needed, because none of them is an object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_MARK = re.compile(r"""\.{2,}|--|''|`+|"|[;@#$%&?!*\[\](){}<>«»“”‘’„‒–—―,:]""")
"""What stands apart from words: runs of stops and backticks, pairs of dashes and quotes, signs."""
_BEFORE_OPENING = frozenset(" ([{<«“‘„`")
"""A straight quote behind one of these opens."""
_SPACED = frozenset(";@#$%&?!.,:«“‘„`‒–—―")
"""Signs that count as a space for the single quote before them, as brackets and dashes do not."""
_FINAL_STOP = re.compile(r"""(?<=[^.])\.(?=(?:[\])}>»”’ ]|'(?!')|(?<![ (\[{<])(?:"|''))*+\s*+\Z)""")
_SENTENCE_END = re.compile(r"""(?<!\.)\.[\])}>"'»”’]*+(?=\s)""")
_LEADING_QUOTE = re.compile(r"(?<!\w)'(?!(?:re|ve|ll|[mtsdn])\b)(?=\w)")
_CLITICS = (
    re.compile(r"(?<=[^'])'[smd]?\Z"),
    re.compile(r"(?<=[^'])(?:'ll|'re|'ve|n't)\Z"),
)
"""Endings that are words of their own; of each row one is taken, the first row's first."""
_FUSED = re.compile(r"\b(?:(can)(not)|(d)('ye)|(gim|lem)(me)|(gon|wan)(na)|(got)(ta)|(more)('n))\b")
_TIS = re.compile(r" ('t)(is|was)\b")


def tokens(text: str) -> tuple[str, ...]:
    """Lower-case tokens of a text of one or several sentences.

    Args:
        text: A caption; newlines are allowed and end no sentence.
    """
    # A long answer repeats its sentences: each different one is taken apart once.
    parts = list(sentences(text.lower()))
    read = {one: word_tokens(one) for one in dict.fromkeys(parts)}
    return tuple(token for one in parts for token in read[one])


def sentences(text: str) -> Iterator[str]:
    """The stretches between full stops that spaces follow; quotes and brackets may close first.

    Args:
        text: Any text. A stop behind another stop ends nothing: it is part of an ellipsis.
    """
    start = 0
    for match in _SENTENCE_END.finditer(text):
        yield text[start : match.end()]
        start = match.end()
    yield text[start:]


def word_tokens(sentence: str) -> tuple[str, ...]:
    """Tokens of one sentence.

    Args:
        sentence: In lower case. A full stop leaves its word at the end only; commas and colons
            stay before digits; hyphens, slashes and underscores stay inside a word.

    Returns:
        Straight double quotes become two backticks where they open and two single quotes where
        they close; clitics ("dog's", "don't") become tokens of their own.
    """
    found: list[str] = []
    start = 0
    for at, end, marks in _marks(sentence):
        if at > start:
            found += _words(sentence[start:at], sentence[at] in _SPACED or marks[0] == "``")
        found += marks
        start = end
    return (*found, *_words(sentence[start:], False))


def _marks(sentence: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Start, end and tokens of all that stands apart, in order."""
    last = len(sentence.rstrip().rstrip("""])}>»”’'\" """)) - 1
    final = last if last > 0 and _FINAL_STOP.match(sentence, last) else len(sentence)
    passed = -1
    for match in _MARK.finditer(sentence):
        at, mark = match.start(), match.group()
        if final < at:
            yield final, final + 1, (".",)
            final = len(sentence)
        if mark in ",:":
            # Of two in a row the second stays with what follows; before a digit both stay.
            if at + 1 < len(sentence):
                if at == passed or sentence[at + 1].isdecimal():
                    continue
                passed = at + 1
            yield at, at + 1, (mark,)
        elif mark[0] == "`":
            yield at, match.end(), ("``",) * (len(mark) // 2) + ("`",) * (len(mark) % 2)
        elif mark in ('"', "''"):
            yield at, match.end(), ("``" if _opens(sentence, at, mark) else "''",)
        else:
            yield at, match.end(), (mark,)
    if final < len(sentence):
        yield final, final + 1, (".",)


def _opens(sentence: str, at: int, mark: str) -> bool:
    """Whether a straight quote opens."""
    if at == 0:
        return mark == '"'
    return sentence[at - 1] in _BEFORE_OPENING or (at == 1 and sentence[0] == '"')


def _words(stretch: str, spaced: bool) -> list[str]:
    """Tokens of what stands between two marks.

    Args:
        stretch: Words and spaces.
        spaced: Whether what follows counts as a space.
    """
    words = stretch.split()
    if "'" not in stretch and not _FUSED.search(stretch):
        return words
    found_tokens: list[str] = []
    # A space frees the quote before it, a tab or a newline does not: "dog's' x", not "dog's'\tx".
    place = 0
    for word in words:
        place = stretch.index(word, place) + len(word)
        after = stretch[place : place + 1]
        found_tokens += _word(word, after == " " if after else spaced)
    return found_tokens


def _word(word: str, spaced: bool) -> list[str]:
    """Tokens of one word: quotes, clitics and fused words taken apart."""
    found_tokens: list[str] = []
    parts = _LEADING_QUOTE.sub(" ' ", word).split()
    for number, part in enumerate(parts, start=1):
        ends: list[str] = []
        if (spaced or number < len(parts)) and re.search(r"[^']'\Z", part):
            part, ends = part[:-1], ["'"]
        for pattern in _CLITICS:
            match = pattern.search(part)
            if match:
                part, ends = part[: match.start()], [match.group(), *ends]
        found_tokens += [*_unfused(part), *ends]
    return found_tokens


def _unfused(part: str) -> list[str]:
    """The words of "cannot", "gonna" and their like."""
    if not _FUSED.search(part):
        return [part] if part else []
    apart = _FUSED.sub(lambda match: f" {' '.join(filter(None, match.groups()))} ", part)
    return _TIS.sub(r" \1 \2 ", apart).split()
