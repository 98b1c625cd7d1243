"""What is reported of the records of the scorer ``rsa``: similarity, ceilings, candidates.

A record holds the features of one layer (or given RDM row), or of several candidates: layers, or
the heads of layers. Of several, each half of the stimuli chooses one, scored on the other half.
numpy is imported where it is used: metrics are named by every list of tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from headbench.errors import ConfigError
from headbench.families.brain.sample_figures import nothing, of_the_sample
from headbench.nouns import Record
from headbench.statistics.metric import SampleStatistic, Weighted

if TYPE_CHECKING:
    from headbench.families.brain.human_sides import HumanSide
    from headbench.families.brain.kept import Kept
    from headbench.families.brain.rdm import Booleans, Floats, Integers
    from headbench.families.brain.table_geometry import Chosen
    from headbench.scoring.pictures import LayerProfile

BOUNDS = {"lower": 0, "upper": 1}


def _side(records: Sequence[Record]) -> HumanSide | None:
    """The human side of the records; ``None`` where none of them names one."""
    from headbench.families.brain.human_sides import human_side

    names = {str(record.parts["people"]) for record in records if "people" in record.parts}
    if len(names) > 1:
        raise ConfigError(
            f"records of two human sides in one figure: {', '.join(sorted(names))}",
            where="record part 'people'",
            hint="score them as two tasks",
        )
    return human_side(names.pop()) if names else None


@dataclass(frozen=True)
class _Candidates:
    """Several layers or heads of some records.

    Attributes:
        takes_part: ``[record]``.
        chosen: Each against each person, with the choice on halves of the stimuli.
        layers: ``[candidate]``.
        heads: ``[candidate]``; -1 for a layer's state.
    """

    takes_part: Booleans
    chosen: Chosen
    layers: Integers
    heads: Integers


def _candidates(records: Sequence[Record]) -> _Candidates | None:
    """The candidates of records that hold several; ``None`` where they hold one, or are too few."""
    import numpy as np

    from headbench.families.brain.kept import digest_of
    from headbench.families.brain.table_geometry import LEAST_OWN

    side = _side(records)
    if side is None:
        return None
    known = frozenset(side.geometry.stimuli)
    part = [
        "layers" in one.parts and "features" in one.parts and one.document in known
        for one in records
    ]
    taken = [one for one, takes in zip(records, part, strict=True) if takes]
    if len(taken) < 2 * LEAST_OWN:
        return None
    names = {(one.parts["layers"], one.parts["heads"]) for one in taken}
    if len(names) > 1:
        raise ConfigError(
            "records of different layers in one figure",
            where=f"record parts 'layers': {sorted(map(str, names))}",
            hint="score them as two tasks",
        )
    layers, heads = (np.array(str(one).split(","), dtype=np.int64) for one in names.pop())
    key = digest_of(taken, ("features", "people"))
    chosen = _kept().get(key, lambda: _choice(taken, side))
    return _Candidates(np.array(part, dtype=bool), chosen, layers, heads)


def _choice(taken: Sequence[Record], side: HumanSide) -> Chosen:
    import numpy as np

    from headbench.families.brain.rdm import square
    from headbench.families.brain.table_geometry import halved

    if side.kind == "given":
        raise ConfigError(
            "features that are rows of an RDM belong to one model, and have no layers",
            where=f"people {taken[0].parts['people']}",
            hint="name one layer",
        )
    names = [one.document for one in taken]
    features = np.array([one.parts["features"] for one in taken], dtype=np.float64)
    people = square(side.geometry.over(names))
    seen = np.ones(people.shape[:2], dtype=bool)
    return halved(features, people, seen, side.kind, side.method, names)


@cache
def _kept() -> Kept[Chosen]:
    from headbench.families.brain.kept import Kept

    return Kept()


def _similarity(part: str) -> Callable[[Sequence[Record]], Weighted]:
    """The model's geometry, by some features, against each person's."""

    def prepare(records: Sequence[Record]) -> Weighted:
        from headbench.families.brain.rsa_metric import rsa_metric

        side = _side(records)
        if side is None:
            return nothing(records)
        if part == "features" and (several := _candidates(records)) is not None:
            chosen = several.chosen
            return Weighted(
                several.takes_part,
                chosen.values,
                len(side.geometry.rdms),
                permuted=chosen.permuted,
            )
        kind, method = side.kind, side.method
        return rsa_metric("rsa", side.geometry, kind=kind, method=method, part=part).prepare(
            records
        )

    return prepare


def _ceiling(bound: str) -> Callable[[Sequence[Record]], Weighted]:
    """A bound of the noise ceiling over the stimuli of the records, per person."""

    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        from headbench.families.brain.noise_ceiling import LEAST_SUBJECTS, weighted_ceiling

        side = _side(records)
        if side is None or len(side.geometry.rdms) < LEAST_SUBJECTS:
            return nothing(records)
        known = frozenset(side.geometry.stimuli)
        part = np.array([record.document in known for record in records], dtype=bool)
        stimuli = [record.document for record in records if record.document in known]
        if len(stimuli) < 3:
            return nothing(records)
        people, method = side.geometry.over(stimuli), side.method

        def values(weights: Floats) -> Floats:
            return weighted_ceiling(people, weights, method)[BOUNDS[bound]]

        return Weighted(part, values, len(people))

    return prepare


def _normalised(part: str) -> Callable[[Sequence[Record]], Weighted]:
    """The similarity to each person over the lower bound of the group's ceiling."""

    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        raw, ceiling = _similarity(part)(records), _ceiling("lower")(records)
        if not (ceiling.takes_part == raw.takes_part).all() or not raw.takes_part.any():
            return nothing(records)

        def values(weights: Floats) -> Floats:
            lower = ceiling.values(weights).mean(axis=1, keepdims=True)  # [draw, 1]
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.asarray(np.where(lower > 0, raw.values(weights) / lower, np.nan))

        return Weighted(raw.takes_part, values, raw.subjects)

    return prepare


