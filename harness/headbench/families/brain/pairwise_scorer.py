"""Similarity ratings of every pair, as people and as a model give them (arXiv 2412.00577).

A record is a stimulus with its ratings to all others, so that a resample draws stimuli. Scale,
prompt, the mean of both orders and the comparator are ours: the paper's were not at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from headbench.errors import DataError
from headbench.families.brain.packed_rows import unpack
from headbench.families.brain.rating_scale import answer_scores, check_scale, scale_of
from headbench.families.brain.sample_figures import nothing
from headbench.nouns import Document, Record
from headbench.scoring.parser import Parser
from headbench.scoring.parts import number
from headbench.scoring.scorer import AskedStep, Scorer
from headbench.statistics.metric import SampleStatistic, SumMetric, Weighted, ratio

if TYPE_CHECKING:
    from headbench.families.brain.rdm import Floats

LEAST_RATERS = 3


def check(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    """Refuse a wrong scale, and steps that ask for no ratings."""
    check_scale("pair_ratings", options, steps)


def score(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> Mapping[str, object]:
    """The model's ratings of one stimulus, named first, with each other.

    Returns:
        ``ratings`` ``[stimulus]``, the greatest rating with itself; ``people`` and ``rated``
        ``[subject, stimulus]``, 0 both where a subject gave no rating; ``place`` of the stimulus,
        ``highest`` of the scale, ``mass``, ``characters``.

    Raises:
        DataError: The document is of another kind, or people's ratings lie outside the scale.
        ConfigError: The answers are not those of the scale.
    """
    import numpy as np

    from headbench.families.brain.rating_readout import expected_rating, scale_mass

    fields = document.fields
    others, place, subjects = (fields.get(name) for name in ("others", "place", "subjects"))
    if (
        not isinstance(others, list)
        or not isinstance(place, int)
        or not isinstance(subjects, int)
        or len(outputs) != len(others)
    ):
        raise DataError(
            "the document holds no pairs that fit the answers",
            where=f"document {document.id}",
            hint="use `dataset_path: pairwise_ratings` and `for_each: others`",
        )
    scale = scale_of(options)
    people = unpack(fields.get("people"), subjects, f"document {document.id}")
    seen = people[np.isfinite(people)]
    if seen.min() < min(scale) or seen.max() > max(scale):
        raise DataError(
            f"people's ratings are on another scale than {min(scale):g} to {max(scale):g}",
            where=f"document {document.id}: {seen.min():g} to {seen.max():g}",
            hint="ask the model for what people were asked: --task-args scale=0,1,2,3,4,5",
        )
    read = [answer_scores(one, options, document.id)[0] for one in outputs]
    return {
        "ratings": np.insert(expected_rating(read, scale), place, max(scale)).astype(np.float32),
        "people": np.nan_to_num(people),
        "rated": np.isfinite(people).astype(np.float32),
        "place": place,
        "named": int(bool(fields.get("named"))),
        "highest": max(scale),
        "mass": float(scale_mass(read).mean()),
        "characters": len(str(fields.get("word", ""))),
    }


class _Pairs:
    """Both sides over the stimuli of some records."""

    def __init__(self, records: Sequence[Record]) -> None:
        import numpy as np

        from headbench.families.brain.rdm import condense

        self.takes_part = np.array(["ratings" in record.parts for record in records], dtype=bool)
        taken = [record for record in records if "ratings" in record.parts]
        self.count = len(taken)
        places = [int(number(record, "place")) for record in taken]
        # [stimulus, stimulus], row named first; [subject, stimulus, stimulus]
        self.ratings = np.array([record.parts["ratings"] for record in taken], np.float64)
        self.people: Floats = np.empty((0, 0))
        self.complete: Floats = np.empty((0, 0))
        if self.count < 3:
            return
        self.ratings = self.ratings[:, places]
        raw = np.array([record.parts["people"] for record in taken], np.float64).swapaxes(0, 1)
        raw = raw[:, :, places]
        marks = np.array([record.parts["rated"] for record in taken], np.float64)
        raw[marks.swapaxes(0, 1)[:, :, places] == 0] = np.nan
        highest = number(taken[0], "highest")

        def pairs(table: Floats) -> Floats:
            full = np.array(table)
            np.fill_diagonal(full, highest)
            return np.asarray(highest - condense(full))

        known = np.isfinite(raw)
        mean = np.where(known, raw, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        self.people = pairs(mean)[None]  # [1, pair]
        # A person who rated some pairs only has no RDM.
        off = ~np.eye(self.count, dtype=bool)
        whole = [one for one in raw if np.isfinite(one[off]).all()]
        if taken[0].parts["named"] and whole:
            self.complete = np.array([pairs(one) for one in whole])
        self.model = pairs((self.ratings + self.ratings.T) / 2)
        length = np.array([record.parts["characters"] for record in taken], np.float64)
        self.length = condense(np.abs(length[:, None] - length))


def _against(
    model: Callable[[_Pairs], Floats], people: Callable[[_Pairs], Floats]
) -> Callable[[Sequence[Record]], Weighted]:
    """Spearman of an RDM with each of people's, by the weights of stimuli."""

    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        from headbench.families.brain.rdm_similarity import (
            permuted_similarity,
            weighted_similarity,
        )
        from headbench.families.brain.rdm_similarity import prepare as ready

        pairs = _Pairs(records)
        if pairs.count < 3 or not len(people(pairs)):
            return nothing(records)
        ours, theirs = model(pairs), people(pairs)
        if np.ptp(ours) == 0:
            return Weighted(
                pairs.takes_part, lambda draws: np.full((len(draws), len(theirs)), np.nan),
                len(theirs),
            )  # fmt: skip
        left, right = ready(ours, "spearman", constant="nan"), ready(theirs, "spearman")
        return Weighted(
            pairs.takes_part,
            lambda weights: np.asarray(weighted_similarity(left, right, weights)[:, 0]),
            len(theirs),
            permuted=lambda orders: np.asarray(permuted_similarity(left, right, orders)[:, 0]),
        )

    return prepare


