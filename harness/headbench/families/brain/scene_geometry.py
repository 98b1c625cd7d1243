"""Drawn scenes whose geometry is known, and simulated people who look at them.

What a scene shows is known from its generator: which of the 29 objects are in it. These features
reach the ceiling; ``ref-vlm-v2`` learned to name the objects, the same shape with random weights
did not. Nothing is downloaded, and no picture is stored: each is drawn when a model asks for it.

Backdrops are drawn at random here (the world's ``text`` prior). Where the backdrop is the place,
and the place brings its objects, pixels alone know much of the geometry: see :func:`pixel_rdm`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from headbench.families.brain.rdm import Floats, rdm
from headbench.worlds.scene_words import OBJECTS
from headbench.worlds.scenes import Scene, SceneWorld, Split

SPLITS: tuple[Split, ...] = ("calibration", "test")
"""To choose a layer and a head on, and to score."""
MOST = 120
"""Scenes of each split that people have seen."""
GRID = 16
"""Cells of a scene's picture along each side, over which :func:`pixel_rdm` averages."""


@dataclass(frozen=True)
class SceneGeometry:
    """Scenes and what is in them.

    Attributes:
        scenes: ``[scene]``: :data:`MOST` of each split, in the order of :data:`SPLITS`.
        splits: ``[scene]``.
        features: ``[scene, object]``: 1 for an object that is in the scene.
        truth: ``[pair]``, 1 - Pearson r of the features.
    """

    scenes: tuple[Scene, ...]
    splits: tuple[Split, ...]
    features: Floats
    truth: Floats

    @property
    def ids(self) -> tuple[str, ...]:
        """Names of the scenes, as documents carry them."""
        return tuple(scene.id for scene in self.scenes)


@cache
def scene_geometry() -> SceneGeometry:
    """The scenes of both splits."""
    splits = tuple(split for split in SPLITS for _ in range(MOST))
    seeds = [seed for _ in SPLITS for seed in range(MOST)]
    scenes = tuple(world(split).scene(seed) for split, seed in zip(splits, seeds, strict=True))
    features = np.array([[name in scene.objects for name in OBJECTS] for scene in scenes], float)
    return SceneGeometry(scenes, splits, features, rdm(features))


def world(split: Split) -> SceneWorld:
    """The scenes of a split, in front of backdrops that say nothing of their objects."""
    return SceneWorld(split, "text")


@cache
def pixel_rdm() -> Floats:
    """1 - Pearson r of the pictures' pixels, averaged in cells: ``[pair]``, over all scenes.

    What a model must beat that sees a picture and understands nothing of it.
    """
    known = scene_geometry()
    rows = []
    for split, scene in zip(known.splits, known.scenes, strict=True):
        pixels = world(split).pixels(scene).astype(np.float64)  # [128, 128, 3]
        side = pixels.shape[0] // GRID
        cells = pixels.reshape(GRID, side, GRID, side, 3).mean(axis=(1, 3))
        rows.append(cells.ravel())
    return rdm(np.array(rows))
