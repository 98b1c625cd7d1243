"""Vectors that a user gives to a method, read from safetensors and named by their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from headbench._json import strict_json
from headbench._reading import read_file
from headbench.edits import Edit, Offset
from headbench.errors import DataError, nearest
from headbench.interventions.method import BoundMethod
from headbench.interventions.method_catalogue import MethodParams
from headbench.nouns import HeadTable, Phase, Rows, Site

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class VectorFile:
    """One tensor of a safetensors file.

    Attributes:
        path: The file.
        tensor: Name of the tensor.
        digest: First 16 digits of the file's SHA-256.
    """

    path: str
    tensor: str
    digest: str

    @property
    def source(self) -> str:
        """How results name it."""
        return f"{Path(self.path).name}:{self.tensor}@{self.digest}"

    def read(self) -> Tensor:
        """The tensor, float32."""
        return _read(self)


class GivenVectors(MethodParams):
    """Parameters of a method that adds given vectors; it says which tensor and how strongly."""

    file: str
    """A safetensors file."""
    tensor: str
    """Name of the tensor."""
    strength: float
    """Factor of the vectors; 0 changes nothing."""
    phase: Phase = "both"
    """Positions that are edited: the prompt, what follows, both, or from the
    last prompt token on (``from_last``)."""
    rows: Rows = "all"
    """Query rows; ``last`` is the last prompt row and every generated one."""


@dataclass(frozen=True)
class VectorMethod(BoundMethod):
    """A method that adds given vectors somewhere.

    Attributes:
        vectors: Where they come from.
    """

    params: GivenVectors
    vectors: VectorFile

    @property
    def needs(self) -> frozenset[str]:
        """The vectors."""
        return frozenset({"artefact"})

    @property
    def idle(self) -> bool:
        """Strength 0."""
        return self.params.strength == 0.0

    @property
    def artefacts(self) -> Mapping[str, str]:
        """The file's digest."""
        return {"vectors": self.vectors.source}

    def added(self, site: Site, vector: Tensor, where: HeadTable) -> tuple[Edit, ...]:
        """One offset by ``strength`` times a stack of vectors, ``[layer, ...]``."""
        op = Offset(self.params.strength * vector)
        return (Edit(site, op, where, self.params.phase, self.params.rows),)


def locate(path: str, tensor: str) -> VectorFile:
    """Check that a file is there and names the tensor, and take its digest.

    Raises:
        DataError: The file cannot be read, is no safetensors file, or has no such tensor.
    """
    content = _content(path)
    names = tensor_names(content, path)
    if tensor not in names:
        raise DataError(
            f"the file holds no tensor {tensor!r}", where=path, hint=nearest(tensor, names)
        )
    return VectorFile(path, tensor, _digest(content))


def tensor_names(content: bytes, where: str) -> tuple[str, ...]:
    """The names in the header of a safetensors file; no tensor is read.

    Args:
        content: The file: eight bytes of length, that many of JSON, then the tensors.
        where: For errors.

    Raises:
        DataError: There is no such header.
    """
    length = int.from_bytes(content[:8], "little")
    try:
        if len(content) < 8 or length > len(content) - 8:
            raise ValueError("its header is longer than the file")
        header = strict_json(content[8 : 8 + length].decode())
        if not isinstance(header, dict):
            raise ValueError("its header is no JSON object")
    except ValueError as error:
        raise DataError(f"not a safetensors file: {error}", where=where) from error
    return tuple(name for name in header if name != "__metadata__")


def _content(path: str) -> bytes:
    return read_file(path, "the vectors", hint="give file=PATH")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


@cache
def _read(file: VectorFile) -> Tensor:
    from safetensors import SafetensorError, safe_open

    if _digest(_content(file.path)) != file.digest:
        raise DataError(
            "the vectors were changed after the run was planned",
            where=file.path,
            hint="run again; leave the file alone until it is done",
        )
    try:
        with safe_open(file.path, framework="pt") as content:
            found: Tensor = content.get_tensor(file.tensor).float()
    except SafetensorError as error:
        raise DataError(f"not a safetensors file: {error}", where=file.path) from None
    if not bool(found.isfinite().all()):
        raise DataError("the vectors hold values that are not finite", where=file.path)
    return found
