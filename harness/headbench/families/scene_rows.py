"""Documents of the scene world: yes/no questions and captions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from typing import Literal, cast

from pydantic import Field

from headbench.errors import ConfigError, nearest
from headbench.families.pope.pope_build import SETTINGS, Annotated, Setting, build
from headbench.tasks.data.source import DataSpec, Row
from headbench.tasks.images import Images
from headbench.tasks.schema import Strict
from headbench.worlds.png import png
from headbench.worlds.scene_text import CAPTION_REQUEST, context, question
from headbench.worlds.scenes import Scene, SceneWorld, Split

_SEEDS_APART = 1_000_000
"""Scenes of two data sets with different seeds never meet (below this many images)."""
_SPLITS = ("train", "calibration", "test")


class SceneOptions(Strict):
    """``dataset_kwargs`` of the worlds ``scenes-pope`` and ``scenes-chair``."""

    n: int = Field(60, ge=1, le=_SEEDS_APART // 10, description="Images.")
    seed: int = Field(0, ge=0, description="Which images.")
    prior: Literal["picture", "text"] = Field(
        "picture", description="Where the misleading expectation lives."
    )


class PopeOptions(SceneOptions):
    """Further options of ``scenes-pope``."""

    settings: tuple[Setting, ...] = Field(SETTINGS, description="How absent objects are chosen.")
    positives: int = Field(3, ge=1, description="Present objects asked about an image.")


def pope_rows(spec: DataSpec, images: Images) -> Iterator[Row]:
    """Yield POPE questions about scenes that hold enough objects."""
    options = spec.options(PopeOptions)
    world = _world(spec, options)
    rich = (scene for scene in _scenes(world, options) if len(scene.objects) >= options.positives)
    scenes = {scene.id: scene for scene in islice(rich, options.n)}
    annotated = [Annotated(scene.id, scene.objects) for scene in scenes.values()]
    asked = build(
        annotated, seed=options.seed, positives=options.positives, settings=options.settings
    )
    for item in asked:
        scene = scenes[item.image]
        yield Row(
            {
                "id": f"{item.image}-{item.setting}-{item.number}",
                "cluster": item.image,
                "image": item.image,
                "setting": item.setting,
                "object": item.object,
                "question": question(item.object),
                "lead": _lead(options, scene),
                "target": item.label,
            },
            {"picture": _picture(world, scene, images)},
        )


def caption_rows(spec: DataSpec, images: Images) -> Iterator[Row]:
    """Yield scenes to be described; the target is the list of their objects."""
    options = spec.options(SceneOptions)
    world = _world(spec, options)
    for scene in islice(_scenes(world, options), options.n):
        yield Row(
            {
                "id": scene.id,
                "cluster": scene.id,
                "image": scene.id,
                "request": CAPTION_REQUEST,
                "lead": _lead(options, scene),
                "target": list(scene.objects),
            },
            {"picture": _picture(world, scene, images)},
        )


def _world(spec: DataSpec, options: SceneOptions) -> SceneWorld:
    if spec.split not in _SPLITS:
        raise ConfigError(
            f"the scene world has no split {spec.split!r}",
            where=spec.merged.where(("test_split",)),
            hint=nearest(spec.split, _SPLITS),
        )
    return SceneWorld(cast("Split", spec.split), options.prior)


def _scenes(world: SceneWorld, options: SceneOptions) -> Iterator[Scene]:
    return (world.scene(seed) for seed in count(options.seed * _SEEDS_APART))


def _lead(options: SceneOptions, scene: Scene) -> str:
    """The words before a request; only the ``text`` prior has any."""
    return f"{context(scene.place)} " if options.prior == "text" else ""


def _picture(world: SceneWorld, scene: Scene, images: Images) -> str:
    """Register a scene's picture; it is drawn again when a model asks for it."""
    return images.named(scene.id, lambda: png(world.render(scene)))
