"""Similarity of geometries as a task: the scorer, and what is reported of its records.

numpy is imported where it is used: metrics are named by every list of tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from headbench.errors import ConfigError
from headbench.families.brain.captured_features import (
    arrays_of,
    check_head_capture,
    check_layer_capture,
    head_features,
    layer_features,
)
from headbench.nouns import Document, Record
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import AskedStep, Scorer
from headbench.statistics.metric import SampleStatistic, Weighted

if TYPE_CHECKING:
    from headbench.families.brain.human_sides import HumanSide
    from headbench.families.brain.rdm import Floats
    from headbench.scoring.pictures import Matrices

OPTIONS = ("people", "head")
BOUNDS = {"lower": 0, "upper": 1}


def score(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> Mapping[str, object]:
    """Features of one stimulus.

    The first capture is a layer's state. Where the option ``head`` is given, the second one holds
    the outputs of a layer's heads, of which this one is taken.

    Returns:
        ``people``, the name of the human side; ``features`` and ``head_features``, ``[unit]``.

    Raises:
        ConfigError: An option is wrong, or the captures do not fit the options.
    """
    people, head = _options(options)
    arrays = arrays_of(outputs[0], document.id)
    if len(outputs) != 1 or len(arrays) != (1 if head is None else 2):
        raise ConfigError(
            f"{len(arrays)} captures where the scorer reads {1 if head is None else 2}",
            where=f"document {document.id}: captures",
            hint="capture a layer, and with the option `head` the heads of one layer too",
        )
    parts: dict[str, object] = {
        "people": people,
        "features": layer_features(arrays[0], document.id),
    }
    if head is not None:
        parts["head_features"] = head_features(arrays[1], head, document.id)
    return parts


def _options(options: Mapping[str, object]) -> tuple[str, int | None]:
    """The name of the human side, and the head's number where one is given.

    Raises:
        ConfigError: An option is wrong, or there is no such side.
    """
    from headbench.families.brain.human_sides import human_side

    unknown = [name for name in options if name not in OPTIONS]
    people, head = options.get("people"), options.get("head")
    if isinstance(head, bool) or not isinstance(head, int | None):
        unknown.append("head")
    if unknown or not isinstance(people, str):
        raise ConfigError(
            "the scorer rsa takes a name of people, and the number of a head",
            where=f"scorer_options: {dict(options)}",
            hint="people: simulated_subjects; head: 0",
        )
    human_side(people)
    return people, head if isinstance(head, int) else None


def check(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    """Refuse a wrong option, and captures that do not fit the options.

    Raises:
        ConfigError: Either is so.
    """
    _, head = _options(options)
    if len(steps) != 1 or steps[0].outputs != 1:
        raise ConfigError(
            "the scorer rsa reads one answer per document",
            where="steps",
            hint="ask one `represent` step, without for_each",
        )
    expected = 1 if head is None else 2
    check_layer_capture(steps[0])
    if len(steps[0].captures) != expected:
        raise ConfigError(
            f"{len(steps[0].captures)} captures where the scorer reads {expected}",
            where=f"step {steps[0].name}: captures",
            hint="capture a layer, and with the option `head` the heads of one layer too",
        )
    if head is not None:
        check_head_capture(steps[0], head)


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


def _none(records: Sequence[Record]) -> Weighted:
    """No record takes part."""
    import numpy as np

    return Weighted(np.zeros(len(records), dtype=bool), lambda draws: np.full(len(draws), np.nan))


def _similarity(part: str) -> Callable[[Sequence[Record]], Weighted]:
    """The model's geometry, by some features, against each person's."""

    def prepare(records: Sequence[Record]) -> Weighted:
        from headbench.families.brain.rsa_metric import rsa_metric

        side = _side(records)
        if side is None:
            return _none(records)
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
            return _none(records)
        known = frozenset(side.geometry.stimuli)
        part = np.array([record.document in known for record in records], dtype=bool)
        stimuli = [record.document for record in records if record.document in known]
        if len(stimuli) < 3:
            return _none(records)
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
            return _none(records)

        def values(weights: Floats) -> Floats:
            lower = ceiling.values(weights).mean(axis=1, keepdims=True)  # [draw, 1]
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.asarray(np.where(lower > 0, raw.values(weights) / lower, np.nan))

        return Weighted(raw.takes_part, values, raw.subjects)

    return prepare


def _subjects(records: Sequence[Record]) -> Weighted:
    """How many people the similarity is averaged over."""
    import numpy as np

    side = _side(records)
    if side is None:
        return _none(records)
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


def _picture(records: Sequence[Record]) -> Matrices | None:
    from headbench.families.brain.rdm_picture import rdm_picture

    return rdm_picture(records)


RSA_SCORER = Scorer(
    "rsa",
    1,
    score,
    (
        "brain.rsa",
        "brain.normalised",
        "brain.rsa_head",
        "brain.normalised_head",
        "brain.ceiling_lower",
        "brain.ceiling_upper",
        "brain.subjects",
    ),
    summary="features of a layer and of a head, compared with people's geometry",
    check=check,
    picture=_picture,
)
