"""How many threads the numerical library uses while a model answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Run the block with a number of threads, and give the earlier number back.

    A product of matrices is cut up by rows among threads, so the last bits of a row depend on their
    number. A fixed number makes them the same wherever the processor is.

    Args:
        count: Threads; ``None`` leaves them as they are.
    """
    before = torch.get_num_threads()
    if count is None or count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
