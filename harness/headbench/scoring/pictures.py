"""What a scorer shows of its records as a drawing: data, drawn by ``headbench show --plot``.

Layer profiles are also kept in the result, so that whoever draws them reads no records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

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


@dataclass(frozen=True)
class LayerProfile:
    """One metric of every layer, or of every head of every layer: a curve, or a map.

    Attributes:
        metric: Registry name of the metric whose value each candidate has, ``brain.table_rsa``.
        layers: ``[row]``, 0-based, each once, ascending.
        heads: ``[column]``, 0-based; empty where layers have no heads.
        values: ``[row][column]``, one column where ``heads`` is empty; ``None``: undefined, such as
            of a head that an intervention silenced.
        floor: Lower bound of the noise ceiling over all documents; ``None``: there is none.
        ceiling: Upper bound of it.
        chance: What unrelated features have; ``None``: not known.
        note: How to read it.
    """

    metric: str
    layers: tuple[int, ...]
    heads: tuple[int, ...]
    values: tuple[tuple[float | None, ...], ...]
    floor: float | None = None
    ceiling: float | None = None
    chance: float | None = None
    note: str = ""

    @classmethod
    def of(
        cls,
        metric: str,
        places: Sequence[tuple[int, int]],
        values: Sequence[float],
        **more: Any,
    ) -> LayerProfile:
        """Arrange candidates by layer and head.

        Args:
            metric: Registry name.
            places: Layer and head of each candidate; the head is -1 where layers have none.
            values: One per candidate; NaN where it is undefined.
            more: The other attributes.
        """
        known = dict(zip(places, values, strict=True))
        layers = sorted({layer for layer, _ in places})
        columns = sorted({head for _, head in places})
        rows = ([known.get((layer, head), nan) for head in columns] for layer in layers)
        table = tuple(
            tuple(one if isfinite(one) else None for one in map(float, row)) for row in rows
        )
        return cls(
            metric, tuple(layers), tuple(head for head in columns if head >= 0), table, **more
        )
