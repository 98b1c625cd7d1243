"""Arrays in record parts: kept as safetensors beside the records, never as numbers in their lines.

A scorer may give a part as a numpy array, such as the features of a document. All records of a
cell that have such a part give it the same shape and precision, so the arrays are stacked to one
tensor per part, ``[record, ...]``, and a line of the records file says ``{"@array": 17}``: row 17
of the tensor that is called like the part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from headbench.errors import RefusedError, StoreError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headbench.nouns import Record

MOST_BYTES = 64 * 2**20
"""Most bytes of arrays in one result: 1,854 stimuli with 18,000 numbers each, in half precision."""
MARK = "@array"
"""The one key of a reference; no part of a scorer may use it."""
PRECISIONS = ("float16", "float32")
"""What an array may hold; half precision is enough for features."""

Tensors = Mapping[str, "NDArray[np.floating]"]
"""Part -> ``[record, ...]``."""


def take_out(records: Sequence[Record]) -> tuple[list[Record], Tensors]:
    """Records with references where they held arrays, and the arrays by part.

    Raises:
        StoreError: An array cannot be kept: its precision or shape is not that of the others, or
            it holds a number that is not finite; or a part has the key of a reference.
        RefusedError: The arrays are larger than a result may hold.
    """
    rows: dict[str, list[NDArray[np.floating]]] = {}
    bare = []
    size = 0
    for record in records:
        parts: dict[str, object] = {}
        for name, value in record.parts.items():
            if isinstance(value, np.ndarray):
                stacked = rows.setdefault(name, [])
                _check(value, stacked, _where(record, name))
                parts[name] = {MARK: len(stacked)}
                stacked.append(value)
                size += value.nbytes
            elif type(value) is dict and MARK in value:
                raise StoreError(
                    f"the key {MARK!r} is kept for references to arrays",
                    where=_where(record, name),
                    hint="let the scorer use another key",
                )
        # Most records hold no array, and stay as they are.
        bare.append(replace(record, parts={**record.parts, **parts}) if parts else record)
    _refuse_size(size, f"parts {', '.join(rows)} of {len(records)} records")
    return bare, {name: np.stack(stacked) for name, stacked in rows.items()}


def put_back(records: Sequence[Record], tensors: Tensors, where: str = "") -> list[Record]:
    """Records with their arrays in place of the references; the arrays are read-only.

    Args:
        records: As they were read.
        tensors: As :func:`unpack` gives them.
        where: File of the arrays, for errors.

    Raises:
        StoreError: A reference names no row of a tensor, or a row is named by none.
    """
    named: defaultdict[str, set[object]] = defaultdict(set)
    full = []
    for record in records:
        parts = dict(record.parts)
        for name, value in record.parts.items():
            if type(value) is dict and MARK in value:
                parts[name] = _row(value[MARK], tensors.get(name), f"{where}: part {name!r}")
                named[name].add(value[MARK])
        full.append(replace(record, parts=parts))
    for name, tensor in tensors.items():
        if len(named[name]) != len(tensor):
            raise StoreError(
                f"{len(tensor)} arrays are stored for the part {name!r}, and records refer to "
                f"{len(named[name])} of them",
                where=where,
                hint="restore the files, or run the cell again",
            )
    return full


def pack(tensors: Tensors) -> bytes:
    """The bytes of a safetensors file; the same arrays give the same bytes."""
    from safetensors.numpy import save

    return bytes(save({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}))


def unpack(packed: bytes, where: str = "") -> Tensors:
    """What :func:`pack` wrote, read-only.

    Raises:
        StoreError: The bytes are no safetensors file of such arrays, or are too many.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    _refuse_size(len(packed) - 2**20, where)  # the header is not counted
    try:
        tensors: dict[str, NDArray[np.floating]] = load(packed)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"the arrays are damaged: {error}", where=where) from error
    for name, tensor in tensors.items():
        if tensor.dtype.name not in PRECISIONS or tensor.ndim < 2:
            raise StoreError(
                f"the tensor {name!r} is {tensor.dtype}[{tensor.ndim} dimensions], not one array "
                "of numbers per record",
                where=where,
            )
        tensor.flags.writeable = False
    return tensors


def _where(record: Record, name: str) -> str:
    return f"document {record.document}, part {name!r}"


def _row(row: object, tensor: NDArray[np.floating] | None, where: str) -> NDArray[np.floating]:
    if tensor is None or type(row) is not int or not 0 <= row < len(tensor):
        raise StoreError(
            f"a record refers to array {row!r}, which is not there",
            where=where,
            hint="restore the files, or run the cell again",
        )
    return np.asarray(tensor[row])


def _check(value: NDArray[np.generic], others: Sequence[NDArray[np.floating]], where: str) -> None:
    if value.dtype.name not in PRECISIONS or value.ndim < 1 or not value.size:
        raise StoreError(
            f"an array of {value.dtype} with the shape {list(value.shape)} cannot be stored",
            where=where,
            hint=f"give numbers as {' or '.join(PRECISIONS)}: array.astype('float16')",
        )
    if others and (value.shape, value.dtype) != (others[0].shape, others[0].dtype):
        raise StoreError(
            f"an array is {value.dtype}{list(value.shape)}, and those of other records are "
            f"{others[0].dtype}{list(others[0].shape)}",
            where=where,
            hint="let the scorer give every document an array of one shape and precision",
        )
    if not np.isfinite(value).all():
        raise StoreError(
            "an array holds a number that is not finite",
            where=where,
            hint="float16 ends at 65,504: scale the values, or keep them as float32",
        )


def _refuse_size(size: int, where: str) -> None:
    if size > MOST_BYTES:
        raise RefusedError(
            f"the arrays take {size / 2**20:,.1f} MiB; a result holds at most "
            f"{MOST_BYTES // 2**20} MiB",
            where=where,
            hint="keep fewer layers or heads, pool them, or store them as float16",
        )
