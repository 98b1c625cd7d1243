"""Documents of the concept tasks: packaged words and scenes, THINGS, uses of objects, 92 images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from headbench.errors import ConfigError
from headbench.families.brain.concept_world import concept_world
from headbench.families.brain.scene_geometry import MOST, scene_geometry, world
from headbench.families.brain.scene_geometry import SPLITS as SCENE_SPLITS
from headbench.families.brain.vendored_data import (
    IMAGE_IDS,
    alternate_uses,
    things_concepts,
    things_triplets,
)
from headbench.families.scene_rows import picture
from headbench.tasks.data.source import DataRow, DataSpec
from headbench.tasks.images import Images
from headbench.tasks.schema import Strict

SPLITS = ("train", "test")
ORDERS = ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0), (1, 0, 2))
"""Orders of three options; the first three put each in each place once."""


class NoOptions(Strict):
    """These rows have no options."""


def word_rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Every other word of the concept world: ``train`` to choose on, ``test`` to score."""
    spec.options(NoOptions)
    words = concept_world().words
    for word in words[_half(spec) :: len(SPLITS)]:
        yield DataRow({"id": word, "cluster": word, "word": word, "target": word})


def concept_rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Every other concept of THINGS: ``train`` to choose on, ``test`` to score."""
    spec.options(NoOptions)
    concepts = things_concepts()
    pairs = list(zip(concepts.ids, concepts.words, strict=True))
    for name, word in pairs[_half(spec) :: len(SPLITS)]:
        yield DataRow({"id": name, "cluster": name, "word": word, "target": word})


class TripletOptions(Strict):
    """``dataset_kwargs`` of the triplets."""

    orders: Literal[0, 1, 3, 6] = Field(
        0,
        description="In how many orders options are asked about; 3: each concept once in each "
        "place, 6: all; 0: no fields of orders.",
    )


def triplet_rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """The odd-one-out triplets of THINGS with the concept that people chose.

    With ``orders``: ``orders`` holds the three words in each order, and ``places`` the place in the
    triplet of each.
    """
    options = spec.options(TripletOptions)
    chosen = ORDERS[: options.orders]
    words, triplets = things_concepts().words, things_triplets()
    answers = {who: chosen.tolist() for who, chosen in triplets.odd.items()}
    for number, triplet in enumerate(triplets.concepts.tolist()):
        places = {who: triplet.index(chosen[number]) for who, chosen in answers.items()}
        name = f"triplet-{number:04d}"
        own = [words[one] for one in triplet]
        fields: dict[str, object] = {"id": name, "cluster": name, "words": own}
        if chosen:
            fields["orders"] = [[own[place] for place in order] for order in chosen]
            fields["places"] = [list(order) for order in chosen]
        yield DataRow({**fields, "target": places})


def use_rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Uses of objects with people's rating of their originality; an object is a cluster."""
    spec.options(NoOptions)
    uses = alternate_uses()
    every = zip(uses.ids, uses.objects, uses.responses, uses.originality.tolist(), strict=True)
    for name, thing, response, rated in every:
        yield DataRow(
            {
                "id": name,
                "cluster": thing,
                "texts": [thing, response],
                "words": len(response.split()),
                "target": rated,
            }
        )


class SceneStimuli(Strict):
    """``dataset_kwargs`` of scenes that simulated people have seen."""

    n: int = Field(MOST, ge=1, le=MOST, description="Scenes.")


def scene_rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Drawn scenes: ``calibration`` to choose a layer on, ``test`` to score."""
    options = spec.options(SceneStimuli)
    if spec.split not in SCENE_SPLITS:
        raise ConfigError(
            f"there is no split {spec.split!r}",
            where=spec.where("split"),
            hint="calibration (to choose a layer or head on) or test",
        )
    known = scene_geometry()
    seen = [scene for scene, split in zip(known.scenes, known.splits, strict=True)
            if split == spec.split]  # fmt: skip
    drawing = world(spec.split)
    for scene in seen[: options.n]:
        yield DataRow(
            {
                "id": scene.id,
                "cluster": scene.id,
                "question": "What is in the picture?",
                "target": ", ".join(scene.objects),
            },
            {"picture": picture(drawing, scene, images)},
        )


def image_rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """The 92 images by name; the photographs do not ship."""
    spec.options(NoOptions)
    for name in IMAGE_IDS:
        yield DataRow({"id": name, "cluster": name, "target": name})


def _half(spec: DataSpec) -> int:
    if spec.split not in SPLITS:
        raise ConfigError(
            f"there is no split {spec.split!r}",
            where=spec.where("split"),
            hint="train (to choose a layer or head on) or test",
        )
    return SPLITS.index(spec.split)
