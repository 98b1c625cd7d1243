"""From the encoded bytes of an image, named by content hash, to what a processor takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headbench._images import open_image
from headbench.worlds.rgb import rgb

if TYPE_CHECKING:
    from PIL.Image import Image


def decode(encoded: bytes, sha256: str) -> Image:
    """Encoded bytes to an upright RGB image; :mod:`headbench.worlds.rgb` says how.

    Args:
        encoded: A file of a kind that Pillow reads.
        sha256: Its content hash, for errors.

    Raises:
        DataError: Not an image, a truncated one, one too large to be meant, or one of values that
            are no numbers.
    """
    with open_image(encoded, f"image with content hash {sha256[:16]}") as image:
        return rgb(image)
