"""Rendering: from a scene to its pixels."""

from __future__ import annotations

from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from headbench.worlds.icons import Pixels, backdrop, icon
from headbench.worlds.scene_description import SIZE, Scene

_Levels = NDArray[np.int16]
_COVER = (150, 150, 150)


def draw(scene: Scene, noise_seed: tuple[int, int]) -> Pixels:
    """The image of a scene.

    Args:
        scene: What to draw.
        noise_seed: Two numbers that seed the pixel noise.

    Returns:
        RGB ``[128, 128, 3]``.
    """
    canvas = backdrop(scene.backdrop, SIZE).astype(np.int16)
    for box, colour in scene.smudges:
        _blend(canvas, box, _blot(box[2] - box[0]), colour)
    for item in scene.items:
        sprite = icon(item.name, item.box[2] - item.box[0])
        weight = sprite[:, :, 3:].astype(np.int16)
        if item.opacity < 1:
            weight = (weight * item.opacity).astype(np.int16)
        _blend(canvas, item.box, weight, sprite[:, :, :3])
        if item.cover:
            left, top, right, bottom = item.cover
            canvas[top:bottom, left:right] = _COVER
    # Raw generator words are stable across NumPy versions, its normal distribution is not. Each
    # byte of the words selects a grey level from a table of normal quantiles.
    words = np.random.PCG64(list(noise_seed)).random_raw(canvas.size // 8)
    grain = _grain(scene.noise)[words.astype("<u8").view(np.uint8).reshape(canvas.shape)]
    canvas += grain
    np.clip(canvas, 0, 255, out=canvas)
    return canvas.astype(np.uint8)


def _blend(
    canvas: _Levels,
    box: tuple[int, int, int, int],
    weight: _Levels,
    colour: Pixels | tuple[int, int, int],
) -> None:
    # Integers only: floating point could round differently on another processor.
    left, top, right, bottom = box
    under = canvas[top:bottom, left:right].astype(np.int32)
    under += (np.asarray(colour, dtype=np.int32) - under) * weight // 255
    canvas[top:bottom, left:right] = under


@cache
def _blot(size: int) -> _Levels:
    """A soft disc ``[size, size, 1]`` of weights up to 60."""
    axis = np.linspace(-1, 1, size)
    radius = axis[:, None] ** 2 + axis[None, :] ** 2
    return (60 * np.clip(1.2 - radius, 0, 1)).astype(np.int16)[:, :, None]


@cache
def _grain(deviation: float) -> _Levels:
    """Grey level per random byte ``[256]``: rounded quantiles of a normal distribution."""
    normal = NormalDist(0, deviation or 1e-9)
    levels = [round(normal.inv_cdf((byte + 0.5) / 256)) for byte in range(256)]
    return np.array(levels, dtype=np.int16)
