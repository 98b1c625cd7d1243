"""Rated pairs of words (WordSim, MEN, SimLex and kin): Spearman over the rated pairs only.

A list of rated pairs is no full RDM: most pairs have no rating, and none is made up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headbench.errors import DataError
from headbench.families.brain.rdm import Floats
from headbench.families.brain.weighted_correlation import spearman

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class WordSimilarity:
    """Agreement with rated pairs.

    Attributes:
        spearman: rho over the pairs whose words both have a vector.
        n: Those pairs.
        missing: Pairs left out for want of a vector.
    """

    spearman: float
    n: int
    missing: int


def word_similarity(
    vectors: Mapping[str, ArrayLike], pairs: Sequence[tuple[str, str, float]]
) -> WordSimilarity:
    """Spearman of cosine and human rating.

    Args:
        vectors: Word -> ``[unit]``.
        pairs: Word, word, human rating.

    Raises:
        DataError: Fewer than three pairs have vectors.
    """
    known = [(a, b, rating) for a, b, rating in pairs if a in vectors and b in vectors]
    if len(known) < 3:
        raise DataError(
            f"{len(known)} of {len(pairs)} pairs have vectors",
            where="pairs",
            hint="the words must be spelled as in the vectors' file",
        )
    near = pair_cosines(
        np.array([np.asarray(vectors[a], np.float64) for a, _, _ in known]),
        np.array([np.asarray(vectors[b], np.float64) for _, b, _ in known]),
    )
    rated = np.array([rating for _, _, rating in known])
    return WordSimilarity(spearman(near, rated), len(known), len(pairs) - len(known))


def pair_cosines(one: Floats, two: Floats) -> Floats:
    """Cosine of matching rows: ``[pair]``.

    Args:
        one: ``[pair, unit]``.
        two: ``[pair, unit]``.
    """
    sizes = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    if not sizes.all():
        raise DataError("a zero vector has no cosine", where="vectors", hint="leave the word out")
    return np.asarray(np.einsum("pu,pu->p", one, two) / sizes)
