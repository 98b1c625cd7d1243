"""Encoding of a user's own table: the scorer of ``encoding_table``, and what is reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from headbench.errors import ConfigError, DataError
from headbench.families.brain.captured_features import arrays_of, one_row
from headbench.families.brain.option_checks import check_one_of, check_whole, last_capture
from headbench.families.brain.packed_rows import unpack
from headbench.families.brain.sample_figures import nothing
from headbench.nouns import Document, Record
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import AskedStep, Scorer, refuse_unknown
from headbench.statistics.metric import SampleStatistic, Weighted

if TYPE_CHECKING:
    from headbench.families.brain.rdm import Floats
    from headbench.families.brain.table_encoding import EncodingRecords, Predicted

OPTIONS = ("folds", "fold_kind", "delays", "seed")
Fit = Callable[["EncodingRecords"], "Predicted | None"]


def check(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    """Refuse options that no encoding model has, and captures of more than one site."""
    from headbench.families.brain.ridge_encoding import FOLD_KINDS

    refuse_unknown("table_encoding", options, OPTIONS)
    check_one_of(options, "fold_kind", FOLD_KINDS)
    check_whole(options, "folds", least=2)
    check_whole(options, "seed", least=0)
    delays = options.get("delays")
    if not isinstance(delays, list | tuple) or not all(
        isinstance(one, int) and one >= 0 for one in delays
    ):
        raise ConfigError(
            f"delays are numbers of stimuli, 0 or more, not {delays!r}",
            where="scorer_options.delays",
            hint="for example delays=1,2,3,4",
        )
    last_capture(steps)


def score(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> Mapping[str, object]:
    """Features of one stimulus, and each subject's responses to it.

    Returns:
        ``features`` ``[layer, unit]`` (heads of a layer side by side), ``people``
        ``[subject, target]``, the place in the order of presentation, the nuisance columns, and how
        models are fitted.

    Raises:
        DataError: The document is not one of the source ``vector_table`` with responses.
        ConfigError: A capture is of several rows.
    """
    fields, where = document.fields, f"document {document.id}"
    subjects, nuisance = fields.get("subjects"), fields.get("nuisance")
    of_responses = fields.get("people_are") == "responses"
    if not isinstance(subjects, int) or not isinstance(nuisance, Mapping) or not of_responses:
        raise DataError(
            "the document holds nobody's responses",
            where=where,
            hint="use `dataset_path: vector_table` with `give: responses`",
        )
    states = one_row(arrays_of(outputs[-1], document.id)[0], document.id)
    delays = list(options["delays"])  # type: ignore[call-overload]
    return {
        "features": states.reshape(len(states), -1),
        "people": unpack(fields["people"], subjects, where),
        "place": fields["place"],
        "folds": options["folds"],
        "fold_kind": options["fold_kind"],
        "delays": ",".join(map(str, delays)),
        "seed": options["seed"],
        **{f"nuisance_{name}": value for name, value in nuisance.items()},
    }


# ------------------------------------------------------------------ what is reported


def _read(records: Sequence[Record]) -> EncodingRecords | None:
    from headbench.families.brain.table_encoding import read_records

    return read_records(records)


def _fitted(fit: Fit, *, tested: bool = False) -> Callable[[Sequence[Record]], Weighted]:
    """Held-out r of one kind of model, per subject; ``tested`` against permuted stimuli.

    Of grouped stimuli whole groups are exchanged with others of their size: passages keep what
    neighbours have in common, on both sides.
    """

    def prepare(records: Sequence[Record]) -> Weighted:
        found = _read(records)
        predicted = None if found is None else fit(found)
        if found is None or predicted is None:
            return nothing(records)
        return Weighted(
            found.takes_part,
            found.weighted(predicted),
            found.subjects,
            permuted=found.permuted if tested and found.testable else None,
            whole_clusters=True,
        )

    return prepare


def _normalised(records: Sequence[Record]) -> Weighted:
    """Held-out r over the group's cross-subject ceiling, not clipped."""
    import numpy as np

    found = _read(records)
    if found is None or found.ceiling is None:
        return nothing(records)
    score, ceiling = found.weighted(found.model), found.weighted(found.ceiling)

    def values(weights: Floats) -> Floats:
        bound = ceiling(weights).mean(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(bound > 0, score(weights) / bound, np.nan))

    return Weighted(found.takes_part, values, found.subjects)


def _beyond(records: Sequence[Record]) -> Weighted:
    """What features add to the nuisance columns: r of both bands less r of the columns alone."""
    import numpy as np

    found = _read(records)
    if found is None or found.both is None or found.bare is None:
        return nothing(records)
    both, bare = found.weighted(found.both), found.weighted(found.bare)
    return Weighted(
        found.takes_part,
        lambda weights: np.asarray(both(weights) - bare(weights)),
        found.subjects,
    )


def _count(count: Callable[[EncodingRecords], int]) -> Callable[[Sequence[Record]], Weighted]:
    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        found = _read(records)
        if found is None:
            return nothing(records)
        value = float(count(found))
        return Weighted(found.takes_part, lambda weights: np.full(len(weights), value))

    return prepare


def _statistic(
    name: str,
    prepare: Callable[[Sequence[Record]], Weighted],
    better: bool | None = None,
    bound: float | None = 1.0,
) -> SampleStatistic:
    low = None if bound is None else -bound
    marked = 1.0 if bound is None else None  # a share of the ceiling
    return SampleStatistic(
        name, prepare, better, low=low, high=bound, resampling="bootstrap", marked_above=marked
    )


def _number(name: str, count: Callable[[EncodingRecords], int]) -> SampleStatistic:
    return SampleStatistic(
        name, _count(count), None, unit="count", low=0.0, high=None, resampling="bootstrap"
    )


R = _statistic("encoding_r", _fitted(lambda found: found.model, tested=True), better=True)
CEILING = _statistic("encoding_ceiling", _fitted(lambda found: found.ceiling))
NORMALISED = _statistic("encoding_normalised", _normalised, better=True, bound=None)
NUISANCE = _statistic("encoding_nuisance_r", _fitted(lambda found: found.bare))
NEARNESS = _statistic("encoding_autocorrelation_r", _fitted(lambda found: found.nearness))
BEYOND = _statistic("encoding_beyond_nuisance", _beyond, better=True, bound=2.0)
SUBJECTS = _number("encoding_subjects", lambda found: found.subjects)
TARGETS = _number("encoding_targets", lambda found: found.responses.shape[2])
GROUPS = _number("encoding_groups", lambda found: len(set(found.groups.tolist())))

TABLE_ENCODING = Scorer(
    "table_encoding",
    1,
    score,
    (
        "brain.encoding_r",
        "brain.encoding_normalised",
        "brain.encoding_ceiling",
        "brain.encoding_beyond_nuisance",
        "brain.encoding_nuisance_r",
        "brain.encoding_autocorrelation_r",
        "brain.encoding_subjects",
        "brain.encoding_targets",
        "brain.encoding_groups",
    ),
    summary="ridge from features to the responses of a table of your own, on folds of whole groups",
    check=check,
)
