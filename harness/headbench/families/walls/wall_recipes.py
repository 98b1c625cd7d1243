"""Published figures of the people who played walls, recomputed from the walls file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from headbench.families.walls.wall_logs import HUMANS
from headbench.families.walls.walls_rescoring import RESCORER, WallOptions
from headbench.results.recipe import VALUES_ONLY, Recipe, Recomputed, Stated, recomputed


class Humans(Recipe):
    """People on walls."""

    files: ClassVar = ("walls",)
    kind: Literal["humans"]
    walls: str

    def recompute(self, paths: Mapping[str, Path], stated: Stated) -> Recomputed:
        """The figures of ``rescore --task walls --predictions human``."""
        options = WallOptions(walls=paths["walls"])
        return recomputed(RESCORER.score(Path(HUMANS), options, VALUES_ONLY))
