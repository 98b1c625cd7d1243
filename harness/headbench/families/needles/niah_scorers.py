"""Needle in a haystack, scored without a judge: whole words in order, and three key phrases.

How words, numbers and phrases are found in any script: :mod:`.needle_text`.
``niah`` is for packaged and generated needles, whose answers are known words. ``keyphrase3`` is for
the San Francisco needle of gkamradt/LLMTest_NeedleInAHaystack, where it agrees with the original
GPT judge's "10" on 98.5 % of the released Claude responses; no judge is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from headbench.errors import ConfigError, DataError
from headbench.families.needles import needle_metrics
from headbench.families.needles.needle_text import (
    holds_phrase,
    matched_in_order,
    running,
    said_words,
    tokens,
)
from headbench.nouns import Document
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import AskedStep, Scorer, refuse_unknown

SAN_FRANCISCO = ("sandwich", "dolores park", "sunny day")
"""What a response to the San Francisco needle must hold, in any order."""
_WORD = re.compile(r"\w+")


def first_words(text: str) -> tuple[str, ...]:
    """Lower-cased runs of letters and digits, in order: the words of version 1."""
    return tuple(_WORD.findall(text.lower()))


def score_words(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> dict[str, object]:
    """All expected words, in order, as whole words (:mod:`.needle_text`).

    Args:
        document: ``target`` is the expected text, or a list of them (several needles).
        outputs: One output, searched for all texts; or one per text, paired in order.
        parser: Reads the answer out of each output; an unparsed output says nothing.
        options: None are known.

    Returns:
        ``correct``: every word of every text was said in order. ``fraction``: words said in order
        over words expected. ``length`` and ``depth`` as in the document.

    Raises:
        DataError: A text holds no word.
    """
    expected = [tokens(text) for text in needle_metrics.expected_texts(document)]
    if not all(expected):
        raise DataError(
            "an expected text holds no word and no number",
            where=f"document {document.id}",
            hint="point doc_to_target at what was hidden",
        )
    answers = [str(parser.read(output) or "") for output in outputs]
    if len(answers) != len(expected) or len(expected) == 1:
        answers = ["\n".join(answers)] * len(expected)
    pairs = [
        ([token.text for token in want], said_words(answer, want))
        for want, answer in zip(expected, answers, strict=True)
    ]
    return _in_order(document, pairs, options)


def score_first_words(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> dict[str, object]:
    """:func:`score_words` as version 1 read words: ASCII case, no numbers, no scripts."""
    texts = needle_metrics.expected_texts(document)
    said_words = [first_words(str(parser.read(output) or "")) for output in outputs]
    if len(said_words) != len(texts) or len(texts) == 1:
        said_words = [tuple(word for one in said_words for word in one)] * len(texts)
    return _in_order(document, list(zip(map(first_words, texts), said_words, strict=True)), options)


def _in_order(
    document: Document,
    pairs: Sequence[tuple[Sequence[str], Sequence[str]]],
    options: Mapping[str, object],
) -> dict[str, object]:
    refuse_unknown("niah", options)
    total = sum(len(want) for want, _ in pairs)
    found = sum(matched_in_order(want, said) for want, said in pairs)
    return needle_metrics.parts(
        document, found / total if total else 0.0, total > 0 and found == total
    )


def score_keyphrases(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> dict[str, object]:
    """Key phrases in the response (:func:`.needle_text.holds_phrase`); the target is not read.

    Args:
        document: Gives ``length`` and ``depth``.
        outputs: Responses, searched together.
        parser: Reads the answer out of each output.
        options: ``phrases``: a list of phrases; by default :data:`SAN_FRANCISCO`.

    Returns:
        ``correct``: all phrases occur. ``fraction``: the share that occurs.

    Raises:
        ConfigError: ``phrases`` is not a list of texts that hold a word each.
    """
    phrases = _wordy_phrases(options)
    response = running("\n".join(str(parser.read(output) or "") for output in outputs))
    found = sum(holds_phrase(response, phrase) for phrase in phrases)
    return needle_metrics.parts(document, found / len(phrases), found == len(phrases))


def score_first_keyphrases(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> dict[str, object]:
    """:func:`score_keyphrases` as version 1: substrings of the lower-cased response."""
    phrases = _phrases(options)
    response = "\n".join(str(parser.read(output) or "") for output in outputs).lower()
    found = sum(phrase.lower() in response for phrase in phrases)
    return needle_metrics.parts(document, found / len(phrases), found == len(phrases))


def _phrases(options: Mapping[str, object]) -> Sequence[str]:
    refuse_unknown("keyphrase3", options, ("phrases",))
    phrases = options.get("phrases", SAN_FRANCISCO)
    if (
        isinstance(phrases, str)
        or not isinstance(phrases, Sequence)
        or not phrases
        or not all(isinstance(phrase, str) and phrase for phrase in phrases)
    ):
        raise _no_phrases(phrases)
    return phrases


def _wordy_phrases(options: Mapping[str, object]) -> Sequence[str]:
    """Phrases that hold a word each."""
    phrases = _phrases(options)
    if not all(map(running, phrases)):
        raise _no_phrases(phrases)
    return phrases


def _check_none(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    refuse_unknown("niah", options)


def _check_phrases(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    _wordy_phrases(options)


def _check_first_phrases(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    _phrases(options)


def _no_phrases(phrases: object) -> ConfigError:
    return ConfigError(
        f"phrases must be a list of texts, not {phrases!r}",
        where="scorer_options.phrases",
        hint="write phrases: [sandwich, dolores park]",
    )


NIAH = Scorer(
    name="niah",
    version=2,
    score=score_words,
    metrics=needle_metrics.METRICS,
    breakdowns=needle_metrics.BREAKDOWNS,
    summary="hidden words, all of them in order, as whole words",
    check=_check_none,
)
KEYPHRASE3 = Scorer(
    name="keyphrase3",
    version=2,
    score=score_keyphrases,
    metrics=needle_metrics.METRICS,
    breakdowns=needle_metrics.BREAKDOWNS,
    summary="three key phrases of the San Francisco needle, or your own",
    check=_check_phrases,
)
NIAH_1 = replace(NIAH, version=1, score=score_first_words)
KEYPHRASE3_1 = replace(
    KEYPHRASE3, version=1, score=score_first_keyphrases, check=_check_first_phrases
)
"""The readings before version 2, for figures that name them."""
