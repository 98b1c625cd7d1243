"""Needle in a haystack, scored without a judge: whole words in order, and three key phrases.

``niah`` is for packaged and generated needles, whose answers are known words. ``keyphrase3`` is for
the San Francisco needle of gkamradt/LLMTest_NeedleInAHaystack, where it agrees with the original
GPT judge's "10" on 98.5 % of the released Claude responses; no judge is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from headbench.errors import ConfigError
from headbench.scoring import needle
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import Scorer
from headbench.types import Document

SAN_FRANCISCO = ("sandwich", "dolores park", "sunny day")
"""What a response to the San Francisco needle must hold, in any order."""
_WORD = re.compile(r"\w+")


def words(text: str) -> tuple[str, ...]:
    """Lower-cased runs of letters and digits, in order."""
    return tuple(_WORD.findall(text.lower()))


def matched_in_order(expected: Sequence[str], said: Sequence[str]) -> int:
    """Most expected words that occur in ``said`` in the expected order, others between allowed.

    The length of the longest common subsequence.
    """
    lengths = [0] * (len(expected) + 1)
    for word in said:
        previous = 0
        for index, want in enumerate(expected, start=1):
            above = lengths[index]
            lengths[index] = previous + 1 if word == want else max(above, lengths[index - 1])
            previous = above
    return lengths[-1]


def score_words(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> dict[str, object]:
    """All expected words, in order, as whole words.

    Args:
        document: ``target`` is the expected text, or a list of them (several needles).
        outputs: One output, in which all texts are sought; or one a text, paired in order.
        parser: Reads the answer out of each output; an unparsed output says nothing.
        options: None are known.

    Returns:
        ``correct``: every word of every text was said in order. ``fraction``: words said in order
        over words expected. ``length`` and ``depth`` as in the document.
    """
    needle.refuse_options("niah", options)
    texts = needle.expected_texts(document)
    said = [words(str(parser.read(output) or "")) for output in outputs]
    if len(said) != len(texts) or len(texts) == 1:
        said = [tuple(word for one in said for word in one)] * len(texts)
    expected = [words(text) for text in texts]
    total = sum(len(want) for want in expected)
    found = sum(matched_in_order(want, have) for want, have in zip(expected, said, strict=True))
    return needle.parts(document, found / total if total else 0.0, total > 0 and found == total)


def score_keyphrases(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> dict[str, object]:
    """Key phrases as substrings of the lower-cased response; the document's target is not read.

    Args:
        document: Gives ``length`` and ``depth``.
        outputs: Responses, sought through together.
        parser: Reads the answer out of each output.
        options: ``phrases``: a list of phrases; by default :data:`SAN_FRANCISCO`.

    Returns:
        ``correct``: all phrases occur. ``fraction``: the share that occurs.

    Raises:
        ConfigError: ``phrases`` is not a list of non-empty texts.
    """
    needle.refuse_options("keyphrase3", options, ("phrases",))
    phrases = options.get("phrases", SAN_FRANCISCO)
    if (
        isinstance(phrases, str)
        or not isinstance(phrases, Sequence)
        or not phrases
        or not all(isinstance(phrase, str) and phrase for phrase in phrases)
    ):
        raise ConfigError(
            f"phrases must be a list of texts, not {phrases!r}",
            where="scorer_options.phrases",
            mend="write phrases: [sandwich, dolores park]",
        )
    response = "\n".join(str(parser.read(output) or "") for output in outputs).lower()
    found = sum(phrase.lower() in response for phrase in phrases)
    return needle.parts(document, found / len(phrases), found == len(phrases))


NIAH = Scorer(
    name="niah",
    version=1,
    score=score_words,
    metrics=needle.METRICS,
    breakdowns=needle.BREAKDOWNS,
    summary="hidden words, all of them in order, as whole words",
)
KEYPHRASE3 = Scorer(
    name="keyphrase3",
    version=1,
    score=score_keyphrases,
    metrics=needle.METRICS,
    breakdowns=needle.BREAKDOWNS,
    summary="three key phrases of the San Francisco needle, or your own",
)
