"""The answers of all runs under one output folder: an append-only file of JSON lines.

    {"format":"headbench-store","headbench":"0.1.0","version":2}
    {"sha256":"<64 hexadecimal digits>","key":"<64>","batch":"<16>","answer":{...}}
    {"sha256":"<64>","commit":"<16>","answers":"<64>"}

An answer is handed to the operating system as soon as it comes, and its batch is committed and
synced to the disk when it is whole. Only committed answers are served: a row's last bits depend on
the rows beside it, so the rest of a batch that was cut short could not be continued correctly.
The first committed answer of a key stands, because result files already show it: another is
written only where that one is found damaged or of no use. So of two committed answers of a key, the
later counts.

Captures of ``represent`` requests lie in a file of their own, one safetensors blob after another;
an answer names the bytes and their digest.

Nothing is believed unread. Each line begins with the digest of its own rest, and a commit names the
digest of its answers' digests. A damaged line is left out and reported, a batch that has lost an
answer is left out whole, and what is left out is asked again. A torn last line, which a kill leaves
behind, is dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Self

from headbench.errors import StoreError
from headbench.results.answers import decode, encode, pack_arrays
from headbench.results.canonical import dumps, dumps_plain
from headbench.results.disk import hold, make_folder, told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from headbench.nouns import Answer

FORMAT = "headbench-store"
VERSION = 2
FILE = "responses.jsonl"
ARRAYS_FILE = "captures.bin"
BATCH_DIGITS = 16
_START = b'{"sha256":"%s",'
_BODY = len(_START % (b"0" * 64))
"""Where the part of a line begins that its digest is taken of."""
_LINE = re.compile(
    rb'\{"sha256":"(?P<sha256>[0-9a-f]{64})",'
    rb'(?:"key":"(?P<key>[0-9a-f]{64})","batch":"(?P<batch>[0-9a-f]{16})","answer":'
    rb'|"commit":"(?P<commit>[0-9a-f]{16})","answers":"(?P<answers>[0-9a-f]{64})"\}$)'
)
_LONGEST_HEADER = 4096  # a foreign file may be one endless line
_NAMED = 8
"""Damaged lines that are named in a message; more are counted."""


class Place(NamedTuple):
    """Where an answer lies: start and length of its line in bytes, and the line's digest."""

    start: int
    length: int
    sha256: bytes


