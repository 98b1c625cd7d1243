"""The boundary to files that a user names: what cannot be read is an error of ours, within limits.

Each reader of the package takes its bytes from here, so that a device, a pipe without a writer, a
name that no file system takes, or a small file that expands to gigabytes is refused in words.
"""

from __future__ import annotations

import errno
import os
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from headbench.errors import DataError, HeadbenchError

MOST_BYTES = 2**30
"""Largest file that is read whole: 1 GiB."""
EXPANSION, ALWAYS_EXPANDED = 100, 2**26
"""A compressed file may expand to 100 times its size, and to 64 MiB in any case."""
MOST_PIXELS = 2**26
"""Largest image: 64 megapixels, 192 MiB as RGB."""
GZIP = b"\x1f\x8b"
_STEP = 2**20
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

Failure = Callable[[str, str, str], HeadbenchError]


def read_file(
    path: Path | str,
    what: str = "the file",
    *,
    error: type[HeadbenchError] = DataError,
    hint: str = "check the path and its permissions",
    most: int = MOST_BYTES,
) -> bytes:
    """The bytes of a regular file.

    Args:
        path: The file.
        what: What an error calls it, after "cannot read".
        error: The class of errors.
        hint: The next step where it cannot be opened.
        most: Largest size, in bytes.

    Raises:
        HeadbenchError: Of the class ``error``: it is missing, may not be read, is no regular file,
            has an impossible name, or is too large.
    """
    try:
        # A pipe that nobody writes to would block open() for ever.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as stream:
            mode = os.fstat(handle).st_mode
            kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "")
            if kind:
                raise error(f"cannot read {what}: it is {kind}", where=shown(path), hint=hint)
            content = _within(stream, most)
    except OSError as bad:
        reason = _reason(bad)
        raise error(f"cannot read {what}: {reason}", where=shown(path), hint=hint) from bad
    except ValueError as bad:  # NUL, or half a character
        raise error(
            f"cannot read {what}: no file can have this name", where=shown(path), hint=hint
        ) from bad
    if len(content) > most:
        raise error(
            f"{what} is larger than {most:,} bytes", where=shown(path), hint="give a smaller file"
        )
    return content


def _within(stream: BinaryIO, most: int) -> bytes:
    """What a stream holds, up to one byte more than ``most``.

    One call with so large a number would ask for all of that memory first.
    """
    pieces, left = [], most + 1
    while left and (piece := stream.read(min(left, _STEP))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _reason(bad: OSError) -> str:
    return "its name is too long" if bad.errno == errno.ENAMETOOLONG else bad.strerror or str(bad)


def user_path(text: str | Path) -> Path:
    """A path as a user wrote it, with ``~`` replaced; where no such user is known, as it is."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def resolved(path: Path) -> Path:
    """The absolute path without links; without looking at it where no file can have this name."""
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError):  # too long, NUL, links in a circle
        return path.absolute()


def is_folder(path: Path | str) -> bool:
    """Whether a folder lies there; false, too, for a name that no file can have."""
    return _is(path, stat.S_ISDIR)


def is_file(path: Path | str) -> bool:
    """Whether a regular file lies there; false, too, for a name that no file can have."""
    return _is(path, stat.S_ISREG)


def exists(path: Path | str) -> bool:
    """Whether anything lies there; false, too, for a name that no file can have."""
    return _is(path, lambda _mode: True)


def _is(path: Path | str, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


def shown(path: Path | str) -> str:
    """A path for an error: one of thousands of characters is cut, with its length."""
    text = str(path)
    return text if len(text) <= 400 else f"{text[:200]}... ({len(text):,} characters)"


def expanded(
    stored: bytes,
    where: str,
    *,
    error: type[HeadbenchError] = DataError,
    what: str = "the gzip file is",
    most: int | None = None,
) -> bytes:
    """What gzip packed, or the bytes themselves where they are not gzip's; several members are one.

    It is expanded piece by piece, so that a bomb costs no more memory than the limit.

    Args:
        stored: The file.
        where: For errors.
        error: The class of errors.
        what: What an error calls it, with its verb.
        most: Largest expanded size, in bytes; by default :data:`EXPANSION` times the stored size.

    Raises:
        HeadbenchError: Of the class ``error``: damaged, cut off, or beyond the limit.
    """
    if not stored.startswith(GZIP):
        return stored
    limit = most or min(MOST_BYTES, max(ALWAYS_EXPANDED, EXPANSION * len(stored)))
    pieces, size, rest = [], 0, stored
    try:
        while rest.startswith(GZIP):
            unpacker = zlib.decompressobj(wbits=31)
            while not unpacker.eof:
                piece = unpacker.decompress(rest, _STEP)
                rest = unpacker.unconsumed_tail
                size += len(piece)
                if size > limit:
                    raise error(
                        f"{what} refused: more than {limit:,} bytes when expanded",
                        where=where,
                        hint="expand it yourself if it is what it should be",
                    )
                pieces.append(piece)
                if not piece and not rest and not unpacker.eof:
                    raise error(f"{what} damaged or cut off", where=where)
            rest = unpacker.unused_data
    except zlib.error as bad:
        raise error(f"{what} damaged or cut off", where=where) from bad
    if rest.strip(b"\0"):  # padding is allowed, anything else is damage
        raise error(f"{what} damaged: more follows the end", where=where)
    return b"".join(pieces)
