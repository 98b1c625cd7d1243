"""Ratings of words by a model against people's norms: the tasks ``norms``, ``norms_things``, ..."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from headbench.errors import ConfigError, DataError
from headbench.families.brain.rating_scale import answer_scores, check_scale, scale_of
from headbench.families.brain.sample_figures import nothing
from headbench.nouns import Document, Record
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import AskedStep, Scorer
from headbench.statistics.metric import SampleStatistic, SumMetric, Weighted, ratio

if TYPE_CHECKING:
    from headbench.families.brain.rdm import Floats, Integers

THINGS = (
    "manmade",
    "precious",
    "lives",
    "heavy",
    "natural",
    "moves",
    "grasp",
    "hold",
    "be_moved",
    "pleasant",
    "arousing",
)
"""Rated properties of THINGS, which have a metric each."""
UNKNOWN = -1.0
"""A variance that the data do not give."""


def check(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    """Refuse a wrong scale, and steps that ask for no ratings."""
    check_scale("norms", options, steps)


def score(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> Mapping[str, object]:
    """The model's rating of one word on every norm.

    Returns:
        ``expected``, ``likeliest``, ``mass`` (probability of all answers of the scale), ``rated``
        and ``errors`` (variance of the human mean, -1 where it is not known), each ``[norm]``;
        ``norms``, their names; ``characters`` of the word.

    Raises:
        DataError: The document is of another kind, or people's ratings lie outside the scale.
        ConfigError: The answers are not those of the scale.
    """
    import numpy as np

    from headbench.families.brain.rating_readout import (
        expected_rating,
        likeliest_rating,
        scale_mass,
    )

    fields = document.fields
    names, rated = fields.get("norms"), fields.get("rated")
    if not isinstance(names, list) or len(outputs) != len(names) or "errors" not in fields:
        raise DataError(
            "the document holds no norms that fit the answers",
            where=f"document {document.id}",
            hint="use `dataset_path: word_norms` and `for_each: asked`",
        )
    human = np.array(rated, dtype=np.float64)
    scale = scale_of(options)
    if not ((human >= min(scale)) & (human <= max(scale))).all():
        raise DataError(
            f"people's ratings are on another scale than {min(scale):g} to {max(scale):g}",
            where=f"document {document.id}: {dict(zip(names, human.tolist(), strict=True))}",
            hint="ask the model for what people were asked: --task-args scale=1,2,3,4,5,6,7,8,9",
        )
    read = [answer_scores(one, options, document.id)[0] for one in outputs]
    return {
        "norms": ",".join(names),
        "expected": expected_rating(read, scale).astype(np.float32),
        "likeliest": likeliest_rating(read, scale).astype(np.float32),
        "mass": scale_mass(read).astype(np.float32),
        "rated": human.astype(np.float32),
        "errors": np.nan_to_num(np.array(fields["errors"], dtype=np.float32), nan=UNKNOWN),
        "characters": len(str(fields.get("word", ""))),
    }


def _names(records: Sequence[Record]) -> tuple[str, ...]:
    found = {str(record.parts["norms"]) for record in records if "norms" in record.parts}
    if len(found) > 1:
        raise ConfigError(
            f"records of different norms in one figure: {'; '.join(sorted(found))}",
            where="record part 'norms'",
            hint="score them as two tasks",
        )
    return tuple(found.pop().split(",")) if found else ()


def _over_norms(
    reading: str, kind: str, only: str = "", *, absolute: bool = False
) -> Callable[[Sequence[Record]], Weighted]:
    """Mean over norms of the correlation of a reading with people's ratings."""

    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        from headbench.families.brain.weighted_correlation import weighted_pearson
        from headbench.statistics.ranks import permuted_spearman, weighted_spearman

        names = _names(records)
        part = np.array(["norms" in record.parts for record in records], dtype=bool)
        taken = [record for record in records if "norms" in record.parts]
        columns = [at for at, name in enumerate(names) if only in ("", name)]
        if not columns or len(taken) < 2:
            return nothing(records)
        rated = np.array([record.parts["rated"] for record in taken], dtype=np.float64)
        ours = np.array([record.parts[reading] for record in taken], dtype=np.float64)
        ours = ours if ours.ndim == 2 else np.repeat(ours[:, None], len(names), axis=1)

        def mean(each: list[Floats]) -> Floats:
            table = np.array(each)  # [norm, draw]
            return np.asarray((np.abs(table) if absolute else table).mean(axis=0))

        if kind == "spearman":
            plain = [weighted_spearman(ours[:, at], rated[:, at]) for at in columns]
            mixed = [permuted_spearman(ours[:, at], rated[:, at]) for at in columns]
            return Weighted(
                part,
                lambda weights: mean([one(weights) for one in plain]),
                permuted=lambda orders: mean([one(orders) for one in mixed]),
            )

        def permuted(orders: Integers) -> Floats:
            ones = np.ones((1, len(taken)))
            return np.array(
                [
                    mean([weighted_pearson(ours[:, at], rated[order, at], ones) for at in columns])[
                        0
                    ]
                    for order in orders
                ]
            )

        return Weighted(
            part,
            lambda weights: mean(
                [weighted_pearson(ours[:, at], rated[:, at], weights) for at in columns]
            ),
            permuted=permuted,
        )

    return prepare


