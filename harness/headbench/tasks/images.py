"""Images of a task, found by the SHA-256 of their encoded bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from headbench._images import check_image
from headbench._reading import read_file
from headbench.errors import DataError


class Images:
    """Content hash -> encoded bytes. Bytes are read or drawn again when asked for, not kept.

    The name of an image is the digest of its bytes, so ``sha256(images.read(name)) == name``, and
    a file that changes under a run is noticed.
    """

    def __init__(self) -> None:
        self._ways: dict[str, Callable[[], bytes]] = {}
        self._labels: dict[str, str] = {}

    def __contains__(self, sha256: object) -> bool:
        return sha256 in self._ways

    def named(self, label: str, make: Callable[[], bytes]) -> str:
        """Register an image that can be made again; it is made once per label to be hashed.

        Args:
            label: What the image is, unique within the task (a scene's id, a file's path).
            make: Returns the same encoded bytes each time.

        Returns:
            The content hash.
        """
        if label not in self._labels:
            sha256 = hashlib.sha256(make()).hexdigest()
            self._labels[label] = sha256
            self._ways.setdefault(sha256, make)
        return self._labels[label]

    def add_file(self, path: Path) -> str:
        """Register an image file, after decoding it whole once.

        Raises:
            DataError: The file is missing, no image, or cut short.
        """
        label = str(path)
        if label not in self._labels:
            check_image(_read(path), str(path))
        return self.named(label, lambda: _read(path))

    def read(self, sha256: str) -> bytes:
        """The encoded bytes of an image.

        Raises:
            DataError: Unknown hash, or the bytes are no longer the same.
        """
        if sha256 not in self._ways:
            raise DataError(
                "no document of this task has that image",
                where=f"image {sha256[:12]}",
                hint="the data changed since the documents were made: run again",
            )
        data = self._ways[sha256]()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise DataError(
                "an image is no longer what it was when the run began",
                where=f"image {sha256[:12]}",
                hint="restore the file, or start the run anew",
            )
        return data


def _read(path: Path) -> bytes:
    return read_file(path, "the image", hint="check the image folder")
