"""What the runtime asks of a model library: one forward pass, and three things about caches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from headbench.models.runtime.sequence import TokenSequence


class Backend(Protocol):
    """The model behind a runtime. ``models.hf.forward_pass`` is transformers'."""

    @property
    def name(self) -> str:
        """The model's class, for messages."""
        ...

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        ...

    @property
    def joins(self) -> bool:
        """Whether a prefill may be split by length and joined again without loss of speed.

        True of models whose caches hold plain keys and values only. For others a joined batch is
        right too.
        """
        ...

    @property
    def extends(self) -> bool:
        """Whether several tokens may follow a cache at once."""
        ...

    def new_cache(self) -> Any:
        """An empty cache."""
        ...

    def forward(
        self, rows: Sequence[TokenSequence], start: int, seen: int, cache: Any | None, keep: int
    ) -> Tensor:
        """Feed padded positions ``[start, seen)`` of all rows, which end together at ``seen``.

        Args:
            rows: The rows; row ``i`` stands at padded positions ``[seen - len(tokens), seen)``.
            start: First padded position to feed; pictures are fed at 0 only.
            seen: Padded length.
            cache: Holds positions before ``start``, and receives the new ones; or ``None``.
            keep: Positions at the end whose logits are wanted.

        Returns:
            Logits ``[row, keep, vocabulary]``, float32.
        """
        ...

    def take_rows(self, cache: Any, index: Sequence[int]) -> Any:
        """A new cache of the rows ``index``, which may repeat; the source stays usable."""
        ...

    def join_caches(self, caches: Sequence[Any], seen: Sequence[int]) -> Any:
        """One cache with the rows of all, ends aligned; the sources are given up.

        Args:
            caches: The parts.
            seen: Padded length of each.
        """
        ...
