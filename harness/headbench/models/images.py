"""From the encoded bytes of an image, named by content hash, to what a processor takes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from headbench.errors import DataError
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
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(encoded)) as image:
            return rgb(image)
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        SyntaxError,
        ValueError,
    ) as error:
        raise DataError(
            f"an image cannot be read: {error}",
            where=f"image with content hash {sha256[:16]}",
            hint="replace the file; it may be truncated",
        ) from error
