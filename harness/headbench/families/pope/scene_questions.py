"""Yes/no questions about scenes of the scene world."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from pydantic import Field

from headbench.families.pope.pope_build import SETTINGS, Annotated, Setting, build
from headbench.families.scene_rows import SceneOptions, lead, picture, scene_world, scenes
from headbench.tasks.data.source import DataRow, DataSpec
from headbench.tasks.images import Images
from headbench.worlds.scene_text import question


class SceneQuestionOptions(SceneOptions):
    """``dataset_kwargs`` of the world ``scenes-pope``."""

    settings: tuple[Setting, ...] = Field(SETTINGS, description="How absent objects are chosen.")
    positives: int = Field(3, ge=1, description="Present objects asked about an image.")


def rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Yield POPE questions about scenes that hold enough objects."""
    options = spec.options(SceneQuestionOptions)
    world = scene_world(spec, options)
    rich = (scene for scene in scenes(world, options) if len(scene.objects) >= options.positives)
    asked_scenes = {scene.id: scene for scene in islice(rich, options.n)}
    annotated = [Annotated(scene.id, scene.objects) for scene in asked_scenes.values()]
    questions = build(
        annotated, seed=options.seed, positives=options.positives, settings=options.settings
    )
    for item in questions:
        scene = asked_scenes[item.image]
        yield DataRow(
            {
                "id": f"{item.image}-{item.setting}-{item.number}",
                "cluster": item.image,
                "image": item.image,
                "setting": item.setting,
                "object": item.object,
                "question": question(item.object),
                "lead": lead(options, scene),
                "target": item.label,
            },
            {"picture": picture(world, scene, images)},
        )
