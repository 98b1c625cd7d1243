"""The odd one out of three concepts, by embeddings or by options, against people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from headbench.errors import ConfigError, DataError
from headbench.families.brain.captured_features import (
    arrays_of,
    check_layer_capture,
    layer_features,
)
from headbench.nouns import Document, Record, ScoredText
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import AskedStep, Scorer, refuse_unknown
from headbench.statistics.metric import SumMetric, ratio

if TYPE_CHECKING:
    from headbench.families.brain.rdm import Floats

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
    if len(outputs) != 3:
        raise DataError(
            "an odd one out of three embeddings needs three answers",
            where=f"document {document.id}",
            hint="list three items, and ask `for_each` of them",
        )
    features = [layer_features(arrays_of(one, document.id)[0], document.id) for one in outputs]
    if not all(row.any() for row in features):
        shares = np.full(3, 1 / 3)  # a silenced layer knows nothing
    else:
        shares = embedding_choices(np.array(features, dtype=np.float64), [[0, 1, 2]])[0]
    return _compared(shares, document)


def _compared(shares: Floats, document: Document) -> dict[str, object]:
    """A choice as shares of the three places, against people's and the packaged models'."""
    target = document.target
    if not isinstance(target, Mapping) or target.get("human") not in (0, 1, 2):
        raise DataError(
            "an odd one out needs in the target the place that people chose",
            where=f"document {document.id}",
            hint="give target: {human: 0, 1 or 2}",
        )
    human = int(target["human"])
    parts: dict[str, object] = {
        "choice": int(shares.argmax()) if shares.max() == 1 else -1,
        "correct": float(shares[human]),
        "human": human,
    }
    return parts | {
        f"{other}_correct": int(target[other] == human) for other in OTHERS if other in target
    }


def score_options(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> Mapping[str, object]:
    """Choose the option with the greatest probability, averaged over the orders it was asked in.

    Returns:
        As :func:`score`, and ``fickle``: 1 where the likeliest concept depends on the order, absent
        where there is one order; ``mass``, the mean over orders of the probability of all three
        options.

    Raises:
        ConfigError: Options are given; there are none.
        DataError: The document says not which concept stands at which option, or an answer holds no
            three log-probabilities.
    """
    import numpy as np

    from headbench.families.brain.odd_one_out import option_choices

    refuse_unknown("odd_one_out_options", options)
    places = document.fields.get("places")
    if not isinstance(places, list | tuple) or len(places) != len(outputs):
        raise DataError(
            f"{len(outputs)} answers, and no place in the triplet for each option of them",
            where=f"document {document.id}",
            hint="use `dataset_path: things_triplets` with `orders: 3`, and `for_each: orders`",
        )
    each = [one.scores if isinstance(one, ScoredText) else () for one in outputs]
    if any(len(one) != 3 for one in each):
        raise DataError(
            "an answer holds no log-probabilities of three options",
            where=f"document {document.id}",
            hint="ask `output_type: multiple_choice` with three texts in `doc_to_choice`",
        )
    scores = np.array(each, dtype=np.float64)  # [order, option]
    shares, fickle = option_choices(scores[None], np.array(places, dtype=np.int64)[None])
    parts = _compared(shares[0], document)
    parts["mass"] = float(np.exp(scores).sum(axis=1).mean())
    return parts if np.isnan(fickle) else {**parts, "fickle": fickle}


def _rate(name: str, part: str, *, better: bool | None = True) -> SumMetric:
    def row(record: Record) -> Sequence[float]:
        value = record.parts.get(part)
        return (float(value), 1.0) if isinstance(value, int | float) else (0.0, 0.0)

    return SumMetric(name, (part, "n"), row, lambda sums: ratio(sums[..., 0], sums[..., 1]), better)


def _tied(record: Record) -> Sequence[float]:
    return float(record.parts["choice"] == -1), 1.0


ACCURACY = _rate("odd_one_out", "correct")
GPT4 = _rate("gpt4", "gpt4_correct")
CHATGPT = _rate("chatgpt", "chatgpt_correct")
FICKLE = _rate("order_decides", "fickle", better=False)
MASS = _rate("option_mass", "mass", better=None)
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


def check_options(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    """Refuse options, and steps that give no log-probabilities.

    Raises:
        ConfigError: Either is so.
    """
    refuse_unknown("odd_one_out_options", options)
    if len(steps) != 1 or steps[0].kind not in ("score", "nexttoken"):
        raise ConfigError(
            "the scorer odd_one_out_options reads the log-probabilities of three options",
            where="steps",
            hint="ask one step with `output_type: multiple_choice` and `for_each: orders`",
        )


ODD_ONE_OUT_OPTIONS = Scorer(
    "odd_one_out_options",
    1,
    score_options,
    (
        "brain.odd_one_out",
        "brain.order_decides",
        "brain.option_mass",
        "brain.tied",
        "brain.gpt4",
        "brain.chatgpt",
    ),
    summary="the odd one of three options by their log-probabilities, over several orders",
    check=check_options,
)
