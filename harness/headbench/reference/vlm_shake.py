"""Heads turned up at random while a model trains, so that a louder head is nothing new to it.

A model that has only ever heard its heads at one volume breaks in many small ways when any of them
is turned up: objects are passed over, whichever heads they are. That damage hides what turning up
*these* heads does. Rows in which heads are turned up ask for the same answers as others, so nothing
is taught about what a louder head should change.
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

OTHERS_SHARE, OTHERS_MOST = 0.3, 0.6
"""Share of rows in which half of the other heads are turned up, and by how much at most."""
LOOKING_SHARE, LOOKING_MOST = 0.05, 0.5
"""Share of rows in which all looking heads are turned up, and by how much at most."""
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
        looking = self._looking[:, None, :]
        louder_others = half & ~looking & (kind < OTHERS_SHARE)[None, :, None]
        wanted = (kind >= OTHERS_SHARE) & (kind < OTHERS_SHARE + LOOKING_SHARE)
        louder_looking = looking & wanted[None, :, None]
        factors = torch.where(louder_others, 1 + by[None, :, None] * OTHERS_MOST, unchanged)
        return torch.where(louder_looking, 1 + by[None, :, None] * LOOKING_MOST, factors)


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
