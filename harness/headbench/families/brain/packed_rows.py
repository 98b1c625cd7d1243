"""Rows of numbers as text, so that a document can carry what people gave for its stimulus."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from headbench.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


def pack(table: ArrayLike) -> str:
    """Numbers in single precision as base64 text."""
    import numpy as np

    return base64.b64encode(np.ascontiguousarray(table, dtype="<f4").tobytes()).decode("ascii")


def unpack(text: object, rows: int, where: str) -> NDArray[np.float32]:
    """What :func:`pack` made of a table: ``[row, column]``.

    Args:
        text: The packed numbers.
        rows: How many rows the table had.
        where: Names it in errors.

    Raises:
        DataError: It is no such text.
    """
    import numpy as np

    try:
        flat = np.frombuffer(base64.b64decode(str(text), validate=True), dtype="<f4")
        return flat.reshape(rows, -1).astype(np.float32)
    except (binascii.Error, ValueError) as error:
        raise DataError(
            f"packed numbers cannot be read: {error}",
            where=where,
            hint="let the source vector_table give the documents of this scorer",
        ) from error
