"""Writing files so that a full disk or a kill leaves the old file or the new one, never half."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from headbench._reading import read_file
from headbench.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPORARY = ".headbench-tmp"
"""How the name of a temporary file ends; it begins with a dot."""
_HINTS = {
    errno.ENOSPC: "free some space, then run the same command again: stored answers are kept",
    errno.EDQUOT: "your quota is used up; free some space and run the same command again",
    errno.EACCES: "choose a folder that you may write with --out",
    errno.EPERM: "choose a folder that you may write with --out",
    errno.EROFS: "the file system is read-only; choose another folder with --out",
    errno.ENOENT: "make the folder first",
    errno.ENOTDIR: "a part of the path is a file; choose another folder with --out",
}


@contextlib.contextmanager
def told(what: str, path: Path) -> Iterator[None]:
    """Turn an ``OSError`` of the block into a ``StoreError`` that names the path and the cure."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        hint = _HINTS.get(error.errno or 0, "")
        raise StoreError(f"{what}: {reason}", where=str(path), hint=hint) from error


def make_folder(path: Path) -> None:
    """Create a folder and its parents.

    Raises:
        StoreError: when the folder cannot be made.
    """
    with told("cannot make the folder", path):
        path.mkdir(parents=True, exist_ok=True)


def hold(handle: int) -> bool:
    """Hold an open file alone until it is closed, or its process ends, however it ends.

    Args:
        handle: File descriptor.

    Returns:
        Whether it is held now; false where another process holds it. Systems without ``fcntl``
        (Windows) hold nothing and say yes: there a second writer is the user's to avoid.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file through a synced temporary neighbour and one rename.

    Raises:
        StoreError: when the file cannot be written; the old file, if any, is then untouched.
    """
    make_folder(path.parent)
    with told("cannot write", path):
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name[:40]}-", suffix=TEMPORARY
        )
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                hold(handle)
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> int:
    """Remove temporary files of :func:`write_atomic` whose process was killed.

    A file that a living process is writing is held by it, and stays. So does one that may not be
    removed: it costs some space, which is no reason to refuse a run.

    Args:
        folder: Searched with all folders below it; may be absent.

    Returns:
        How many files were removed.
    """
    removed = 0
    for path in sorted(folder.rglob(f".*{TEMPORARY}")):
        if path.is_symlink() or not path.is_file():
            continue
        with contextlib.suppress(OSError), path.open("rb") as stream:
            if hold(stream.fileno()):
                path.unlink()
                removed += 1
    return removed


def read_bytes(path: Path, what: str) -> bytes:
    """Read a file.

    Raises:
        StoreError: when it cannot be read; ``what`` names it in the message.
    """
    return read_file(path, what, error=StoreError, hint="")
