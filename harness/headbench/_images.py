"""The boundary to image files: decoded whole, of at most so many pixels, every fault in words."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headbench._reading import MOST_PIXELS
from headbench.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

_BROKEN = (
    *(OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError),
    *(ArithmeticError, RuntimeError, NotImplementedError, EOFError, MemoryError),
    *(struct.error, zlib.error),
)
"""What Pillow's plugins raise for damaged files, and conversions for modes that have none."""


@contextmanager
def open_image(data: bytes, where: str, hint: str = "replace the file") -> Iterator[Image]:
    """An image, every pixel decoded: a truncated file opens without complaint.

    What is done with it in the block may fail on its values; such an error becomes ours, too.

    Args:
        data: The encoded bytes.
        where: The image, for errors.
        hint: The next step.

    Raises:
        DataError: No image, damaged or cut short, or of more than :data:`MOST_PIXELS` pixels.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own limits; ours is below
            with Image.open(io.BytesIO(data)) as image:
                width, height = image.size
                if width * height > MOST_PIXELS:
                    raise DataError(
                        f"the image has {width:,} x {height:,} pixels, more than {MOST_PIXELS:,}",
                        where=where,
                        hint="scale it down",
                    )
                image.load()
                yield image
    except UnidentifiedImageError as error:
        raise DataError(
            "the image cannot be read: the file is not an image", where=where, hint=hint
        ) from error
    except Image.DecompressionBombError as error:
        raise DataError(
            f"the image cannot be read: more than {MOST_PIXELS:,} pixels",
            where=where,
            hint="scale it down",
        ) from error
    except _BROKEN as error:
        raise DataError(
            f"the image cannot be read: it is damaged or cut short ({error})",
            where=f"{where} ({len(data)} bytes)",
            hint=hint,
        ) from error


def check_image(data: bytes, where: str, hint: str = "replace the file") -> None:
    """Refuse what is no image; see :func:`open_image`."""
    with open_image(data, where, hint):
        pass