def _ceiling(bound: int) -> Callable[[Sequence[Record]], Weighted]:
    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        from headbench.families.brain.noise_ceiling import weighted_ceiling

        pairs = _Pairs(records)
        people = pairs.complete
        if pairs.count < 3 or len(people) < LEAST_RATERS:
            return nothing(records)
        return Weighted(
            pairs.takes_part,
            lambda weights: np.asarray(weighted_ceiling(people, weights, "spearman")[bound]),
            len(people),
        )

    return prepare


def _asymmetry(records: Sequence[Record]) -> Weighted:
    """Mean abs(r_ij - r_ji), in points of the scale."""
    import numpy as np

    pairs = _Pairs(records)
    if pairs.count < 3:
        return nothing(records)
    gaps = np.abs(pairs.ratings - pairs.ratings.T)
    np.fill_diagonal(gaps, 0.0)
    other = 1.0 - np.eye(pairs.count)

    def values(weights: Floats) -> Floats:
        # [draw, stimulus] both sides: a pair counts w_i w_j times
        over = ((weights @ gaps) * weights).sum(axis=1)
        under = ((weights @ other) * weights).sum(axis=1)
        return np.where(under > 0, over / np.where(under > 0, under, 1.0), np.nan)

    return Weighted(pairs.takes_part, values)


def _raters(records: Sequence[Record]) -> Weighted:
    import numpy as np

    pairs = _Pairs(records)
    if pairs.count < 3:
        return nothing(records)
    count = float(len(pairs.complete))
    return Weighted(pairs.takes_part, lambda draws: np.full(len(draws), count))


def _mass(record: Record) -> Sequence[float]:
    return (number(record, "mass"), 1.0) if "mass" in record.parts else (0.0, 0.0)


def _statistic(
    name: str,
    prepare: Callable[[Sequence[Record]], Weighted],
    better: bool | None,
    low: float | None = -1.0,
    high: float | None = 1.0,
) -> SampleStatistic:
    return SampleStatistic(name, prepare, better, low=low, high=high, resampling="bootstrap")


def _group(pairs: _Pairs) -> Floats:
    return pairs.people


def _each(pairs: _Pairs) -> Floats:
    return pairs.complete


GROUP = _statistic("turing_group", _against(lambda pairs: pairs.model, _group), True)
INDIVIDUAL = _statistic("turing_individual", _against(lambda pairs: pairs.model, _each), True)
CHARACTERS = _statistic("turing_characters", _against(lambda pairs: pairs.length, _group), None)
LOWER = _statistic("turing_ceiling_lower", _ceiling(0), None)
UPPER = _statistic("turing_ceiling_upper", _ceiling(1), None)
ASYMMETRY = SampleStatistic(
    "turing_order_asymmetry", _asymmetry, False, "points", low=0.0, high=None,
    resampling="bootstrap",
)  # fmt: skip
RATERS = SampleStatistic(
    "turing_raters", _raters, None, "count", low=0.0, high=None, resampling="bootstrap"
)
MASS = SumMetric(
    "turing_mass", ("mass", "n"), _mass, lambda sums: ratio(sums[..., 0], sums[..., 1]), None
)

PAIR_RATINGS = Scorer(
    "pair_ratings",
    1,
    score,
    (
        "brain.turing_group",
        "brain.turing_individual",
        "brain.turing_ceiling_lower",
        "brain.turing_ceiling_upper",
        "brain.turing_order_asymmetry",
        "brain.turing_mass",
        "brain.turing_characters",
        "brain.turing_raters",
    ),
    summary="expected similarity ratings of every pair in both orders, against people's",
    check=check,
)
