"""Features that know nothing of meaning: what a model must beat.

Sentence length and place in the passage explain much of what language models predict of fMRI, and
a feature of the place alone wins under shuffled folds (arXiv 2406.01538). A score without this row
beside it says little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.rdm import Floats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def text_nuisance(
    texts: Sequence[str],
    groups: ArrayLike,
    frequencies: ArrayLike | None = None,
) -> dict[str, Floats]:
    """Length, place and frequency of each stimulus.

    Args:
        texts: In the order of presentation.
        groups: ``[stimulus]``, passage of each; places count within it. All different: every place
            is 0, and that column is left out.
        frequencies: ``[stimulus]``, occurrences, above 0: of the word, or the mean over words.

    Returns:
        Name -> ``[stimulus]``: ``characters``, ``words``, ``position`` and ``log_frequency``; a
        column that does not vary is left out.
    """
    labels = np.asarray(groups)
    if len(labels) != len(texts):
        raise DataError(
            f"{len(texts)} texts in {len(labels)} groups",
            where="groups",
            hint="give one group per text",
        )
    columns = {
        "characters": np.array([len(text) for text in texts], dtype=np.float64),
        "words": np.array([len(text.split()) for text in texts], dtype=np.float64),
        "position": positions(labels),
    }
    if frequencies is not None:
        counts = np.asarray(frequencies, dtype=np.float64)
        if counts.shape != labels.shape or not (counts > 0).all():
            raise DataError(
                "frequencies must be above 0, one per text",
                where=f"{int((~(counts > 0)).sum())} of {counts.size}",
                hint="add one to counts that may be 0",
            )
        columns["log_frequency"] = np.log(counts)
    return {name: column for name, column in columns.items() if np.ptp(column) > 0}


def positions(groups: ArrayLike) -> Floats:
    """Place of each stimulus within its group, from 0: ``[stimulus]``."""
    seen: dict[object, int] = {}
    found = []
    for group in np.asarray(groups).tolist():
        found.append(float(seen.get(group, 0)))
        seen[group] = seen.get(group, 0) + 1
    return np.array(found)


def autocorrelation_features(groups: ArrayLike, width: float = 1.5) -> Floats:
    """One smooth bump per place of each passage: nearness in time and nothing else.

    The orthogonal autocorrelated sequences of arXiv 2406.01538: the identity matrix, smoothed by a
    Gaussian within each passage, zero between passages. On grouped folds it predicts nothing.

    Args:
        groups: ``[stimulus]``, passage of each, in the order of presentation.
        width: Standard deviation of the Gaussian in stimuli.

    Returns:
        ``[stimulus, stimulus]``.
    """
    labels, places = np.asarray(groups), positions(groups)
    gap = places[:, None] - places[None, :]
    return np.where(labels[:, None] == labels[None, :], np.exp(-((gap / width) ** 2) / 2), 0.0)


def nuisance_rdms(columns: dict[str, Floats]) -> dict[str, Floats]:
    """An RDM per nuisance column: absolute difference of each pair, ``[pair]``.

    Args:
        columns: Name -> ``[stimulus]``, e.g. from :func:`text_nuisance`.
    """
    found = {}
    for name, column in columns.items():
        rows, others = np.triu_indices(len(column), 1)
        found[name] = np.abs(column[rows] - column[others])
    return found
