"""The odd one out of three concepts, by the similarity of their embeddings, against people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headbench.errors import DataError
from headbench.families.brain.captured_features import (
    arrays_of,
    check_layer_capture,
    layer_features,
)
from headbench.nouns import Document, Record
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import AskedStep, Scorer, refuse_unknown
from headbench.statistics.metric import SumMetric, ratio

OTHERS = ("gpt4", "chatgpt")
"""Models whose answers are packaged beside the human ones."""


def score(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> Mapping[str, object]:
    """Choose the concept that is not in the pair with the greatest cosine.

    Returns:
        ``choice``, the place 0..2, or -1 where pairs tie for the greatest; ``correct``, the share
        that guessing among the tied earns against the human choice; ``human``; whether each of the
        packaged models chose as people did, ``gpt4_correct`` and ``chatgpt_correct``.

    Raises:
        ConfigError: Options are given; there are none.
        DataError: The document has no three items or no human choice, or a state cannot be used.
    """
    import numpy as np

    from headbench.families.brain.odd_one_out import embedding_choices

    refuse_unknown("odd_one_out", options)
    target = document.target
    if len(outputs) != 3 or not isinstance(target, Mapping) or target.get("human") not in (0, 1, 2):
        raise DataError(
            "an odd one out needs three answers, and in the target the place that people chose",
            where=f"document {document.id}",
            hint="list three items, ask `for_each` of them, and give target: {human: 0, 1 or 2}",
        )
    features = [layer_features(arrays_of(one, document.id)[0], document.id) for one in outputs]
    if not all(row.any() for row in features):
        shares = np.full(3, 1 / 3)  # a silenced layer knows nothing
    else:
        shares = embedding_choices(np.array(features, dtype=np.float64), [[0, 1, 2]])[0]
    human = int(target["human"])
    parts: dict[str, object] = {
        "choice": int(shares.argmax()) if shares.max() == 1 else -1,
        "correct": float(shares[human]),
        "human": human,
    }
    return parts | {
        f"{other}_correct": int(target[other] == human) for other in OTHERS if other in target
    }


def _rate(name: str, part: str) -> SumMetric:
    def row(record: Record) -> Sequence[float]:
        value = record.parts.get(part)
        return (float(value), 1.0) if isinstance(value, int | float) else (0.0, 0.0)

    return SumMetric(name, (part, "n"), row, lambda sums: ratio(sums[..., 0], sums[..., 1]), True)


def _tied(record: Record) -> Sequence[float]:
    return float(record.parts["choice"] == -1), 1.0


ACCURACY = _rate("odd_one_out", "correct")
GPT4 = _rate("gpt4", "gpt4_correct")
CHATGPT = _rate("chatgpt", "chatgpt_correct")
TIED = SumMetric(
    "tied", ("tied", "n"), _tied, lambda sums: ratio(sums[..., 0], sums[..., 1]), False
)


def check(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    """Refuse options, and steps that capture anything but one layer's state at one row.

    Raises:
        ConfigError: Either is so.
    """
    refuse_unknown("odd_one_out", options)
    for step in steps:
        check_layer_capture(step)


ODD_ONE_OUT = Scorer(
    "odd_one_out",
    1,
    score,
    ("brain.odd_one_out", "brain.tied", "brain.gpt4", "brain.chatgpt"),
    summary="the odd one out of three embeddings, against people",
    check=check,
)
