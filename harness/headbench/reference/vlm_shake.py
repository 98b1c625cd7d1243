"""Heads turned up at random while a model trains, so that a louder head is nothing new to it.

A model that has only ever heard its heads at one volume breaks in many small ways when any of them
is turned up: objects are passed over, whichever heads they are. That damage hides what turning up
*looking* heads does. Rows in which heads are turned up ask for the same answers as others. Looking
heads themselves are left alone: turning them up in training teaches a model not to heed their
volume, and takes away what is to be shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from headbench.reference.lm_model import HEAD_DIM, HEADS, LAYERS

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration

SHARE, MOST = 0.3, 0.6
"""Share of rows in which half of the heads that do not look are turned up, and by how much."""
FEWEST_ROWS = 4
"""Smaller batches hold needles alone, which are left as they are."""


class Shaking:
    """Factors of one training step, a pure function of (seed, step).

    Args:
        looking: The looking heads, ``(layer, head)``.
        seed: Of the training run.
        step: Of the training run.
    """

    def __init__(self, looking: Sequence[tuple[int, int]], seed: int, step: int) -> None:
        self._looking = torch.zeros(LAYERS, HEADS, dtype=torch.bool)
        for layer, head in looking:
            self._looking[layer, head] = True
        self._generator = torch.Generator().manual_seed(seed * 1_000_003 + step)

    def factors(self, rows: int) -> Tensor:
        """What each head's output is multiplied by, ``[layer, row, head]``; all 1 for few rows."""
        unchanged = torch.ones(LAYERS, rows, HEADS)
        if rows < FEWEST_ROWS:
            return unchanged
        kind, by = torch.rand(2, rows, generator=self._generator)
        half = torch.rand(LAYERS, rows, HEADS, generator=self._generator) < 0.5
        louder = half & ~self._looking[:, None, :] & (kind < SHARE)[None, :, None]
        return torch.where(louder, 1 + by[None, :, None] * MOST, unchanged)


@contextmanager
def shaken(model: LlavaForConditionalGeneration, shaking: Shaking | None) -> Iterator[None]:
    """Multiply head outputs by a step's factors; ``None`` changes nothing.

    Args:
        model: The model.
        shaking: Draws the factors, anew for every pass.
    """
    if shaking is None:
        yield
        return
    body = model.model.language_model
    now: dict[str, Tensor] = {}

    def draw(_: Any, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        given_as = (*args, given.get("inputs_embeds"), given.get("input_ids"))
        entered = next(tensor for tensor in given_as if isinstance(tensor, Tensor))
        now["factors"] = shaking.factors(len(entered))

    def scaled(layer: int) -> Any:
        def hook(_: Any, args: tuple[Tensor, ...]) -> tuple[Tensor]:
            z = args[0].unflatten(-1, (HEADS, HEAD_DIM))
            return ((z * now["factors"][layer][:, None, :, None]).flatten(-2),)

        return hook

    handles = [body.register_forward_pre_hook(draw, with_kwargs=True)]
    handles += [
        layer.self_attn.o_proj.register_forward_pre_hook(scaled(index))
        for index, layer in enumerate(body.layers)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
