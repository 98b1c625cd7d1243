"""Images that a run's interventions made, one file each, named by the SHA-256 of their bytes.

They lie beside the answers of the store. A file is written before the answer that names it, and
read back only while its bytes have the digest of its name.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from headbench.errors import StoreError
from headbench.results.disk import read_bytes, remove_leftovers, write_atomic

FOLDER = "images"


class DerivedImages:
    """The images below a store's folder; none is kept in memory.

    Args:
        store: Folder of the store.
    """

    def __init__(self, store: Path) -> None:
        self._folder = store / FOLDER
        remove_leftovers(self._folder)

    def put(self, sha256: str, data: bytes) -> None:
        """Write an image unless it is there.

        Raises:
            StoreError: the name is not the digest of the bytes, or the file cannot be written.
        """
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError(
                "a derived image does not have the content that its name says",
                where=f"image {sha256[:16]}",
                hint="make requests with `headbench.extend.with_images`, which names them",
            )
        if sha256 not in self:
            write_atomic(self._path(sha256), data)

    def __contains__(self, sha256: str) -> bool:
        path = self._path(sha256)
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256

    def read(self, sha256: str) -> bytes:
        """The PNG file of an image.

        Raises:
            StoreError: it is not there, or not what was written.
        """
        path = self._path(sha256)
        data = read_bytes(path, "a derived image")
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError(
                "a derived image was changed after it was written",
                where=str(path),
                hint="delete the file and run the same command again",
            )
        return data

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / f"{sha256}.png"
