"""What recorded needle responses are scored for: the rows' needle, or phrases that were given.

Scored for another needle, every row would silently get zero. So rows that name their needle are
scored for that one, and phrases that their needle does not contain are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headbench.errors import DataError
from headbench.families.needles.needle_text import holds_phrase, running, words
from headbench.families.needles.niah_scorers import SAN_FRANCISCO
from headbench.results.fields import LogRow, Reading
from headbench.scoring import lookup
from headbench.scoring.scorer import Scorer
from headbench.statistics.metric import Metric


@dataclass(frozen=True)
class ExpectedPhrases:
    """What responses must hold.

    Attributes:
        scorer: ``keyphrase3`` for phrases, ``niah`` for the words of a needle.
        texts: The phrases, or the needle's words.
        how: Where they come from, as results say it.
        options: For the scorer.
    """

    scorer: Scorer
    texts: tuple[str, ...]
    how: str
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def target(self) -> str | None:
        """What the scorer reads as the document's target."""
        return None if self.options else self.texts[0]

    def metrics(self) -> dict[str, Metric]:
        """Registry name -> metric, the headline first."""
        recall, fraction = (lookup.metric(f"niah.{name}") for name in ("recall", "fraction"))
        if self.options:
            recall = recall.called("keyphrase3")
            fraction = fraction.called("keyphrase3_fraction")
        return {"niah.recall": recall, "niah.fraction": fraction}


def expected_phrases(
    rows: Sequence[LogRow], reading: Reading, phrases: Sequence[str], where: str
) -> ExpectedPhrases:
    """Decide what the responses of a file are scored for.

    Args:
        rows: Of one file.
        reading: From which fields needle and question are read.
        phrases: Given by the user; none: the needle of the rows, and the San Francisco needle where
            no row names one.
        where: File name, for errors.

    Raises:
        DataError: The rows name several needles, one without the phrases, or one that says nothing
            beyond its question.
    """
    needles = _distinct(rows, reading, "needle")
    if len(needles) > 1:
        raise DataError(
            f"the rows are of {len(needles)} needles, e.g. {needles[0]!r} and {needles[1]!r}",
            where=where,
            hint="score the rows of one needle at a time",
        )
    if phrases or not needles or _holds(needles[0], SAN_FRANCISCO):
        phrases_expected = tuple(phrases) or SAN_FRANCISCO
        lost = [
            phrase for phrase in phrases_expected if needles and not _holds(needles[0], (phrase,))
        ]
        if lost:
            raise DataError(
                f"the rows are of another needle: {needles[0]!r} does not hold {lost[0]!r}",
                where=where,
                hint="give --phrases of the rows' needle, or leave them out to score for all of it",
            )
        how = "given" if phrases else "key phrases of the San Francisco needle"
        if not needles and not phrases:
            how += ", because no row names its needle"
        return ExpectedPhrases(
            lookup.scorer("keyphrase3"), phrases_expected, how, {"phrases": list(phrases_expected)}
        )
    return _of_needle(needles[0], _distinct(rows, reading, "retrieval_question"), where)


def _of_needle(needle: str, questions: Sequence[str], where: str) -> ExpectedPhrases:
    """The needle's words without those of its question; all of them where no question is given."""
    question_words = {word for question in questions for word in words(question)}
    answer_words = " ".join(word for word in words(needle) if word not in question_words)
    if not answer_words:
        raise DataError(
            f"the needle {needle!r} says nothing beyond its question",
            where=where,
            hint="say with --phrases what a response must hold",
        )
    how = "words of the rows' needle, in order"
    if questions:
        how += ", without those of its question"
    return ExpectedPhrases(lookup.scorer("niah"), (answer_words,), how)


def _distinct(rows: Sequence[LogRow], reading: Reading, role: str) -> list[str]:
    """The distinct texts of a role; punctuation, spaces and case make no difference."""
    found: dict[str, str] = {}
    for row in rows:
        text = reading.text(row, role)
        if text is not None and running(text):
            found.setdefault(running(text), " ".join(text.split()))
    return list(found.values())


def _holds(needle: str, phrases: Sequence[str]) -> bool:
    return all(holds_phrase(running(needle), phrase) for phrase in phrases)
