"""Scenes of the scene world, to be described."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from headbench.families.scene_rows import SceneOptions, lead, picture, scene_world, scenes
from headbench.tasks.data.source import DataRow, DataSpec
from headbench.tasks.images import Images
from headbench.worlds.scene_text import CAPTION_REQUEST


def rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Yield scenes to be described; the target is the list of their objects."""
    options = spec.options(SceneOptions)
    world = scene_world(spec, options)
    for scene in islice(scenes(world, options), options.n):
        yield DataRow(
            {
                "id": scene.id,
                "cluster": scene.id,
                "image": scene.id,
                "request": CAPTION_REQUEST,
                "lead": lead(options, scene),
                "target": list(scene.objects),
            },
            {"picture": picture(world, scene, images)},
        )
