"""What a scorer shows of its records as a drawing: data, drawn by ``headbench show --plot``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Matrices:
    """Square matrices side by side, such as dissimilarities of all pairs of stimuli.

    Attributes:
        title: Of the drawing.
        panels: Title of each matrix, and its values ``[stimulus, stimulus]`` in 0..1; NaN is left
            blank.
        scale: What the colours mean.
        note: How rows are ordered, and the like.
    """

    title: str
    panels: tuple[tuple[str, NDArray[np.float64]], ...]
    scale: str
    note: str = ""
