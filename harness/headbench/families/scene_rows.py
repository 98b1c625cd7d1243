"""Options and pictures of the scene world, for every family that asks about scenes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Literal, cast

from pydantic import Field

from headbench.errors import ConfigError, nearest
from headbench.tasks.data.source import DataSpec
from headbench.tasks.images import Images
from headbench.tasks.schema import Strict
from headbench.worlds.png import png
from headbench.worlds.scene_text import context
from headbench.worlds.scenes import Scene, SceneWorld, Split

_SEEDS_APART = 1_000_000
"""Scenes of two data sets with different seeds never meet (below this many images)."""
_SPLITS = ("train", "calibration", "test")


class SceneOptions(Strict):
    """``dataset_kwargs`` of every world of scenes."""

    n: int = Field(60, ge=1, le=_SEEDS_APART // 10, description="Images.")
    seed: int = Field(0, ge=0, description="Which images.")
    prior: Literal["picture", "text"] = Field(
        "picture", description="Where the misleading expectation lives."
    )


def scene_world(spec: DataSpec, options: SceneOptions) -> SceneWorld:
    """The world of a task's split.

    Raises:
        ConfigError: The world has no such split.
    """
    if spec.split not in _SPLITS:
        raise ConfigError(
            f"the scene world has no split {spec.split!r}",
            where=spec.merged.where(("test_split",)),
            hint=nearest(spec.split, _SPLITS),
        )
    return SceneWorld(cast("Split", spec.split), options.prior)


def scenes(world: SceneWorld, options: SceneOptions) -> Iterator[Scene]:
    """Scenes without end, from the data set's own stretch of seeds."""
    return (world.scene(seed) for seed in count(options.seed * _SEEDS_APART))


def lead(options: SceneOptions, scene: Scene) -> str:
    """The words before a request; only the ``text`` prior has any."""
    return f"{context(scene.place)} " if options.prior == "text" else ""


def picture(world: SceneWorld, scene: Scene, images: Images) -> str:
    """Register a scene's picture; it is drawn again when a model asks for it."""
    return images.named(scene.id, lambda: png(world.render(scene)))
