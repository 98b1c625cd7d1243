"""The boundary to npz files: no pickle, arrays of limited size, every fault in words."""

from __future__ import annotations

import io
import struct
import tokenize
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, LargeZipFile, ZipFile

from headbench._reading import ALWAYS_EXPANDED, EXPANSION, MOST_BYTES, read_file, shown
from headbench.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BROKEN = (
    *(ValueError, TypeError, KeyError, IndexError, OSError, EOFError, NotImplementedError),
    *(RuntimeError, OverflowError, SyntaxError, MemoryError, AttributeError),
    *(BadZipFile, LargeZipFile, zlib.error, struct.error, tokenize.TokenError),
)
"""What zipfile and numpy raise for damaged archives, encrypted ones, and headers of other arrays.

A header that claims terabytes ends in a ``MemoryError`` before anything is allocated."""


@contextmanager
def open_npz(path: Path, what: str) -> Iterator[Mapping[str, NDArray[np.generic]]]:
    """The arrays of a file by name, each read when it is asked for.

    What is done with them in the block may fail on their values; such an error becomes ours, too.

    Args:
        path: The file.
        what: What an error calls it, e.g. ``the table``.

    Raises:
        DataError: It is missing, no npz file, damaged, holds pickled objects, or expands beyond the
            limit of compressed files.
    """
    import numpy as np

    content = read_file(path, what)
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            size = sum(one.file_size for one in archive.infolist())
        limit = min(4 * MOST_BYTES, max(ALWAYS_EXPANDED, EXPANSION * len(content)))
        if size > limit:
            raise DataError(
                f"{what} is refused: {size:,} bytes when expanded, more than {limit:,}",
                where=shown(path),
                hint="save it with numpy.savez, which does not compress",
            )
        loaded: Any = np.load(io.BytesIO(content), allow_pickle=False)
        with loaded as file:
            yield file
    except _BROKEN as error:
        raise DataError(
            f"{what} cannot be read: {error or type(error).__name__}",
            where=shown(path),
            hint="save it with numpy.savez",
        ) from error
