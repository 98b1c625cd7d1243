"""Figures that have no resamples: none at all, and those of the sample as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headbench.statistics.metric import Weighted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headbench.nouns import Record


def nothing(records: Sequence[Record]) -> Weighted:
    """No record takes part, and the figure is undefined."""
    import numpy as np

    return Weighted(np.zeros(len(records), dtype=bool), lambda draws: np.full(len(draws), np.nan))


def of_the_sample(takes_part: NDArray[np.bool_], value: float) -> Weighted:
    """A count, a test, or the place of the best: of a resample it says nothing, and is undefined.

    Args:
        takes_part: ``[record]``.
        value: Of the records as they are.
    """
    import numpy as np

    return Weighted(takes_part, lambda draws: np.where((draws == 1).all(axis=1), value, np.nan))
