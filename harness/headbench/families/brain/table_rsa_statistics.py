"""What is reported of a user's table: similarity per subject, ceilings, tests, nuisance rows.

numpy is imported where it is used: metrics are named by every list of tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from headbench.families.brain.sample_figures import nothing, of_the_sample
from headbench.nouns import Record
from headbench.statistics.metric import SampleStatistic, Weighted

if TYPE_CHECKING:
    from headbench.families.brain.rdm import Floats
    from headbench.families.brain.table_geometry import TableRecords
    from headbench.scoring.pictures import LayerProfile

NUISANCE = ("characters", "words", "position", "log_frequency")


def _read(records: Sequence[Record]) -> TableRecords | None:
    from headbench.families.brain.table_geometry import read_records

    return read_records(records)


def _similarity(arm: str = "") -> Callable[[Sequence[Record]], Weighted]:
    """Similarity to each subject, of all responses or of those rated high or low."""

    def prepare(records: Sequence[Record]) -> Weighted:
        from headbench.families.brain.table_geometry import read_records

        if arm and not any("high" in record.parts for record in records):
            return nothing(records)
        found = read_records(records, arm)
        if found is None:
            return nothing(records)
        chosen = found.chosen
        return Weighted(
            found.takes_part,
            chosen.values,
            len(found.subjects),
            permuted=chosen.permuted,
            whole_clusters=not chosen.halves,  # a half may cut a group in two
        )

    return prepare


def _contrast(records: Sequence[Record]) -> Weighted:
    """High less low, over the subjects who have both."""
    import numpy as np

    from headbench.families.brain.table_geometry import read_records

    if not any("high" in record.parts for record in records):
        return nothing(records)
    alone = [read_records(records, arm) for arm in ("high", "low")]
    if alone[0] is None or alone[1] is None:
        return nothing(records)
    both = np.intersect1d(alone[0].subjects, alone[1].subjects)
    high, low = (read_records(records, arm, both) for arm in ("high", "low"))
    if high is None or low is None:
        return nothing(records)

    def values(weights: Floats) -> Floats:
        return np.asarray(high.chosen.values(weights) - low.chosen.values(weights))

    return Weighted(high.takes_part, values, len(both))


def _plain(found: TableRecords) -> Floats:
    """Weights of one: the sample as it is."""
    import numpy as np

    return np.ones((1, found.chosen.stimuli))


def _bound(place: int) -> Callable[[Sequence[Record]], Weighted]:
    """A bound of the ceiling per subject, over subjects that have one."""

    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        found = _read(records)
        if found is None:
            return nothing(records)
        whole = found.chosen.whole
        known = np.isfinite(whole.ceilings(_plain(found))[place][0])
        if not known.any():
            return nothing(records)
        return Weighted(
            found.takes_part,
            lambda weights: np.asarray(whole.ceilings(weights)[place][:, known]),
            int(known.sum()),
        )

    return prepare


def _normalised(records: Sequence[Record]) -> Weighted:
    """Similarity to each subject over the group's lower bound, not clipped."""
    import numpy as np

    found = _read(records)
    if found is None or not np.isfinite(found.chosen.whole.ceilings(_plain(found))[0]).any():
        return nothing(records)

    def values(weights: Floats) -> Floats:
        lower = np.nanmean(found.chosen.whole.ceilings(weights)[0], axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(lower > 0, found.chosen.values(weights) / lower, np.nan))

    return Weighted(found.takes_part, values, len(found.subjects))


def _own(found: TableRecords, weights: Floats) -> Floats:
    """Each subject's score over its own lower bound, ``[draw, subject]``; NaN without one."""
    import numpy as np

    lower = found.chosen.whole.ceilings(weights)[0]
    usable = np.nan_to_num(lower) > 0
    scores = found.chosen.values(weights)
    return np.where(usable, scores / np.where(usable, lower, 1.0), np.nan)


def _over_subjects(summary: Callable[[Floats], Floats]) -> Callable[[Sequence[Record]], Weighted]:
    """A summary over subjects of ``[draw, subject]``: its interval is over new stimuli."""

    def prepare(records: Sequence[Record]) -> Weighted:
        found = _read(records)
        if found is None:
            return nothing(records)
        return Weighted(found.takes_part, lambda weights: summary(_own(found, weights)))

    return prepare


def _median(values: Floats) -> Floats:
    import numpy as np

    known = np.isfinite(values).any(axis=1)
    found = np.full(len(values), np.nan)
    found[known] = np.nanmedian(values[known], axis=1)
    return found


def _spread(values: Floats) -> Floats:
    """Median absolute deviation from the median, times 1.4826."""
    import numpy as np

    from headbench.families.brain.noise_ceiling import MAD_TO_SD

    return MAD_TO_SD * _median(np.abs(values - _median(values)[:, None]))


def _beyond(values: Floats) -> Floats:
    """Share of values outside -1..1, which a clip would hide."""
    import numpy as np

    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(
            known.any(axis=1), (np.abs(values) > 1).sum(axis=1) / known.sum(axis=1), np.nan
        )


