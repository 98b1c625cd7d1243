"""The cosine of two words' states against a rating: word pairs, and items of a category."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from headbench.errors import DataError
from headbench.families.brain.one_state import check_state, state_of
from headbench.families.brain.sample_figures import nothing
from headbench.nouns import Document, Record
from headbench.scoring.parser import Parser
from headbench.scoring.parts import number
from headbench.scoring.rank_metrics import spearman
from headbench.scoring.scorer import AskedStep, Scorer
from headbench.statistics.metric import SampleStatistic, SumMetric, Weighted, ratio

if TYPE_CHECKING:
    from headbench.families.brain.rdm import Floats, Integers


def check(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    """Refuse options and captures that do not give one state per word."""
    check_state("cosine", options, steps)


def score(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> Mapping[str, object]:
    """The cosine of the states of two words.

    Returns:
        ``cosine``, ``None`` where a state is zero; ``rated``; ``length_gap``, minus the difference
        in characters; ``same``, 1 where the two states are equal though the words are not: the
        model cannot tell them apart; ``category`` where the document has one.

    Raises:
        DataError: The document has no two words, or no rating.
    """
    import numpy as np

    words, rated = document.fields.get("words"), document.target
    if (
        len(outputs) != 2
        or not isinstance(words, list)
        or isinstance(rated, bool)
        or not isinstance(rated, int | float)
    ):
        raise DataError(
            "a rated pair needs two answers, the field `words` and a rating as the target",
            where=f"document {document.id}",
            hint="ask `for_each: words`",
        )
    one, two = (state_of(text, options, document.id).astype(np.float64) for text in outputs)
    size = float(np.linalg.norm(one) * np.linalg.norm(two))
    parts: dict[str, object] = {
        "cosine": float(one @ two) / size if size else None,
        "rated": float(rated),
        "length_gap": -abs(len(str(words[0])) - len(str(words[1]))),
        "same": int(words[0] != words[1] and bool((one == two).all())),
    }
    if "category" in document.fields:
        parts["category"] = str(document.fields["category"])
    return parts


def _same(record: Record) -> Sequence[float]:
    return (number(record, "same"), 1.0) if "same" in record.parts else (0.0, 0.0)


def _typicality(part: str) -> Callable[[Sequence[Record]], Weighted]:
    """Mean over categories of Spearman within the category (arXiv 2505.17117, RQ2)."""

    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        from headbench.statistics.ranks import permuted_spearman, weighted_spearman

        takes = np.array(
            [record.parts.get(part) is not None and "category" in record.parts
             for record in records],
            dtype=bool,
        )  # fmt: skip
        taken = [record for record, one in zip(records, takes, strict=True) if one]
        labels = np.array([record.parts["category"] for record in taken], dtype=str)
        ours, people = (
            np.array([record.parts[name] for record in taken], dtype=np.float64)
            for name in (part, "rated")
        )
        groups = [np.flatnonzero(labels == name) for name in dict.fromkeys(labels.tolist())]
        groups = [group for group in groups if len(group) > 2]
        if not groups:
            return nothing(records)
        plain = [weighted_spearman(ours[group], people[group]) for group in groups]
        mixed = [permuted_spearman(ours[group], people[group]) for group in groups]

        def mean(each: list[Floats]) -> Floats:
            # A category of which a resample holds too little has no figure there.
            table = np.array(each)
            known = np.isfinite(table)
            total = np.where(known, table, 0.0).sum(axis=0)
            return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)

        def permuted(orders: Integers) -> Floats:
            # Names are exchanged within their category: the order in which they come in `orders`.
            inner = [np.argsort(np.argsort(orders, axis=1)[:, group], axis=1) for group in groups]
            return mean([one(order) for one, order in zip(mixed, inner, strict=True)])

        return Weighted(
            takes,
            lambda weights: mean(
                [one(weights[:, group]) for one, group in zip(plain, groups, strict=True)]
            ),
            permuted=permuted,
        )

    return prepare


def _categories(records: Sequence[Record]) -> Weighted:
    import numpy as np

    part = np.array(["category" in record.parts for record in records], dtype=bool)
    count = len({str(r.parts["category"]) for r in records if "category" in r.parts})
    return Weighted(part, lambda draws: np.full(len(draws), float(count)))


WORD_PAIRS = spearman("cosine", "rated", "word_pairs")
WORD_PAIRS_LENGTH = spearman("length_gap", "rated", "word_pairs_length")
SAME = SumMetric(
    "same_state", ("same", "n"), _same, lambda sums: ratio(sums[..., 0], sums[..., 1]), False
)
TYPICALITY = SampleStatistic("typicality", _typicality("cosine"), True)
TYPICALITY_LENGTH = SampleStatistic("typicality_length", _typicality("length_gap"), None)
CATEGORIES = SampleStatistic("typicality_categories", _categories, None, "count", 0.0, None)

COSINE = Scorer(
    "cosine",
    1,
    score,
    (
        "brain.word_pairs",
        "brain.word_pairs_length",
        "brain.same_state",
        "brain.typicality",
        "brain.typicality_length",
        "brain.typicality_categories",
    ),
    summary="the cosine of two words' states, against a rating of the pair",
    check=check,
)
