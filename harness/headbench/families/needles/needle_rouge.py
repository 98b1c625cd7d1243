"""ROUGE-1 recall of a needle, as the retrieval-head experiments score (arXiv 2404.15574).

ROUGE-1 recall (Lin 2004) = matching words, each counted at most as often as the reference holds it,
over the words of the reference. Words are lower-cased runs of ASCII letters and digits; those of
more than three letters are stemmed, as in ``rouge_score`` with ``use_stemmer=True``.

It is generous: a response of common words ("a", "on", "in", "the") scores above 0. Therefore
``niah.substring``, the needle word for word (:mod:`.needle_text`), stands beside it. A
needle without ASCII words has no ROUGE of this kind, and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from headbench.errors import ConfigError
from headbench.families.needles import needle_metrics
from headbench.families.needles.needle_text import holds_phrase, running
from headbench.nouns import Document, Record
from headbench.scoring.parser import Parser
from headbench.scoring.parts import number
from headbench.scoring.rouge import rouge1_recall, tokens
from headbench.scoring.scorer import AskedStep, Scorer, refuse_unknown
from headbench.statistics.metric import Floats, SumMetric, ratio

SUCCESS = 0.5
"""The authors count a needle as found above this recall, not at it."""


def score(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> dict[str, object]:
    """ROUGE-1 recall of the needle in the response.

    Args:
        document: ``target`` is the needle's text, or a list whose recalls are averaged.
        outputs: Responses, read together.
        parser: Reads the answer out of each output.
        options: ``stem`` (default true).

    Returns:
        ``fraction``: the recall, 0..1 (the authors print it x 100). ``correct``: whether it is
        above :data:`SUCCESS`. ``substring``: whether the needle occurs word for word.

    Raises:
        ConfigError: An option is unknown or not a boolean, or the needle has no ASCII word.
    """
    parts, response = _recall(document, outputs, parser, options)
    texts = needle_metrics.expected_texts(document)
    bare = [text for text in texts if not tokens(text)]
    if bare:
        raise ConfigError(
            f"ROUGE as published reads ASCII words, and the needle {bare[0]!r} has none",
            where=f"document {document.id}",
            hint="score it with the scorer niah",
        )
    where = running(response)
    parts["substring"] = int(all(holds_phrase(where, text) for text in texts))
    return parts


def score_first(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> dict[str, object]:
    """:func:`score` as version 1: ``substring`` compares lower-case text with single spaces."""
    parts, response = _recall(document, outputs, parser, options)
    plain = _plain(response)
    parts["substring"] = int(
        all(_plain(text) in plain for text in needle_metrics.expected_texts(document))
    )
    return parts


def _recall(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> tuple[dict[str, object], str]:
    """The parts that hold the recall, and the response."""
    stemmed = _stemmed(options)
    texts = needle_metrics.expected_texts(document)
    response = "\n".join(str(parser.read(output) or "") for output in outputs)
    recall = sum(rouge1_recall(text, response, stemmed) for text in texts) / len(texts)
    return needle_metrics.parts(document, recall, recall > SUCCESS), response


def _stemmed(options: Mapping[str, object]) -> bool:
    """The option ``stem``."""
    refuse_unknown("needle_rouge", options, ("stem",))
    stemmed = options.get("stem", True)
    if not isinstance(stemmed, bool):
        raise ConfigError(
            f"stem must be true or false, not {stemmed!r}",
            where="scorer_options.stem",
            hint="leave it out to stem as the authors do",
        )
    return stemmed


def _check(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    _stemmed(options)


def _plain(text: str) -> str:
    """Lower case, with single spaces."""
    return " ".join(text.lower().split())


def _row(record: Record) -> tuple[float, float]:
    return number(record, "substring"), 1.0


def _mean(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])


def _verbatim(record: Record) -> bool:
    return number(record, "substring") == 1


SUBSTRING = SumMetric("substring", ("substring", "n"), _row, _mean, True, outcome=_verbatim)
NEEDLE_ROUGE = Scorer(
    name="needle_rouge",
    version=2,
    score=score,
    metrics=("niah.fraction", "niah.recall", "niah.substring"),
    breakdowns=needle_metrics.BREAKDOWNS,
    summary="ROUGE-1 recall of the needle with stemming, and the needle word for word",
    check=_check,
)
NEEDLE_ROUGE_1 = replace(NEEDLE_ROUGE, version=1, score=score_first)
"""The reading before version 2, for figures that name it."""