class ResponseStore:
    """Key -> answer, on disk.

    Only positions are held in memory; an answer is read when it is asked for. One process at a
    time may write a store.

    Args:
        folder: Folder of the store, made if absent.

    Raises:
        StoreError: when the folder cannot be written, another run holds it, or the file is of
            another version or no store.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.arrays_path = folder / ARRAYS_FILE
        self._arrays: BinaryIO | None = None
        self._places: dict[str, Place] = {}
        self._open: dict[str, dict[str, Place]] = {}
        self._damaged: list[str] = []
        self._unwhole = 0
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

    @property
    def damage(self) -> tuple[str, ...]:
        """What was found damaged so far, in sentences for the user; empty for a sound store."""
        said = []
        if self._damaged:
            named = ", ".join(self._damaged[:_NAMED])
            more = len(self._damaged) - _NAMED
            rest = f" and {more} more" if more > 0 else ""
            said.append(
                f"damaged lines in {self.path}: {named}{rest}; they are not used, and what they "
                "held is asked again where it is needed"
            )
        if self._unwhole:
            said.append(
                f"{self._unwhole} batches in {self.path} have lost an answer or do not match their "
                "commit; they are not used, and are asked again as a whole where they are needed"
            )
        return tuple(said)

    def get(self, key: str) -> Answer | None:
        """The stored answer, or ``None``: it is not there, or what is there is damaged."""
        place = self._places.get(key)
        if place is None:
            return None
        with told("cannot read the store", self.path):
            self._file.seek(place.start)
            line = self._file.read(place.length)
        answer = _answer(line, key, place.sha256, self._read_arrays)
        if answer is None:  # damaged after this process had opened the file
            del self._places[key]
            self._damaged.append(f"byte {place.start}")
        return answer

    def put(self, batch: str, key: str, answer: Answer, *, arrays: bool = False) -> Answer:
        """Append one answer and hand it to the operating system.

        Args:
            batch: Name of the batch, 16 hexadecimal digits; :meth:`commit` closes it.
            key: Response key.
            answer: What the model returned.
            arrays: Keep the captures (``represent``).

        Returns:
            The answer as :meth:`get` will give it: the same order of its mappings, the same types,
            without captures that are not kept. A run that uses this one sees what a repeated run
            will see. Where a committed answer of this key can be served, it is that one, and
            nothing is written.

        Raises:
            StoreError: when the disk is full, or the answer holds a NaN. Lines written before
                stay readable.
        """
        stands = self.get(key)
        if stands is not None:
            return stands
        placed = self._put_arrays(pack_arrays(answer.arrays)) if arrays and answer.arrays else None
        text = dumps_plain(encode(answer, placed))
        line, sha256 = _line(f'"key":"{key}","batch":"{batch}","answer":{text}}}')
        start = self._append(line)
        self._open.setdefault(batch, {})[key] = Place(start, len(line), sha256)
        return decode(json.loads(text), self._read_arrays)

    def withdraw(self, key: str) -> None:
        """Serve an answer no more, so that a new one can take its place.

        For answers that are sound and of no use all the same: a rewritten request whose images are
        gone. Nothing is written; if no new answer is committed, a later run finds this one again.
        """
        self._places.pop(key, None)

    def commit(self, batch: str) -> None:
        """Make a whole batch count, and force it to the disk.

        Raises:
            StoreError: when the disk is full; the batch then does not count.
        """
        answers = self._open.get(batch, {})
        if self._arrays is not None:  # before the commit that counts on them
            with told("cannot write the captures", self.arrays_path):
                os.fsync(self._arrays.fileno())
        self._append(_line(f'"commit":"{batch}","answers":"{_digest_of(answers)}"}}')[0])
        with told("cannot write the store", self.path):
            os.fsync(self._file.fileno())
        self._places |= self._open.pop(batch, {})

    def close(self) -> None:
        """Release the files."""
        self._file.close()
        if self._arrays is not None:
            self._arrays.close()
            self._arrays = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -------------------------------------------------------------- inside

    def _captures(self) -> BinaryIO:
        if self._arrays is None:
            with told("cannot open the captures", self.arrays_path):
                self._arrays = self.arrays_path.open("a+b", buffering=0)
        return self._arrays

    def _put_arrays(self, packed: bytes) -> dict[str, object]:
        """Append the blob of one answer; one that a kill left behind half is never named."""
        file = self._captures()
        with told("cannot write the captures", self.arrays_path):
            start = file.seek(0, os.SEEK_END)
            rest = memoryview(packed)
            while rest:
                rest = rest[file.write(rest) :]
        sha256 = hashlib.sha256(packed).hexdigest()
        return {"start": start, "length": len(packed), "sha256": sha256}

    def _read_arrays(self, place: Mapping[str, Any]) -> bytes:
        """The blob of one answer.

        Raises:
            StoreError: it cannot be read, or is not what was written.
        """
        what = "cannot read the captures"
        with told(what, self.arrays_path), self.arrays_path.open("rb") as file:
            file.seek(place["start"])
            packed = file.read(place["length"])
        if hashlib.sha256(packed).hexdigest() != place["sha256"]:
            raise StoreError(
                "the captures of an answer are not those that were written",
                where=f"{self.arrays_path}, byte {place['start']}",
                hint="move the store away, and run the same command again",
            )
        return packed

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
        if not hold(self._file.fileno()):
            raise StoreError(
                "another run is writing this store",
                where=str(self.path),
                hint="wait for it, or give this run its own --out",
            )

    def _index(self) -> int:
        """Read the places of all sound answers, drop a torn tail, and return the file's end."""
        with told("cannot read the store", self.path), self.path.open("rb") as stream:
            header = stream.readline(_LONGEST_HEADER)
            if not header.endswith(b"\n"):
                return self._begin(header)
            _check_header(header, self.path)
            position = len(header)
            for number, line in enumerate(stream, start=2):
                if not line.endswith(b"\n"):
                    os.truncate(self.path, position)
                    break
                self._note(line, position, number)
                position += len(line)
        return position

    def _note(self, line: bytes, position: int, number: int) -> None:
        """Remember an answer's place, or count the batch that a commit closes."""
        read = _read(line)
        if read is None:
            self._damaged.append(f"line {number}")
        elif read["key"]:
            place = Place(position, len(line), read["sha256"])
            self._open.setdefault(read["batch"].decode(), {})[read["key"].decode()] = place
        else:
            answers = self._open.pop(read["commit"].decode(), {})
            if _digest_of(answers) == read["answers"].decode():
                # A later answer was asked for because the earlier one was unusable.
                self._places |= answers
            else:
                self._unwhole += 1

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


def _line(body: str) -> tuple[bytes, bytes]:
    """A line of the file around its body, and the body's digest."""
    content = body.encode()
    sha256 = hashlib.sha256(content).hexdigest().encode()
    return b"".join((_START % sha256, content, b"\n")), sha256


def _digest_of(answers: dict[str, Place]) -> str:
    """What a commit says of the answers that it closes, whatever their order."""
    return hashlib.sha256(b"".join(sorted(place.sha256 for place in answers.values()))).hexdigest()


def _read(line: bytes) -> re.Match[bytes] | None:
    """The head of a line by its parts; ``None`` for a line that is not what was written."""
    head = _LINE.match(line)
    sound = head and hashlib.sha256(line[_BODY:-1]).hexdigest().encode() == head["sha256"]
    return head if sound and line.endswith(b"\n") else None


def _answer(
    line: bytes, key: str, sha256: bytes, read_arrays: Callable[[Mapping[str, Any]], bytes]
) -> Answer | None:
    """The answer of a line; ``None`` where it or its arrays are not what was written."""
    read = _read(line)
    if read is None or (read["key"], read["sha256"]) != (key.encode(), sha256):
        return None
    try:
        document = json.loads(line)["answer"]
        if isinstance(document.get("arrays"), dict):
            read_arrays(document["arrays"])
        return decode(document, read_arrays)
    except (StoreError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
        return None


def _check_header(line: bytes, path: Path) -> None:
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise StoreError(
            "this file is not a headbench store, or its first line is damaged",
            where=str(path),
            hint="move it away, or choose another folder with --out",
        )
    if header.get("version") != VERSION:
        raise StoreError(
            f"the store has version {header.get('version')}; this headbench reads {VERSION}",
            where=str(path),
            hint="move it away or choose another folder with --out: its answers are then asked "
            f"again; or use the headbench that wrote it ({header.get('headbench', 'unknown')})",
        )
