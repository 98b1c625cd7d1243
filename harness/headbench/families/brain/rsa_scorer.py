"""Similarity of geometries as a task: from captured states to records.

What is reported of them is in :mod:`headbench.families.brain.rsa_statistics`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from headbench.errors import ConfigError
from headbench.families.brain.captured_features import (
    arrays_of,
    candidates,
    check_head_capture,
    check_layer_capture,
    head_features,
    layer_features,
    numbered,
)
from headbench.families.brain.option_checks import check_layer_numbers, check_one_row
from headbench.families.brain.rsa_statistics import profiles
from headbench.nouns import Document, Record
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import AskedStep, Scorer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headbench.scoring.pictures import Matrices

    Features = NDArray[np.float32]

OPTIONS = ("people", "head", "layers")


def score(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> Mapping[str, object]:
    """Features of one stimulus.

    The first capture is a layer's state, or holds several candidates: the states of several
    layers, or the heads of layers. Where the option ``head`` is given, the second one holds the
    outputs of a layer's heads, of which this one is taken.

    Returns:
        ``people``, the name of the human side; ``features`` ``[unit]``, or of several candidates
        ``[candidate, unit]`` with the ``layers`` and ``heads`` that they are; ``head_features``
        ``[unit]``.

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
    parts: dict[str, object] = {"people": people}
    layers = options.get("layers")
    if _several(arrays[0]) and isinstance(layers, list | tuple):
        parts["features"], heads = candidates(arrays[0], document.id)
        parts |= numbered([int(one) for one in layers], heads)
    else:
        parts["features"] = layer_features(arrays[0], document.id)
    if head is not None:
        parts["head_features"] = head_features(arrays[1], head, document.id)
    return parts


def _several(array: Features) -> bool:
    """Whether a capture holds several candidates: layers, or heads."""
    return array.ndim == 4 or array.shape[0] > 1


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
            "the scorer rsa takes a name of people, the number of a head, and layers",
            where=f"scorer_options: {dict(options)}",
            hint="people: simulated_subjects; head: 0; layers: those of the first capture",
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
    first = steps[0].captures[0] if steps[0].captures else None
    if first is not None and (first.site == "z" or len(first.layers) > 1):
        check_layer_numbers(options, first)
        check_one_row(first)
    else:
        check_layer_capture(steps[0])
    if len(steps[0].captures) != expected:
        raise ConfigError(
            f"{len(steps[0].captures)} captures where the scorer reads {expected}",
            where=f"step {steps[0].name}: captures",
            hint="capture a layer, and with the option `head` the heads of one layer too",
        )
    if head is not None:
        check_head_capture(steps[0], head)


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
        "brain.optimism_gap",
        "brain.best_layer",
        "brain.best_head",
        "brain.rsa_characters",
        "brain.rsa_pixels",
        "brain.rsa_objects",
    ),
    summary="features of a layer and of a head, compared with people's geometry",
    check=check,
    picture=_picture,
    profiles=profiles,
)
