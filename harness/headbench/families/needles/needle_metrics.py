"""What all needle scorers share: parts of a record, and the metrics over them.

Every needle scorer gives ``correct`` (0 or 1: the whole needle was said), ``fraction``
(how much of it, 0..1) and, where the document has them, ``length`` and ``depth``.
"""

from __future__ import annotations

from collections.abc import Sequence

from headbench.errors import DataError
from headbench.nouns import Document, Record
from headbench.scoring.parts import number
from headbench.statistics.metric import Floats, SumMetric, ratio

METRICS = ("niah.recall", "niah.fraction")
BREAKDOWNS = ("length", "depth")


def parts(document: Document, fraction: float, correct: bool) -> dict[str, object]:
    """The parts of one document.

    Args:
        document: Its numeric fields ``length`` (tokens or words, as the task says) and ``depth``
            (share of the haystack before the needle) are carried along.
        fraction: Share of the needle that was said, 0..1.
        correct: Whether the document counts as recalled.

    Raises:
        DataError: ``length`` or ``depth`` is not a number.
    """
    parts_of_record: dict[str, object] = {"correct": int(correct), "fraction": fraction}
    for name in BREAKDOWNS:
        if name in document.fields:
            value = document.fields[name]
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise DataError(
                    f"{name} must be a number, not {value!r}",
                    where=f"document {document.id}",
                    hint="give the document a numeric field, or none of that name",
                )
            parts_of_record[name] = value
    return parts_of_record


def expected_texts(document: Document) -> tuple[str, ...]:
    """The texts to be recalled: the target is one text or a list of texts, none of them empty.

    Raises:
        DataError: The target is something else.
    """
    target = document.target
    texts: Sequence[object]
    if isinstance(target, str | int | float):
        texts = (target,)
    elif isinstance(target, Sequence):
        texts = target
    else:
        texts = ()
    read = tuple(str(text) for text in texts)
    if not read or not all(text.strip() for text in read):
        raise DataError(
            f"a needle's target must be one text or a list of texts, not {target!r}",
            where=f"document {document.id}",
            hint="point doc_to_target at what was hidden",
        )
    return read


def recalled(record: Record) -> bool:
    """Whether everything was recalled."""
    return number(record, "correct") == 1


def _row(record: Record) -> tuple[float, float, float]:
    return float(recalled(record)), number(record, "fraction"), 1.0


def _recall(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 2])


def _fraction(sums: Floats) -> Floats:
    return ratio(sums[..., 1], sums[..., 2])


_PARTS = ("recalled", "fraction", "n")
RECALL = SumMetric("recall", _PARTS, _row, _recall, True, outcome=recalled)
FRACTION = SumMetric("fraction", _PARTS, _row, _fraction, True)
