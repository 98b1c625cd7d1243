"""Images of any mode as eight bits of red, green and blue, as a viewer would show them.

How each mode is converted:

* all: turned by their EXIF orientation;
* 16-bit: 0..65535 becomes 0..255;
* float: 0..1 becomes 0..255 where all values lie there; otherwise the image's own range does.
  32-bit integers beyond 65535 (or below 0) are scaled by their own range too;
* transparent, also through a palette: composed on white, so that invisible colours stay invisible;
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


def rgb(image: Image) -> Image:
    """An image, turned upright, in mode ``RGB``; an upright RGB image keeps its values.

    Raises:
        ValueError: A value is not a number, or the mode has no conversion.
    """
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode == "F" or upright.mode.startswith("I"):
        return _scaled(upright).convert("RGB")
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return upright.convert("RGB")


def _scaled(image: Image) -> Image:
    """Grey values of 16 or 32 bits, or floats, scaled to eight bits."""
    from PIL import Image

    values = np.asarray(image, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are not numbers")
    low, high = 0.0, 1.0 if image.mode == "F" else float(SIXTEEN)
    if values.min() < low or values.max() > high:
        low, high = float(values.min()), float(values.max())
    # The smallest positive number avoids 0 / 0 for an image of one value.
    grey = (values - low) / max(high - low, float(np.finfo(np.float64).tiny)) * 255
    return Image.fromarray(np.rint(grey).astype(np.uint8))