def _once(figure: Callable[[TableRecords], float]) -> Callable[[Sequence[Record]], Weighted]:
    """A figure of the sample as it is: a count, or a test."""

    def prepare(records: Sequence[Record]) -> Weighted:
        found = _read(records)
        if found is None:
            return nothing(records)
        return of_the_sample(found.takes_part, figure(found))

    return prepare


def _gap(found: TableRecords) -> float:
    weights = _plain(found)
    naive = found.chosen.naive(weights).mean()
    return float(naive - found.chosen.values(weights).mean())


def _layer(found: TableRecords) -> float:
    return float(found.layers[found.chosen.best(_plain(found))[0]])


def _head(found: TableRecords) -> float:
    head = int(found.heads[found.chosen.best(_plain(found))[0]])
    return float("nan") if head < 0 else float(head)


def _without(found: TableRecords) -> float:
    import numpy as np

    return float((~np.isfinite(_own(found, _plain(found)))).sum())


def _sign_flip(found: TableRecords) -> float:
    from headbench.families.brain.subject_tests import sign_flip_p

    return sign_flip_p(_own(found, _plain(found))[0])


def _sign(found: TableRecords) -> float:
    from headbench.families.brain.subject_tests import sign_p

    return sign_p(_own(found, _plain(found))[0])


def _nuisance(name: str) -> Callable[[Sequence[Record]], Weighted]:
    """The geometry of a nuisance column (absolute differences) against each subject."""

    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        from headbench.families.brain.table_geometry import Geometries

        found = _read(records)
        if found is None:
            return nothing(records)
        taken = [one for one, takes in zip(records, found.takes_part, strict=True) if takes]
        column = [one.parts.get(f"nuisance_{name}") for one in taken]
        if any(value is None for value in column) or len(set(column)) < 2:
            return nothing(records)
        features = np.array(column, dtype=np.float64)[:, None, None]
        bare = Geometries(features, found.people, found.seen, "euclidean", found.method)
        return Weighted(
            found.takes_part,
            lambda weights: np.asarray(bare.values(weights)[:, 0]),
            len(found.subjects),
            permuted=lambda orders: np.asarray(bare.permuted(orders)[:, 0]),
        )

    return prepare


def _statistic(
    name: str,
    prepare: Callable[[Sequence[Record]], Weighted],
    better: bool | None = None,
    low: float | None = -1.0,
    high: float | None = 1.0,
) -> SampleStatistic:
    # What has no greatest value is a share of a ceiling.
    marked = 1.0 if better and high is None else None
    return SampleStatistic(
        name, prepare, better, low=low, high=high, resampling="bootstrap", marked_above=marked
    )


def profiles(records: Sequence[Record]) -> list[LayerProfile]:
    """Similarity of every layer or head to the subjects' mean, with their noise ceiling."""
    from headbench.scoring.pictures import LayerProfile

    found = _read(records)
    if found is None or found.chosen.whole.candidates < 2:
        return []
    plain = _plain(found)
    whole = found.chosen.whole
    lower, upper = (_mean_or_none(bound[0]) for bound in whole.ceilings(plain))
    return [
        LayerProfile.of(
            "brain.table_rsa",
            list(zip(found.layers.tolist(), found.heads.tolist(), strict=True)),
            whole.values(plain)[0].mean(axis=1),
            floor=lower,
            ceiling=upper,
            chance=0.0,
            note="Each over all stimuli; the task's figure is of candidates chosen on other data.",
        )
    ]


def _mean_or_none(values: Floats) -> float | None:
    """The mean of what is known; ``None`` where nothing is."""
    import numpy as np

    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _count(name: str, prepare: Callable[[Sequence[Record]], Weighted]) -> SampleStatistic:
    return SampleStatistic(
        name, prepare, None, unit="count", low=None, high=None, resampling="bootstrap"
    )


RSA = _statistic("table_rsa", _similarity(), better=True)
HIGH = _statistic("table_high", _similarity("high"), better=True)
LOW = _statistic("table_low", _similarity("low"), better=True)
CONTRAST = _statistic("table_high_less_low", _contrast, low=-2.0, high=2.0)
NORMALISED = _statistic("table_normalised", _normalised, better=True, low=None, high=None)
LOWER = _statistic("table_ceiling_lower", _bound(0))
UPPER = _statistic("table_ceiling_upper", _bound(1))
MEDIAN = _statistic(
    "table_subject_median", _over_subjects(_median), better=True, low=None, high=None
)
SPREAD = _statistic("table_subject_spread", _over_subjects(_spread), low=0.0, high=None)
BEYOND = _statistic("table_beyond_one", _over_subjects(_beyond), low=0.0)
SIGN_FLIP = _statistic("table_sign_flip_p", _once(_sign_flip), low=0.0)
SIGN = _statistic("table_sign_p", _once(_sign), low=0.0)
GAP = _statistic("table_optimism_gap", _once(_gap), low=-2.0, high=2.0)
LAYER = _count("table_best_layer", _once(_layer))
HEAD = _count("table_best_head", _once(_head))
SUBJECTS = _count("table_subjects", _once(lambda found: float(len(found.subjects))))
WITHOUT = _count("table_without_ceiling", _once(_without))
CHARACTERS, WORDS, POSITION, FREQUENCY = (
    _statistic(f"table_{name}", _nuisance(name)) for name in NUISANCE
)
