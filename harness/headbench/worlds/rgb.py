"""Pictures of any kind in eight bits of red, green and blue, as a viewer would show them.

What each kind becomes:

* turned by its EXIF orientation;
* 16-bit: 0..65535 becomes 0..255;
* float: 0..1 becomes 0..255 where all values lie there; else the picture's own range does. Whole
  numbers of 32 bits beyond 65535 (or below 0) are taken by their own range too;
* transparent, also through a palette: laid on white, so that colours which nobody sees stay unseen;
* CMYK, palettes, YCbCr, grey and black-and-white: by Pillow's conversion;
* several frames: the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

SIXTEEN = 65535
"""Largest value of a 16-bit channel."""


def rgb(picture: Image) -> Image:
    """A picture, turned upright, in mode ``RGB``; one that is so already keeps every value.

    Raises:
        ValueError: A value is not a number, or the mode has no conversion.
    """
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(picture)
    if upright.mode == "F" or upright.mode.startswith("I"):
        return _scaled(upright).convert("RGB")
    if upright.has_transparency_data:
        seen = upright.convert("RGBA")
        paper = Image.new("RGBA", seen.size, "white")
        return Image.alpha_composite(paper, seen).convert("RGB")
    return upright.convert("RGB")


def _scaled(picture: Image) -> Image:
    """Grey values of 16 or 32 bits, or floats, by their range in eight bits."""
    from PIL import Image

    values = np.asarray(picture, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are not numbers")
    low, high = 0.0, 1.0 if picture.mode == "F" else float(SIXTEEN)
    if values.min() < low or values.max() > high:
        low, high = float(values.min()), float(values.max())
    grey = (values - low) / max(high - low, float(np.finfo(np.float64).tiny)) * 255
    return Image.fromarray(np.rint(grey).astype(np.uint8))
