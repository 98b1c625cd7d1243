"""The human side of a task by name, so that records can be scored again without the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from headbench.errors import ConfigError, nearest
from headbench.families.brain.concept_world import concept_world, simulated_subjects
from headbench.families.brain.nuisance_features import nuisance_rdms
from headbench.families.brain.rdm import Floats, Kind, rdm
from headbench.families.brain.rdm_similarity import Method
from headbench.families.brain.rsa_metric import FeatureKind, HumanGeometry
from headbench.families.brain.scene_geometry import pixel_rdm, scene_geometry
from headbench.families.brain.vendored_data import IMAGE_IDS, rdm92, things_concepts

SUBJECTS = 8
RELIABILITY = 0.3


@dataclass(frozen=True)
class HumanSide:
    """People's geometry and how a model's is compared with it.

    Attributes:
        geometry: Over named stimuli.
        kind: Dissimilarity of the model's features.
        method: The comparator.
        nuisance: Gives RDMs that know nothing of meaning, ``[pair]`` over the same stimuli, by
            name; made when they are asked for.
    """

    geometry: HumanGeometry
    kind: FeatureKind
    method: Method
    nuisance: Callable[[], Mapping[str, Floats]] = dict


def _simulated() -> HumanSide:
    """Eight simulated subjects of the concept world; Pearson, whose ceiling has a closed form."""
    world = concept_world()
    rdms = simulated_subjects(world.truth, SUBJECTS, RELIABILITY, seed=0)
    return HumanSide(
        HumanGeometry(world.words, rdms), "correlation", "pearson", partial(_letters, world.words)
    )


def _viewers() -> HumanSide:
    """Eight simulated people who see drawn scenes; Pearson, whose ceiling has a closed form."""
    known = scene_geometry()
    rdms = simulated_subjects(known.truth, SUBJECTS, RELIABILITY, seed=0)
    counts = known.features.sum(axis=1)
    return HumanSide(
        HumanGeometry(known.ids, rdms),
        "correlation",
        "pearson",
        lambda: {"pixels": pixel_rdm(), **nuisance_rdms({"objects": counts})},
    )


def _letters(words: Sequence[str]) -> Mapping[str, Floats]:
    """The difference of two words' lengths."""
    return nuisance_rdms({"characters": np.array([len(word) for word in words], dtype=float)})


def _rated(distance: Kind = "correlation") -> HumanSide:
    """The eleven rated properties of THINGS: z-scored means over raters, one geometry for all."""
    concepts = things_concepts()
    scores = (concepts.means - concepts.means.mean(axis=0)) / concepts.means.std(axis=0)
    people = np.asarray(rdm(scores, distance)[None])
    letters = partial(_letters, concepts.words)
    return HumanSide(HumanGeometry(concepts.ids, people), "correlation", "spearman", letters)


def _images(who: str, kind: FeatureKind) -> HumanSide:
    """People's RDMs of 92 images: cortex of four, averaged over sessions, or judgements of 16."""
    data = rdm92()
    people = data.subjects if who == "fmri" else data.judges
    return HumanSide(HumanGeometry(IMAGE_IDS, people), kind, "rho_a")


SIDES: dict[str, Callable[[], HumanSide]] = {
    "simulated_subjects": _simulated,
    "simulated_viewers": _viewers,
    "things_properties": _rated,
    "rdm92_fmri": partial(_images, "fmri", "correlation"),
    "rdm92_judges": partial(_images, "judges", "correlation"),
    "rdm92_fmri_given": partial(_images, "fmri", "given"),
    "rdm92_judges_given": partial(_images, "judges", "given"),
    "things_properties_euclidean": partial(_rated, "euclidean"),
}


@cache
def human_side(name: str) -> HumanSide:
    """A human side by the name that records carry.

    Raises:
        ConfigError: There is no such side.
    """
    if name not in SIDES:
        raise ConfigError(
            f"there is no human side {name!r}",
            where="scorer_options.people",
            hint=nearest(name, tuple(SIDES)),
        )
    return SIDES[name]()
