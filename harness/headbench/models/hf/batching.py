"""Which jobs run together: planned once for the whole run, so that a continued run repeats it.

Jobs are grouped by what their pass needs (kind, images, new tokens), sorted by length, and cut into
batches. Conditions of one prompt have one length and so stand side by side, padding nothing.
Conditions with probes stay beside the others, so that a condition and its baseline differ in
nothing but the edits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ROWS = {"cpu": 32, "cuda": 64}
TOKENS = {"cpu": 4096, "cuda": 16384}
"""Bounds of ``auto``: rows, and rows x padded length, by device kind.

On a CPU a batch of long prompts gains nothing over a small one and costs memory; many short rows
share the cost of walking through the model.
"""


@dataclass(frozen=True)
class Need:
    """What decides a job's batch.

    Attributes:
        group: Kind, images, new tokens: equal within a batch.
        length: Prompt and new tokens.
        order: Ties go by document, step, index, condition: never by the order of arguments.
    """

    group: tuple[str, ...]
    length: int
    order: tuple[str, ...]


def plan(needs: Sequence[Need], size: int | None, device: str) -> list[tuple[int, ...]]:
    """Cut jobs into batches, long ones first: memory that suffices once suffices always.

    Args:
        needs: One a job.
        size: Rows a batch, or ``None``: as many as the bounds of the device allow.
        device: Device kind.

    Returns:
        Indices into ``needs``; each exactly once.
    """
    order = sorted(range(len(needs)), key=lambda i: _place(needs[i]))
    batches: list[list[int]] = []
    for index in order:
        need = needs[index]
        if batches and _fits(needs[batches[-1][0]], need, len(batches[-1]), size, device):
            batches[-1].append(index)
        else:
            batches.append([index])
    return [tuple(batch) for batch in batches]


def _place(need: Need) -> tuple[object, ...]:
    return (need.group, -need.length, need.order)


def _fits(head: Need, need: Need, rows: int, size: int | None, device: str) -> bool:
    """Whether a job may join a batch whose longest row is ``head``."""
    if head.group != need.group:
        return False
    if size is not None:
        return rows < size
    limit = min(ROWS.get(device, 32), TOKENS.get(device, 4096) // max(1, head.length))
    return rows < limit
