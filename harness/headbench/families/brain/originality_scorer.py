"""Originality of uses of an object by semantic distance, against people's ratings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from headbench.errors import DataError
from headbench.families.brain.captured_features import (
    arrays_of,
    check_layer_capture,
    layer_features,
)
from headbench.nouns import Document, Record
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import AskedStep, Scorer, refuse_unknown
from headbench.statistics.metric import SampleStatistic, Weighted


def score(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> Mapping[str, object]:
    """The distance of a response from its object: 1 - cosine of their states.

    Returns:
        ``distance``, 0..2, ``None`` where a state is zero; ``words`` of the response; ``rated``,
        people's mean.

    Raises:
        ConfigError: Options are given; there are none.
        DataError: The document lacks an answer, its words, or its rating.
    """
    import numpy as np

    refuse_unknown("originality", options)
    words, rated = document.fields.get("words"), document.target
    if len(outputs) != 2 or not isinstance(words, int) or not isinstance(rated, int | float):
        raise DataError(
            "originality needs two answers, the field `words` and a rating as the target",
            where=f"document {document.id}",
            hint="ask `for_each` of the object and the response",
        )
    thing, response = (
        layer_features(arrays_of(one, document.id)[0], document.id).astype(np.float64)
        for one in outputs
    )
    size = float(np.linalg.norm(thing) * np.linalg.norm(response))
    distance = 1 - float(thing @ response) / size if size else None
    return {"distance": distance, "words": words, "rated": float(rated)}


def _pearson(part: str) -> Callable[[Sequence[Record]], Weighted]:
    """Pearson r of a part and the ratings."""

    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        from headbench.families.brain.weighted_correlation import weighted_pearson

        taken = [record for record in records if record.parts.get(part) is not None]
        takes_part = np.array([record.parts.get(part) is not None for record in records], bool)
        ours, people = (
            np.array([record.parts[name] for record in taken], dtype=np.float64)
            for name in (part, "rated")
        )
        if len(taken) < 2:
            return Weighted(takes_part, lambda draws: np.full(len(draws), np.nan))
        return Weighted(
            takes_part,
            lambda weights: weighted_pearson(ours, people, weights),
            permuted=lambda orders: np.array(
                [weighted_pearson(ours[order], people, np.ones((1, len(order))))[0]
                 for order in orders]
            ),
        )  # fmt: skip

    return prepare


ORIGINALITY = SampleStatistic("originality_r", _pearson("distance"), True)
LENGTH = SampleStatistic("length_r", _pearson("words"), None)


def check(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    """Refuse options, and steps that capture anything but one layer's state at one row.

    Raises:
        ConfigError: Either is so.
    """
    refuse_unknown("originality", options)
    for step in steps:
        check_layer_capture(step)


ORIGINALITY_SCORER = Scorer(
    "originality",
    1,
    score,
    ("brain.originality_r", "brain.length_r"),
    summary="semantic distance of a use from its object, against rated originality",
    check=check,
)
