"""Published figures that belong to no family of tasks: head lists, agreement, correlation."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from headbench.errors import DataError
from headbench.heads.head_lists import import_heads
from headbench.results.recipe import Facts, Figures, Recipe, Recomputed, Stated


class Heads(Recipe):
    """A released list of retrieval scores."""

    files: ClassVar = ("file",)
    kind: Literal["heads"]
    file: str

    def recompute(self, paths: Mapping[str, Path], stated: Stated) -> Recomputed:
        """``n_heads``, ``trials``, ``above_0.1``, ``above_0.5``, ``zero``, ``head_LAYER-HEAD``."""
        found = import_heads(paths["file"], "retrieval_head")
        every = found.ranked()
        figures: Figures = {
            "n_heads": (len(every), "count"),
            "above_0.1": (len(found.above(0.1)), "count"),
            "above_0.5": (len(found.above(0.5)), "count"),
            "zero": (sum(found.score(*head) == 0 for head in every), "count"),
        }
        if found.trials is not None:
            figures["trials"] = (found.trials, "count")
        for layer, head in every:
            figures[f"head_{layer}-{head}"] = (found.score(layer, head), "points")
        return Recomputed(figures, Facts(n=found.trials))


class Agreement(Recipe):
    """Share of lines whose last word is the same in two files."""

    files: ClassVar = ("first", "second")
    kind: Literal["agreement"]
    first: str
    second: str

    def recompute(self, paths: Mapping[str, Path], stated: Stated) -> Recomputed:
        """``agreement`` and ``n``.

        Raises:
            DataError: The files do not hold the same items in the same order.
        """
        first, second = (
            [line.split() for line in paths[name].read_text("utf-8").splitlines() if line.strip()]
            for name in self.files
        )
        pairs = list(zip(first, second, strict=False))
        same_items = all(sorted(one) == sorted(other) for one, other in pairs)
        if not pairs or len(first) != len(second) or not same_items:
            raise DataError("the two files do not hold the same items", where=str(paths["second"]))
        agreed = sum(one[-1] == other[-1] for one, other in pairs)
        figures: Figures = {
            "agreement": (agreed / len(pairs), "fraction"),
            "n": (len(pairs), "count"),
        }
        return Recomputed(figures, Facts(n=len(pairs)))


class Correlation(Recipe):
    """Pearson's r of two columns of a table inside an archive."""

    files: ClassVar = ("archive",)
    kind: Literal["correlation"]
    archive: str
    member: str
    first: str
    second: str

    def recompute(self, paths: Mapping[str, Path], stated: Stated) -> Recomputed:
        """``r`` and ``n``.

        Raises:
            DataError: The archive, its member or the columns cannot be read.
        """
        import numpy as np

        path = paths["archive"]
        try:
            with zipfile.ZipFile(path) as archive:
                text = archive.read(self.member).decode("utf-8")
        except (zipfile.BadZipFile, KeyError, UnicodeDecodeError) as error:
            raise DataError(f"cannot read {self.member}", where=str(path)) from error
        rows = list(csv.DictReader(io.StringIO(text)))
        try:
            pairs = np.array([[float(row[self.first]), float(row[self.second])] for row in rows])
        except (KeyError, ValueError) as error:
            raise DataError(f"no numbers under {error}", where=self.member) from error
        r = float(np.corrcoef(pairs.T)[0, 1]) if len(pairs) > 1 else math.nan
        figures: Figures = {"r": (r, "points"), "n": (len(pairs), "count")}
        return Recomputed(figures, Facts(n=len(pairs)))
