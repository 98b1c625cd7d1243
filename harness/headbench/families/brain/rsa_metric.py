"""The similarity of a model's geometry to people's, as a metric of records.

Each record holds the features of one stimulus; people's RDMs are given. The statistics resample
stimuli, people, or both, pair conditions, and permute labels: see :mod:`headbench.statistics`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.rdm import (
    Floats,
    Kind,
    check_rdms,
    condense,
    constant_rows,
    rdm,
    stimulus_count,
    subset,
)
from headbench.families.brain.rdm_similarity import (
    Method,
    permuted_similarity,
    prepare,
    refuse_headline,
    weighted_similarity,
)
from headbench.nouns import Record
from headbench.statistics.metric import Integers, SampleStatistic, Weighted

FeatureKind: TypeAlias = Kind | Literal["given"]
"""Dissimilarity of a model's features; ``given``: features are rows of the model's own RDM."""


@dataclass(frozen=True)
class HumanGeometry:
    """People's RDMs over named stimuli.

    Attributes:
        stimuli: ``[stimulus]``, each once.
        rdms: ``[subject, pair]``, in that order.

    Raises:
        DataError: A name twice, or RDMs of another number of stimuli.
    """

    stimuli: tuple[str, ...]
    rdms: Floats

    def __post_init__(self) -> None:
        """Names and RDMs fit."""
        count = stimulus_count(check_rdms(self.rdms, "subject's RDM").shape[1])
        if len(set(self.stimuli)) != len(self.stimuli) or len(self.stimuli) != count:
            raise DataError(
                "stimuli and RDMs do not fit",
                where=f"{len(set(self.stimuli))} different names, RDMs of {count} stimuli",
                hint="name each stimulus once, in the order of the RDMs",
            )

    def over(self, stimuli: Sequence[str]) -> Floats:
        """The RDMs of some stimuli, in the order given: ``[subject, pair]``."""
        place = {name: at for at, name in enumerate(self.stimuli)}
        return subset(check_rdms(self.rdms), [place[name] for name in stimuli])


def document_id(record: Record) -> str:
    """The stimulus of a record is its document."""
    return record.document


def rsa_metric(
    name: str,
    human: HumanGeometry,
    *,
    kind: FeatureKind = "correlation",
    method: Method = "rho_a",
    part: str = "features",
    stimulus: Callable[[Record], str] = document_id,
) -> SampleStatistic:
    """Similarity to each person, averaged over people.

    Args:
        name: Of the metric.
        human: People's RDMs. Records of other stimuli take no part.
        kind: Dissimilarity of the model's features; ``given`` where they are the dissimilarities
            to all of ``human.stimuli``.
        method: The comparator.
        part: Score part that holds the features ``[unit]``; a record without it takes no part.
        stimulus: Names a record's stimulus.

    Returns:
        A metric in -1..1, NaN where features do not vary: a silenced head.

    Raises:
        RefusedError: ``cosine`` where no human RDM has a negative entry.
    """
    refuse_headline(method, human.rdms)
    known = frozenset(human.stimuli)

    def prepared(records: Sequence[Record]) -> Weighted:
        takes_part = np.array(
            [part in record.parts and stimulus(record) in known for record in records], dtype=bool
        )
        taken = [record for record, takes in zip(records, takes_part, strict=True) if takes]
        subjects = len(human.rdms)

        def undefined(draws: Floats) -> Floats:
            return np.full((len(draws), subjects), np.nan)

        features = [np.asarray(record.parts[part], dtype=np.float64) for record in taken]
        if len(taken) < 3 or (kind == "correlation" and constant_rows(np.array(features)).any()):
            return Weighted(takes_part, undefined, subjects)
        if kind == "given":
            model_rdm = given_rdm(np.array(features), [stimulus(one) for one in taken], human)
        else:
            model_rdm = rdm(np.array(features), kind)
        model = prepare(model_rdm, method, constant="nan")
        people = prepare(human.over([stimulus(record) for record in taken]), method)

        def values(weights: Floats) -> Floats:
            return np.asarray(weighted_similarity(model, people, weights)[:, 0])

        def permuted(orders: Integers) -> Floats:
            return np.asarray(permuted_similarity(model, people, orders)[:, 0])

        return Weighted(takes_part, values, subjects, permuted=permuted)

    return SampleStatistic(name, prepared, True, low=-1.0, high=1.0, resampling="bootstrap")


def given_rdm(rows: Floats, stimuli: Sequence[str], human: HumanGeometry) -> Floats:
    """The RDM of some stimuli from rows ``[stimulus, all stimuli]``: ``[pair]``.

    Raises:
        DataError: Rows of another length, or an RDM that is not symmetric.
    """
    if rows.shape[1] != len(human.stimuli):
        raise DataError(
            f"a row of an RDM has {rows.shape[1]} dissimilarities for {len(human.stimuli)} stimuli",
            where=f"stimulus {stimuli[0]}",
            hint="give the whole row, in the order of the stimuli",
        )
    place = {name: at for at, name in enumerate(human.stimuli)}
    table = rows[:, [place[name] for name in stimuli]]
    if not np.allclose(table, table.T, rtol=1e-4, atol=1e-6):
        far = np.abs(table - table.T)
        at = int(far.max(axis=1).argmax())
        raise DataError(
            "the given RDM is not symmetric",
            where=f"stimulus {stimuli[at]}: rows differ by up to {far.max():.3g}",
            hint="give rows in the order of the stimuli, or features to another task",
        )
    return condense(table)
