"""Published needle figures recomputed from released cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from headbench.families.needles.judged_cells import JUDGE, SCALE, cell_records
from headbench.results.recipe import Facts, Figures, Recipe, Recomputed, Stated
from headbench.results.recorded import read_rows
from headbench.scoring.breakdown import by_part
from headbench.scoring.parts import exact


class NeedleCells(Recipe):
    """Judged needle cells."""

    files: ClassVar = ("cells",)
    kind: Literal["needle_cells"]
    cells: str

    def recompute(self, paths: Mapping[str, Path], stated: Stated) -> Recomputed:
        """``judge``, ``n``, ``score_S`` (how many cells), ``length_L`` (mean of a length)."""
        records = cell_records(read_rows(paths["cells"]).rows)
        counts = Counter(record.parts["score"] for record in records)
        figures: Figures = {
            "judge": (JUDGE.of(records), "points"),
            "n": (len(records), "count"),
            **{f"score_{score}": (counts[float(score)], "count") for score in SCALE},
            **{
                f"length_{exact(float(length))}": (cell.value, "points")
                for length, cell in by_part(JUDGE, records, "length").items()
            },
        }
        return Recomputed(figures, Facts(n=len(records), parser="judge@1"))
