"""The answers of all runs under one output folder: an append-only file of JSON lines.

    {"format":"headbench-store","headbench":"0.1.0","version":1}
    {"key":"<64 hexadecimal digits>","batch":"<16>","answer":{...}}
    {"commit":"<16>"}

An answer is handed to the operating system as soon as it comes, and its batch is committed and
synced to the disk when it is whole. Only committed answers are served: a row's last bits depend on
the rows beside it, so the rest of a batch that was cut short could not be continued truthfully. A
torn last line is dropped when the file is opened. The last committed answer of a key wins.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, BinaryIO, Self

from headbench.errors import StoreError
from headbench.results.answers import decode, encode
from headbench.results.canonical import dumps, dumps_plain
from headbench.results.disk import make_folder, told

if TYPE_CHECKING:
    from pathlib import Path

    from headbench.types import Answer

FORMAT = "headbench-store"
VERSION = 1
FILE = "responses.jsonl"
_KEY = b'{"key":"'
_BATCH = b'","batch":"'
_COMMIT = b'{"commit":"'
_KEY_DIGITS, BATCH_DIGITS = 64, 16
_LONGEST_HEADER = 4096  # a foreign file may be one endless line


Place = tuple[int, int]
"""Start and length of a line, in bytes."""


class ResponseStore:
    """Key -> answer, on disk.

    Only positions are held in memory; an answer is read when it is asked for. One process at a
    time may write a store.

    Args:
        folder: Folder of the store, made if absent.

    Raises:
        StoreError: when the folder cannot be written, another run holds it, the file is of
            another version, or a line other than the last is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._places: dict[str, Place] = {}
        self._open: dict[str, dict[str, Place]] = {}
        make_folder(folder)
        with told("cannot open the store", self.path):
            # Unbuffered: nothing may wait in this process when it is killed or the disk is full.
            self._file = self.path.open("a+b", buffering=0)
        try:
            self._lock()
            self._end = self._index()
        except BaseException:
            self._file.close()
            raise

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: str) -> Answer | None:
        """The stored answer, or ``None``."""
        place = self._places.get(key)
        if place is None:
            return None
        start, length = place
        with told("cannot read the store", self.path):
            self._file.seek(start)
            line = self._file.read(length)
        return decode(json.loads(line)["answer"])

    def put(self, batch: str, key: str, answer: Answer, *, arrays: bool = False) -> None:
        """Append one answer and hand it to the operating system.

        Args:
            batch: Name of the batch, 16 hexadecimal digits; :meth:`commit` closes it.
            key: Response key.
            answer: What the model returned.
            arrays: Keep the captures (``represent``).

        Raises:
            StoreError: when the disk is full, or the answer holds a NaN. Lines written before
                stay readable.
        """
        body = dumps_plain(encode(answer, arrays=arrays))
        line = b"".join(
            (_KEY, key.encode(), _BATCH, batch.encode(), f'","answer":{body}}}\n'.encode())
        )
        start = self._append(line)
        self._open.setdefault(batch, {})[key] = (start, len(line))

    def commit(self, batch: str) -> None:
        """Make a whole batch count, and force it to the disk.

        Raises:
            StoreError: when the disk is full; the batch then does not count.
        """
        self._append(_COMMIT + batch.encode() + b'"}\n')
        with told("cannot write the store", self.path):
            os.fsync(self._file.fileno())
        self._places.update(self._open.pop(batch, {}))

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -------------------------------------------------------------- inside

    def _append(self, line: bytes) -> int:
        """Write a line, all of it or nothing, and return where it starts."""
        start = self._end
        with told("cannot write the store", self.path):
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError:
                os.truncate(self.path, start)  # a full disk took half of the line
                raise
        self._end += len(line)
        return start

    def _lock(self) -> None:
        """Hold the file alone; the system releases it when the process ends, however it ends."""
        try:
            import fcntl
        except ImportError:  # not on Windows: there a second writer is the user's to avoid
            return
        try:
            fcntl.flock(self._file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(
                "another run is writing this store",
                where=str(self.path),
                mend="wait for it, or give this run its own --out",
            ) from error

    def _index(self) -> int:
        """Read the places of all answers, drop a torn tail, and return the file's end."""
        with told("cannot read the store", self.path), self.path.open("rb") as stream:
            header = stream.readline(_LONGEST_HEADER)
            if not header.endswith(b"\n"):
                return self._begin(header)
            _check_header(header, self.path)
            position = len(header)
            for number, line in enumerate(stream, start=2):
                if not _is_whole(line):
                    self._refuse_if_any_whole(stream, number)
                    os.truncate(self.path, position)
                    break
                self._note(line, position)
                position += len(line)
        return position

    def _note(self, line: bytes, position: int) -> None:
        """Remember an answer's place, or count the batch that a commit closes."""
        if line.startswith(_COMMIT):
            batch = line[len(_COMMIT) : len(_COMMIT) + BATCH_DIGITS].decode()
            self._places.update(self._open.pop(batch, {}))
            return
        key = line[len(_KEY) : len(_KEY) + _KEY_DIGITS].decode()
        after = len(_KEY) + _KEY_DIGITS + len(_BATCH)
        batch = line[after : after + BATCH_DIGITS].decode()
        self._open.setdefault(batch, {})[key] = (position, len(line))

    def _begin(self, torn: bytes) -> int:
        """Write the header of a new file, or of one that was killed within its header."""
        from headbench._version import __version__

        header = dumps({"format": FORMAT, "headbench": __version__, "version": VERSION}).encode()
        if not header.startswith(torn):
            _check_header(torn, self.path)
        os.truncate(self.path, 0)
        line = header + b"\n"
        self._file.write(line)
        return len(line)

    def _refuse_if_any_whole(self, rest: BinaryIO, number: int) -> None:
        if any(_is_whole(line) for line in rest):
            raise StoreError(
                f"line {number} of the store is damaged, and whole lines follow it",
                where=str(self.path),
                mend="delete that line, or move the file away to start afresh",
            )


def _is_whole(line: bytes) -> bool:
    if line.startswith(_COMMIT):
        return len(line) == len(_COMMIT) + BATCH_DIGITS + 3 and line.endswith(b'"}\n')
    return line.startswith(_KEY) and line.endswith(b"}}\n")


def _check_header(line: bytes, path: Path) -> None:
    try:
        header = json.loads(line)
    except ValueError:
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise StoreError(
            "this file is not a headbench store",
            where=str(path),
            mend="move it away, or choose another folder with --out",
        )
    if header.get("version") != VERSION:
        raise StoreError(
            f"the store has version {header.get('version')}; this headbench reads {VERSION}",
            where=str(path),
            mend="choose another folder with --out, or use the headbench that wrote it "
            f"({header.get('headbench', 'unknown')})",
        )
