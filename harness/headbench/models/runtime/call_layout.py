"""Rows that another library lays out and feeds; the runtime follows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CallLayout:
    """Where the prompts of a call stand, padded on whichever side its maker chose.

    Attributes:
        tokens: Ids of each row, without padding.
        padded: Padded length.
        right: Padding to the right of each row; empty where no row has any.
    """

    tokens: tuple[tuple[int, ...], ...]
    padded: int
    right: tuple[int, ...]

    @classmethod
    def of(cls, ids: Tensor, mask: Tensor | None) -> CallLayout:
        """Read the layout of a prompt off its ids and its mask ``[row, position]``.

        A mask of another form, as some models take, says nothing of padding.
        """
        length = ids.shape[1]
        if mask is None or mask.ndim != 2:
            mask = torch.ones_like(ids)
        visible = mask[:, :length].bool()
        rows = list(zip(ids.tolist(), visible.tolist(), strict=True))
        starts = [seen.index(True) if True in seen else 0 for _, seen in rows]
        ends = [start + sum(seen) for start, (_, seen) in zip(starts, rows, strict=True)]
        return cls(
            tuple(tuple(row[a:b]) for (row, _), a, b in zip(rows, starts, ends, strict=True)),
            length,
            tuple(length - end for end in ends) if min(ends) < length else (),
        )
