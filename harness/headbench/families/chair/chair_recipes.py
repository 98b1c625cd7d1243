"""Published CHAIR figures recomputed from released captions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from headbench.families.chair.chair_rescoring import RESCORER, ChairOptions
from headbench.results.recipe import VALUES_ONLY, Recipe, Recomputed, Stated, recomputed


class Chair(Recipe):
    """Captions against the objects of their images."""

    files: ClassVar = ("predictions", "ground_truth")
    kind: Literal["chair"]
    predictions: str
    ground_truth: str

    def recompute(self, paths: Mapping[str, Path], stated: Stated) -> Recomputed:
        """The figures of ``rescore --task chair``, with the table's profile."""
        options = ChairOptions(
            ground_truth=(paths["ground_truth"],), profile=stated.profile or "chair-2018"
        )
        return recomputed(RESCORER.score(paths["predictions"], options, VALUES_ONLY))
