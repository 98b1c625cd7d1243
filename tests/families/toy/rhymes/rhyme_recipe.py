"""Published rhyme rates, recomputed from recorded rhymes."""

from typing import ClassVar, Literal

from headbench.results.recipe import VALUES_ONLY, Recipe, recomputed

from .rhyme_log import RESCORER, RhymeOptions


class Rhymes(Recipe):
    """Recorded rhymes against a rhyme list."""

    files: ClassVar = ("answers", "rhyme_list")
    kind: Literal["rhymes"]
    answers: str
    rhyme_list: str

    def recompute(self, paths, stated):
        """``rate``, ``n`` and ``coverage``."""
        options = RhymeOptions(rhyme_list=paths["rhyme_list"])
        return recomputed(RESCORER.score(paths["answers"], options, VALUES_ONLY))
