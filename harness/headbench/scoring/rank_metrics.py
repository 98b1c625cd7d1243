"""AUROC and Spearman's rank correlation over parts of records: metrics for any scorer.

``auroc`` reads the parts ``score`` and ``positive``, ``spearman`` the parts ``predicted`` and
``observed``. A scorer with other names makes its own: ``auroc("logit", "label")``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headbench.errors import DataError
from headbench.nouns import Record
from headbench.statistics.metric import SampleStatistic, Weighted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def auroc(score: str, positive: str, name: str = "auroc") -> SampleStatistic:
    """The chance that a positive document has a higher score than a negative one; ties count half.

    Args:
        score: Record part with the score.
        positive: Record part that is true (or 1) for positive documents, false (or 0) for others.
        name: Short name of the metric.

    Returns:
        A metric in 0..1; undefined where one of the classes is empty. A record whose score or
        class is ``None`` takes no part.
    """

    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        from headbench.statistics.ranks import permuted_auroc, weighted_auroc

        scores, classes = _numbers(records, score), _numbers(records, positive)
        part = np.isfinite(scores) & np.isfinite(classes)
        labels = classes[part]
        wrong = [label for label in labels if label not in (0, 1)]
        if wrong:
            raise DataError(
                f"a record's part {positive!r} must be true or false, not {wrong[0]:g}",
                where=f"metric {name}",
                hint="rescore the outputs, or name the part that holds the class",
            )
        # No AUROC of so few documents varies more than half as much as a share of the rarer class
        # (Hanley and McNeil 1982): at 0 or 1, where nothing seems to vary, that gives the width.
        rarer = min(labels.sum(), len(labels) - labels.sum())
        return Weighted(
            part,
            weighted_auroc(scores[part], labels > 0),
            independent=2.0 * float(rarer) or None,
            permuted=permuted_auroc(scores[part], labels > 0),
        )

    return SampleStatistic(name, prepare, True, low=0.0, high=1.0)


def spearman(one: str, other: str, name: str = "spearman") -> SampleStatistic:
    """Spearman's rank correlation of two record parts; ties get their mean rank.

    Args:
        one: Record part with the first number.
        other: Record part with the second.
        name: Short name of the metric.

    Returns:
        A metric in -1..1; undefined where either part is the same in all records. A record with a
        ``None`` takes no part.
    """

    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        from headbench.statistics.ranks import permuted_spearman, weighted_spearman

        first, second = _numbers(records, one), _numbers(records, other)
        part = np.isfinite(first) & np.isfinite(second)
        sides = first[part], second[part]
        return Weighted(part, weighted_spearman(*sides), permuted=permuted_spearman(*sides))

    return SampleStatistic(name, prepare, True)


def _numbers(records: Sequence[Record], part: str) -> NDArray[np.float64]:
    """A part of every record, NaN for ``None``: ``[record]``."""
    import numpy as np

    return np.array([_number(record, part) for record in records], dtype=np.float64)


def _number(record: Record, part: str) -> float:
    value = record.parts.get(part, record)
    if value is None:
        return float("nan")
    if isinstance(value, int | float):
        return float(value)
    said = "is not there" if value is record else f"is {value!r}"
    raise DataError(
        f"a record's part {part!r} {said}; it must be a number, or null where there is none",
        where=f"document {record.document}",
        hint="let the scorer give this part, or use a metric over the parts that it gives",
    )


AUROC = auroc("score", "positive")
SPEARMAN = spearman("predicted", "observed")
