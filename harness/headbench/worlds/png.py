"""Lossless PNG files whose bytes depend on the pixels alone."""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from headbench.worlds.rgb import rgb

if TYPE_CHECKING:
    from PIL import Image


def png(image: Image.Image) -> bytes:
    """A lossless PNG whose bytes depend on the pixels alone.

    Image libraries compress differently from version to version. Here the data are stored without
    compression, so that a digest of the file can serve as the image's name.
    """
    pixels = np.asarray(rgb(image))
    height, width = pixels.shape[:2]
    raw = b"".join(b"\x00" + row.tobytes() for row in pixels)
    blocks = [raw[start : start + 65535] for start in range(0, len(raw), 65535)]
    stored = b"".join(
        struct.pack("<BHH", index == len(blocks) - 1, len(block), len(block) ^ 0xFFFF) + block
        for index, block in enumerate(blocks)
    )
    data = b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(raw))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))
        for tag, body in chunks
    )


def digest(image: Image.Image) -> str:
    """SHA-256 of :func:`png`, in hexadecimal."""
    return hashlib.sha256(png(image)).hexdigest()
