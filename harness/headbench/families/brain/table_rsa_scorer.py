"""Geometry of a model against a user's own table: the scorer of ``rsa_table`` and ``aut_brain``.

Records hold the features of every captured layer (or head) and each subject's dissimilarities of
the stimulus to all others, so that all figures can be computed again without model and table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, get_args

from headbench.errors import ConfigError, DataError
from headbench.families.brain.captured_features import (
    arrays_of,
    candidates,
    numbered,
)
from headbench.families.brain.option_checks import (
    check_layer_numbers,
    check_one_of,
    last_capture,
)
from headbench.families.brain.packed_rows import unpack
from headbench.families.brain.table_rsa_statistics import profiles
from headbench.nouns import Document
from headbench.scoring.parser import Parser
from headbench.scoring.scorer import AskedStep, Scorer, refuse_unknown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Features = NDArray[np.float32]

OPTIONS = ("method", "kind", "choose", "layers")
CHOOSE = ("stimuli", "subjects")


def check(options: Mapping[str, object], steps: Sequence[AskedStep]) -> None:
    """Refuse options that do not fit each other or the captures."""
    from headbench.families.brain.rdm import KINDS
    from headbench.families.brain.rdm_similarity import Method

    refuse_unknown("table_rsa", options, OPTIONS)
    check_one_of(options, "kind", KINDS)
    check_one_of(options, "method", get_args(Method))
    check_one_of(options, "choose", CHOOSE)
    if options["method"] == "cosine":
        raise ConfigError(
            "the cosine of uncentred RDMs says nothing: unrelated ones score about .99",
            where="scorer_options.method",
            hint="use pearson; for crossnobis cosine_cov",
        )
    check_layer_numbers(options, last_capture(steps))


def score(
    document: Document,
    outputs: tuple[str, ...],
    parser: Parser,
    options: Mapping[str, object],
) -> Mapping[str, object]:
    """Features of one stimulus, and what people gave for it.

    Returns:
        ``features`` ``[candidate, unit]``; ``people`` ``[subject, stimulus]``, ``seen`` and, where
        responses are split, ``high`` ``[subject]``; ``place`` of the stimulus in the table; how
        both sides are compared; the nuisance columns.

    Raises:
        DataError: The document is not one of the source ``vector_table``.
        ConfigError: A capture is of several rows.
    """
    fields, where = document.fields, f"document {document.id}"
    subjects, nuisance = fields.get("subjects"), fields.get("nuisance")
    if not isinstance(subjects, int) or not isinstance(nuisance, Mapping) or "people" not in fields:
        raise DataError(
            "the document holds nobody's dissimilarities",
            where=where,
            hint="use `dataset_path: vector_table` with `give: geometry`",
        )
    array = arrays_of(outputs[-1], document.id)[0]
    layers = [int(one) for one in list(options["layers"])]  # type: ignore[call-overload]
    parts: dict[str, object] = {
        "people": unpack(fields["people"], subjects, where),
        "place": fields["place"],
        "people_are": fields["people_are"],
        "kind": options["kind"],
        "method": options["method"],
        "choose": options["choose"],
        **{f"nuisance_{name}": value for name, value in nuisance.items()},
    }
    if array.shape[1] != 0:  # an answer without tokens has no state, and takes no part
        features, heads = candidates(array, document.id)
        parts["features"] = features
        parts |= numbered(layers, heads)
    for name in ("seen", "high"):
        if name in fields:
            parts[name] = unpack(fields[name], subjects, where)[:, 0]
    return parts


TABLE_RSA = Scorer(
    "table_rsa",
    1,
    score,
    (
        "brain.table_rsa",
        "brain.table_normalised",
        "brain.table_ceiling_lower",
        "brain.table_ceiling_upper",
        "brain.table_subjects",
        "brain.table_subject_median",
        "brain.table_subject_spread",
        "brain.table_beyond_one",
        "brain.table_without_ceiling",
        "brain.table_sign_flip_p",
        "brain.table_sign_p",
        "brain.table_high",
        "brain.table_low",
        "brain.table_high_less_low",
        "brain.table_optimism_gap",
        "brain.table_best_layer",
        "brain.table_best_head",
        "brain.table_characters",
        "brain.table_words",
        "brain.table_position",
        "brain.table_log_frequency",
    ),
    summary="features of layers or heads, compared with the subjects of a table of your own",
    check=check,
    profiles=profiles,
)
