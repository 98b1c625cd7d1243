"""Jobs of a batch by halves where the device's memory does not hold them together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from headbench.errors import HeadbenchError
from headbench.jobs import Job

Found = TypeVar("Found")


def by_halves(
    jobs: Sequence[Job], attempt: Callable[[Sequence[Job]], Sequence[Found]], name: str = ""
) -> Iterator[tuple[int, Found, str]]:
    """What ``attempt`` gives for each job, tried together and then by halves.

    Args:
        jobs: A batch.
        attempt: Jobs -> one thing for each; it may run out of memory.
        name: Name of the batch.

    Yields:
        Number of the job, what was found, and the name of the part that it was found in: ``.0``
        and ``.1`` for each halving.

    Raises:
        HeadbenchError: Memory does not hold a single job.
    """
    yield from _by_halves(jobs, tuple(range(len(jobs))), attempt, name)


def _by_halves(
    jobs: Sequence[Job],
    numbers: tuple[int, ...],
    attempt: Callable[[Sequence[Job]], Sequence[Found]],
    name: str,
) -> Iterator[tuple[int, Found, str]]:
    found: Sequence[Found] | None = None
    try:
        found = attempt([jobs[number] for number in numbers])
    except torch.OutOfMemoryError as error:
        if len(numbers) == 1:
            raise HeadbenchError(
                "the device's memory does not hold one row",
                where=f"document {jobs[numbers[0]].request.document!r}",
                hint="use a smaller dtype, shorter prompts, or another device",
            ) from error
    if found is None:
        # Only now: within the block the traceback keeps the failed pass's tensors alive.
        middle = len(numbers) // 2
        yield from _by_halves(jobs, numbers[:middle], attempt, f"{name}.0")
        yield from _by_halves(jobs, numbers[middle:], attempt, f"{name}.1")
        return
    for number, one in zip(numbers, found, strict=True):
        yield number, one, name