def _ceiling(records: Sequence[Record]) -> Weighted:
    """Mean over norms of sqrt(1 - mean(sd^2 / n) / variance of the means)."""
    import numpy as np

    part = np.array(["norms" in record.parts for record in records], dtype=bool)
    taken = [record for record in records if "norms" in record.parts]
    _names(records)
    if len(taken) < 2:
        return nothing(records)
    rated = np.array([record.parts["rated"] for record in taken], dtype=np.float64)
    errors = np.array([record.parts["errors"] for record in taken], dtype=np.float64)
    errors[errors < 0] = np.nan

    def values(weights: Floats) -> Floats:
        total = weights.sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            middle = weights @ rated / total
            variance = weights @ rated**2 / total - middle**2  # [draw, norm]
            share = 1 - (weights @ errors / total) / variance
            return np.asarray(np.sqrt(np.where(share >= 0, share, np.nan)).mean(axis=1))

    return Weighted(part, values)


def _mass(record: Record) -> Sequence[float]:
    if "mass" not in record.parts:
        return 0.0, 0.0
    import numpy as np

    mass = np.asarray(record.parts["mass"], dtype=np.float64)
    return float(mass.sum()), float(mass.size)


SPEARMAN = SampleStatistic("norms_spearman", _over_norms("expected", "spearman"), True)
PEARSON = SampleStatistic("norms_pearson", _over_norms("expected", "pearson"), True)
LIKELIEST = SampleStatistic("norms_likeliest", _over_norms("likeliest", "spearman"), True)
CHARACTERS = SampleStatistic(
    "norms_characters", _over_norms("characters", "spearman", absolute=True), None, low=0.0
)
CEILING = SampleStatistic("norms_ceiling", _ceiling, None, low=0.0)
MASS = SumMetric(
    "norms_mass", ("mass", "n"), _mass, lambda sums: ratio(sums[..., 0], sums[..., 1]), None
)
MANMADE, PRECIOUS, LIVES, HEAVY, NATURAL, MOVES, GRASP, HOLD, BE_MOVED, PLEASANT, AROUSING = (
    SampleStatistic(f"norms_{name}", _over_norms("expected", "spearman", name), True)
    for name in THINGS
)

NORMS = Scorer(
    "norms",
    1,
    score,
    (
        "brain.norms_spearman",
        "brain.norms_pearson",
        "brain.norms_likeliest",
        "brain.norms_ceiling",
        "brain.norms_mass",
        "brain.norms_characters",
        *(f"brain.norms_{name}" for name in THINGS),
    ),
    summary="expected ratings of words, against people's norms",
    check=check,
)
