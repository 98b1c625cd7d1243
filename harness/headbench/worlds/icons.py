"""Icons and backdrops as pixels: drawn at four times the canvas size, then averaged down."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from headbench.worlds.icon_shapes import BACKGROUNDS, INK, SHAPES, Colour, Shape

Pixels = NDArray[np.uint8]

_UNITS = 128
_DRAWN = 4 * _UNITS
_STROKE = 7
"""Width of lines and outlines, in units of the 128-unit canvas."""


def _paint(shape: Shape, draw: ImageDraw.ImageDraw, *, outline: Colour | None) -> None:
    kind, numbers, fill = shape
    scale = _DRAWN / _UNITS
    at = [number * scale for number in numbers]
    width = round((_STROKE if outline else _STROKE / 3) * scale)
    if kind == "line":
        points = list(zip(at[::2], at[1::2], strict=True))
        draw.line(points, fill=fill, width=2 * width, joint="curve")
    elif kind == "poly":
        points = list(zip(at[::2], at[1::2], strict=True))
        draw.polygon(points, fill=fill)
        if outline is not None:
            draw.line([*points, *points[:2]], fill=outline, width=width, joint="curve")
    elif kind == "oval":
        draw.ellipse(at, fill=fill, outline=outline, width=width)
    elif kind == "pie":
        draw.pieslice(at[:4], numbers[4], numbers[5], fill=fill, outline=outline, width=width)
    elif kind == "round":
        draw.rounded_rectangle(at, radius=8 * scale, fill=fill, outline=outline, width=width)
    else:
        draw.rectangle(at, fill=fill, outline=outline, width=width)


@lru_cache(maxsize=512)
def icon(name: str, size: int) -> Pixels:
    """Icon of an object, with transparency.

    Args:
        name: One of :data:`~headbench.worlds.scene_words.OBJECTS`.
        size: Side in pixels.

    Returns:
        RGBA ``[size, size, 4]``; read only, shared between callers.
    """
    canvas = Image.new("RGBA", (_DRAWN, _DRAWN), (0, 0, 0, 0))
    draw = ImageDraw.Draw(canvas)
    for shape in SHAPES[name]:
        _paint(shape, draw, outline=INK)
    return _frozen(canvas.resize((size, size), Image.Resampling.BOX))


@lru_cache(maxsize=32)
def backdrop(place: str, size: int) -> Pixels:
    """Backdrop of a place.

    Args:
        place: One of :data:`~headbench.worlds.scene_words.PLACES`.
        size: Side in pixels.

    Returns:
        RGB ``[size, size, 3]``; read only, shared between callers.
    """
    canvas = Image.new("RGB", (_DRAWN, _DRAWN))
    draw = ImageDraw.Draw(canvas)
    for shape in BACKGROUNDS[place]:
        _paint(shape, draw, outline=None)
    return _frozen(canvas.resize((size, size), Image.Resampling.BOX))


def _frozen(image: Image.Image) -> Pixels:
    pixels = np.asarray(image, dtype=np.uint8).copy()
    pixels.setflags(write=False)
    return pixels
