"""The RDMs of a task's records next to people's, as a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from headbench.families.brain.human_sides import human_side
from headbench.families.brain.ranks import average_ranks
from headbench.families.brain.rdm import Floats, constant_rows, rdm, square
from headbench.families.brain.rdm_similarity import prepare
from headbench.families.brain.rsa_metric import given_rdm

if TYPE_CHECKING:
    from headbench.nouns import Record
    from headbench.scoring.pictures import Matrices

PARTS = {"features": "layer", "head_features": "head"}
LEAST = 3


def rdm_picture(records: Sequence[Record]) -> Matrices | None:
    """People's RDM, and those of the layer and the head where records hold their features.

    Values are ranks among all pairs, 0 for the most alike, because dissimilarities of people and of
    models have different units. Rows follow the first principal coordinate of people's RDM.

    Returns:
        ``None`` where no record names a human side.
    """
    from headbench.scoring.pictures import Matrices

    names = {str(record.parts["people"]) for record in records if "people" in record.parts}
    if len(names) != 1:
        return None
    side = human_side(names.pop())
    known = set(side.geometry.stimuli)
    kept = [record for record in records if record.document in known]
    if len(kept) < LEAST:
        return None
    subjects = side.geometry.over([record.document for record in kept])
    people = prepare(subjects, "pearson").values.mean(axis=0)  # scaled alike, then averaged
    order = _order(square(people))
    panels = [("people" if len(subjects) == 1 else f"mean of {len(subjects)} people", people)]
    for part, title in PARTS.items():
        # Several candidates have no one RDM: their profile is drawn instead.
        several = part == "features" and any("layers" in record.parts for record in kept)
        if not several and all(part in record.parts for record in kept):
            features = np.array([record.parts[part] for record in kept], dtype=np.float64)
            # A head that an intervention silences has no geometry, and so no panel.
            if not (side.kind == "correlation" and constant_rows(features).any()):
                stimuli = [record.document for record in kept]
                own = (
                    given_rdm(features, stimuli, side.geometry)
                    if side.kind == "given"
                    else rdm(features, side.kind)
                )
                panels.append((title, own))
    return Matrices(
        "dissimilarity of all pairs",
        tuple((title, _ranked(values)[np.ix_(order, order)]) for title, values in panels),
        "rank among pairs (0: most alike)",
        f"{len(kept)} stimuli, in the order of the first principal coordinate of people's RDM",
    )


def _ranked(values: Floats) -> Floats:
    """``[pair]`` -> ranks in 0..1, ``[stimulus, stimulus]``; the diagonal is blank."""
    table = square((average_ranks(values) - 1) / max(1, len(values) - 1))
    np.fill_diagonal(table, np.nan)
    return table


def _order(table: Floats) -> np.ndarray:
    """Rows by the first principal coordinate of a matrix of dissimilarities."""
    centred = table - table.mean(axis=0) - table.mean(axis=1)[:, None] + table.mean()
    first = np.linalg.eigh(-centred / 2)[1][:, -1]
    # An eigenvector's sign is arbitrary: let the largest entry be positive.
    return np.argsort(first * np.sign(first[np.abs(first).argmax()]), kind="stable")