def _once(figure: Callable[[_Candidates], float]) -> Callable[[Sequence[Record]], Weighted]:
    """A figure of the sample as it is: a resample of it says nothing."""

    def prepare(records: Sequence[Record]) -> Weighted:
        found = _candidates(records)
        if found is None:
            return nothing(records)
        return of_the_sample(found.takes_part, figure(found))

    return prepare


def _plain(found: _Candidates) -> Floats:
    import numpy as np

    return np.ones((1, found.chosen.stimuli))


def _gap(found: _Candidates) -> float:
    plain = _plain(found)
    return float(found.chosen.naive(plain).mean() - found.chosen.values(plain).mean())


def _best_layer(found: _Candidates) -> float:
    return float(found.layers[found.chosen.best(_plain(found))[0]])


def _best_head(found: _Candidates) -> float:
    head = int(found.heads[found.chosen.best(_plain(found))[0]])
    return float("nan") if head < 0 else float(head)


def _nuisance(name: str) -> Callable[[Sequence[Record]], Weighted]:
    """A geometry that knows nothing of meaning, against each person."""

    def prepare(records: Sequence[Record]) -> Weighted:
        import numpy as np

        from headbench.families.brain.rdm import subset
        from headbench.families.brain.rdm_similarity import (
            permuted_similarity,
            weighted_similarity,
        )
        from headbench.families.brain.rdm_similarity import prepare as ready

        side = _side(records)
        if side is None or name not in (rdms := side.nuisance()):
            return nothing(records)
        place = {stimulus: at for at, stimulus in enumerate(side.geometry.stimuli)}
        part = np.array([record.document in place for record in records], dtype=bool)
        stimuli = [record.document for record in records if record.document in place]
        if len(stimuli) < 3:
            return nothing(records)
        own = subset(rdms[name][None], [place[one] for one in stimuli])
        if np.ptp(own) == 0:
            return nothing(records)
        model = ready(own, side.method)
        people = ready(side.geometry.over(stimuli), side.method)
        return Weighted(
            part,
            lambda draws: np.asarray(weighted_similarity(model, people, draws)[:, 0]),
            len(people),
            permuted=lambda orders: np.asarray(permuted_similarity(model, people, orders)[:, 0]),
        )

    return prepare


def profiles(records: Sequence[Record]) -> list[LayerProfile]:
    """Similarity of every layer or head to people's mean, with their noise ceiling."""
    import numpy as np

    from headbench.scoring.pictures import LayerProfile

    found = _candidates(records)
    if found is None:
        return []
    plain = np.ones((1, len(records)))
    bounds = []
    for bound in BOUNDS:
        ceiling = _ceiling(bound)(records)
        own = plain[:, ceiling.takes_part]
        value = ceiling.values(own).mean() if ceiling.takes_part.any() else np.nan
        bounds.append(float(value) if np.isfinite(value) else None)
    return [
        LayerProfile.of(
            "brain.rsa",
            list(zip(found.layers.tolist(), found.heads.tolist(), strict=True)),
            found.chosen.whole.values(_plain(found))[0].mean(axis=1),
            floor=bounds[0],
            ceiling=bounds[1],
            chance=0.0,
            note="Each over all stimuli; the task's figure is of those chosen on other stimuli.",
        )
    ]


def _subjects(records: Sequence[Record]) -> Weighted:
    """How many people the similarity is averaged over."""
    import numpy as np

    side = _side(records)
    if side is None:
        return nothing(records)
    count = float(len(side.geometry.rdms))
    return Weighted(np.ones(len(records), dtype=bool), lambda draws: np.full(len(draws), count))


def _over_stimuli(
    name: str, prepare: Callable[[Sequence[Record]], Weighted], *, better: bool | None, top: bool
) -> SampleStatistic:
    return SampleStatistic(
        name,
        prepare,
        better,
        low=-1.0 if top else None,
        high=1.0 if top else None,
        resampling="bootstrap",
        marked_above=None if top else 1.0,
    )


RSA = _over_stimuli("rsa", _similarity("features"), better=True, top=True)
RSA_HEAD = _over_stimuli("rsa_head", _similarity("head_features"), better=True, top=True)
NORMALISED = _over_stimuli("normalised", _normalised("features"), better=True, top=False)
NORMALISED_HEAD = _over_stimuli(
    "normalised_head", _normalised("head_features"), better=True, top=False
)
CEILING_LOWER = _over_stimuli("ceiling_lower", _ceiling("lower"), better=None, top=True)
CEILING_UPPER = _over_stimuli("ceiling_upper", _ceiling("upper"), better=None, top=True)
SUBJECTS = SampleStatistic(
    "subjects", _subjects, None, unit="count", low=0.0, high=None, resampling="bootstrap"
)
OPTIMISM_GAP = SampleStatistic(
    "optimism_gap", _once(_gap), None, low=-2.0, high=2.0, resampling="bootstrap"
)
BEST_LAYER, BEST_HEAD = (
    SampleStatistic(
        name, _once(figure), None, unit="count", low=None, high=None, resampling="bootstrap"
    )
    for name, figure in (("best_layer", _best_layer), ("best_head", _best_head))
)
RSA_CHARACTERS, RSA_PIXELS, RSA_OBJECTS = (
    _over_stimuli(f"rsa_{name}", _nuisance(name), better=None, top=True)
    for name in ("characters", "pixels", "objects")
)
