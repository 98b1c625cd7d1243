"""Pinned figures of the human data: from what ships, and from Natural Stories where it is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

import numpy as np

from headbench.errors import ConfigError, nearest
from headbench.families.brain.natural_stories import davinci_surprisal, reading_times
from headbench.families.brain.noise_ceiling import noise_ceiling
from headbench.families.brain.rdm_similarity import similarity
from headbench.families.brain.reading_times import shift_profile
from headbench.families.brain.vendored_data import alternate_uses, rdm92, things_triplets
from headbench.families.brain.weighted_correlation import pearson
from headbench.results.recipe import Facts, Figures, Recipe, Recomputed, Stated


class Rdm92Model(Recipe):
    """A model RDM of 92 images against four people's fMRI, from the packaged data."""

    kind: Literal["rdm92"]
    model: str

    def recompute(self, paths: Mapping[str, Path], stated: Stated) -> Recomputed:
        """``rho_a`` (mean over people), ``ceiling_lower``, ``ceiling_upper``.

        Raises:
            ConfigError: There is no such model RDM.
        """
        data = rdm92()
        _known("model", self.model, data.model_names)
        own = data.models[data.model_names.index(self.model)]
        ceiling = noise_ceiling(data.subjects, "rho_a")
        figures: Figures = {
            "rho_a": (float(similarity(own, data.subjects, "rho_a").mean()), "points"),
            "ceiling_lower": (ceiling.lower, "points"),
            "ceiling_upper": (ceiling.upper, "points"),
        }
        return Recomputed(figures, Facts(n=92))


class TripletAgreement(Recipe):
    """Share of THINGS triplets in which a model chose as people did, from the packaged data."""

    kind: Literal["things_triplets"]
    who: str

    def recompute(self, paths: Mapping[str, Path], stated: Stated) -> Recomputed:
        """``agreement`` and ``n``.

        Raises:
            ConfigError: Nobody of that name answered.
        """
        odd = things_triplets().odd
        _known("who", self.who, tuple(odd))
        n = len(odd["human"])
        figures: Figures = {
            "agreement": (float((odd[self.who] == odd["human"]).mean()), "fraction"),
            "n": (n, "count"),
        }
        return Recomputed(figures, Facts(n=n))


class UsesOriginality(Recipe):
    """A scorer of alternate uses against people's originality, from the packaged data."""

    kind: Literal["alternate_uses"]
    scorer: str

    def recompute(self, paths: Mapping[str, Path], stated: Stated) -> Recomputed:
        """``r`` (Pearson over responses that have a prediction) and ``n``.

        Raises:
            ConfigError: There is no such scorer.
        """
        data = alternate_uses()
        _known("scorer", self.scorer, tuple(data.predictions))
        predicted = data.predictions[self.scorer]
        known = np.isfinite(predicted)
        n = int(known.sum())
        figures: Figures = {
            "r": (pearson(predicted[known], data.originality[known]), "points"),
            "n": (n, "count"),
        }
        return Recomputed(figures, Facts(n=n))


class ReadingTimesRecipe(Recipe):
    """Word length and davinci's surprisal against the reading times of Natural Stories."""

    files: ClassVar = ("times", "tokens")
    kind: Literal["natural_stories"]
    times: str
    tokens: str

    def recompute(self, paths: Mapping[str, Path], stated: Stated) -> Recomputed:
        """Pearson's r with the mean reading time, and the ceiling.

        ``length`` and ``surprisal`` are over the ``n`` words that start neither a story nor a
        sentence; ``aligned``, ``earlier`` and ``later`` over all words with a surprisal, in place
        and shifted by one; ``ceiling`` is the square root of the reliability of the times.

        Raises:
            DataError: The files are another version.
        """
        root = paths["times"].parents[len(PurePosixPath(self.times).parts) - 1]
        people = reading_times(root)
        bits = davinci_surprisal(people, root)
        scored = np.isfinite(bits) & ~people.initial
        length = np.array([len(word) for word in people.words], dtype=float)
        shifted = shift_profile(bits, people.mean)
        n = int(scored.sum())
        figures: Figures = {
            "length": (pearson(length[scored], people.mean[scored]), "points"),
            "surprisal": (pearson(bits[scored], people.mean[scored]), "points"),
            "aligned": (shifted[0], "points"),
            "earlier": (shifted[-1], "points"),
            "later": (shifted[1], "points"),
            "ceiling": (float(np.sqrt(people.reliability)), "points"),
            "n": (n, "count"),
        }
        return Recomputed(figures)


def _known(key: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise ConfigError(
            f"no {key} {name!r} in the packaged data",
            where=f"recipe: {key}",
            hint=nearest(name, names),
        )
