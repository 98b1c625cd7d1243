"""RULER's string matching (Hsieh et al. 2024, arXiv 2404.06654; repository NVIDIA/RULER).

Both are case-insensitive substring tests, so that a number also matches inside a longer number:
kept, because published figures contain it. lm-eval has a function of the name
``string_match_part`` that computes something else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from headbench.families.needles import needle_metrics
from headbench.nouns import Document
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import AskedStep, Scorer, refuse_unknown

_CONTROL = re.compile(r"[\x00-\x1f]")


def clean(prediction: str) -> str:
    """RULER's cleaning: strip, control characters to newlines, strip."""
    return _CONTROL.sub("\n", prediction.strip()).strip()


def found(
    document: Document, outputs: tuple[str, ...], parser: Parser
) -> tuple[int, tuple[str, ...]]:
    """How many references occur in the cleaned prediction, and the references."""
    references = needle_metrics.expected_texts(document)
    prediction = "\n".join(clean(str(parser.read(output) or "")) for output in outputs).lower()
    return sum(reference.lower() in prediction for reference in references), references


def score_all(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> dict[str, object]:
    """``string_match_all``: the share of references that occur (RULER prints its mean x 100).

    ``correct`` is 1 where all of them do. The document's target is the reference or a list of them.
    """
    refuse_unknown("string_match_all", options)
    count, references = found(document, outputs, parser)
    return needle_metrics.parts(document, count / len(references), count == len(references))


def score_part(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> dict[str, object]:
    """``string_match_part``: 1 if any reference occurs, else 0."""
    refuse_unknown("string_match_part", options)
    count, _ = found(document, outputs, parser)
    return needle_metrics.parts(document, float(count > 0), count > 0)


def _check_all(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    refuse_unknown("string_match_all", options)


def _check_part(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    refuse_unknown("string_match_part", options)


STRING_MATCH_ALL = Scorer(
    name="string_match_all",
    version=1,
    score=score_all,
    metrics=needle_metrics.METRICS,
    breakdowns=needle_metrics.BREAKDOWNS,
    summary="RULER: share of references that occur in the output",
    check=_check_all,
)
STRING_MATCH_PART = Scorer(
    name="string_match_part",
    version=1,
    score=score_part,
    metrics=needle_metrics.METRICS,
    breakdowns=needle_metrics.BREAKDOWNS,
    summary="RULER: whether any reference occurs in the output",
    check=_check_part,
)
