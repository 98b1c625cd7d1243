"""Visual heads: how far each one's output moves without the image, and how to amplify them.

Formulas: He et al. 2024, arXiv 2412.13949 (VHD: Eq. 4; outlier rule: Eq. 6; VHR: Eq. 7 and
Algorithm 1). Plain hooks on one model, independent of the intervention engine, so that either
checks the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from training.vlm_v2.language_model import HEADS

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration

Half = Literal["top", "low", "random"]
"""Which half of each layer's heads: above the median of VHD, the rest, or as many at random."""


@dataclass
class Reinforcement:
    """Which heads are scaled, by how much, and how they are chosen.

    Attributes:
        factor: Multiplies the output of chosen heads, before o_proj, at every position.
        heads: Layer -> heads, the same for every row. ``None``: chosen per row, at the first call.
        half: With ``heads`` absent: which half per row.
        layers: With ``heads`` absent: the layers that are reinforced.
        text_only: With ``heads`` absent: z of the text-only prompt's last position,
            ``[layer][row, head, dim]``.
        seed: Draws random halves.
        chosen: What was chosen, layer -> ``[row, head]``; filled as the model runs.
    """

    factor: float
    heads: Mapping[int, tuple[int, ...]] | None = None
    half: Half = "top"
    layers: tuple[int, ...] = ()
    text_only: list[Tensor] | None = None
    seed: int = 0
    chosen: dict[int, Tensor] | None = None


def layers_of(model: LlavaForConditionalGeneration) -> Any:
    """The decoder's layers."""
    return model.model.language_model.layers


def divergence(seen: Tensor, text_only: Tensor) -> Tensor:
    """Vision-aware head divergence of one layer, outliers set to zero.

    Args:
        seen: z with the image, ``[row, head, dim]``.
        text_only: z of the same text without it.

    Returns:
        ``[row, head]``: Euclidean distance. A head whose distance *and* whose squared norm without
        the image both exceed their layer's mean by one (population) standard deviation is zeroed:
        it woke up because the image vanished.
    """
    distance = (seen - text_only).norm(dim=-1)
    awake = text_only.square().sum(-1)
    kept: Tensor = distance.masked_fill(_outlying(distance) & _outlying(awake), 0.0)
    return kept


def _outlying(values: Tensor) -> Tensor:
    spread = values.std(-1, correction=0, keepdim=True)
    return values > values.mean(-1, keepdim=True) + spread


def choose_half(scores: Tensor, half: Half, generator: torch.Generator) -> Tensor:
    """Half of the heads of each row, as booleans ``[row, head]``.

    ``top`` is strictly above the median (the mean of the middle two): half of the heads where there
    are no ties. The other halves are as many heads as that.
    """
    top = scores > scores.quantile(0.5, dim=-1, keepdim=True)
    if half == "top":
        return top
    keys = scores if half == "low" else torch.rand(scores.shape, generator=generator)
    rank = keys.argsort(-1).argsort(-1)
    return rank < top.sum(-1, keepdim=True)


@contextmanager
def reinforced(
    model: LlavaForConditionalGeneration, how: Reinforcement | None
) -> Iterator[Reinforcement | None]:
    """Scale heads while the context is open; ``None`` leaves the model alone.

    Per-row choices are made at the first forward call, layer by layer, so that a layer's scores are
    taken on the stream that earlier layers already reinforced; later calls reuse them.
    """
    handles = []
    if how is not None:
        how.chosen = {}
        layers = sorted(how.heads) if how.heads is not None else how.layers
        for layer in layers:
            hook = partial(_scale, how=how, layer=layer, generator=_generator(how.seed, layer))
            handles.append(layers_of(model)[layer].self_attn.o_proj.register_forward_pre_hook(hook))
    try:
        yield how
    finally:
        for handle in handles:
            handle.remove()


def _generator(seed: int, layer: int) -> torch.Generator:
    return torch.Generator().manual_seed(1000 * seed + layer)


def _scale(
    _module: Any,
    given: tuple[Tensor],
    *,
    how: Reinforcement,
    layer: int,
    generator: torch.Generator,
) -> tuple[Tensor]:
    heads = _heads(how, layer, given[0], generator)
    factors = torch.where(heads, how.factor, 1.0)[:, None, :, None]
    z = given[0].unflatten(-1, (heads.size(-1), -1))
    return ((z * factors).flatten(-2),)


def _heads(how: Reinforcement, layer: int, given: Tensor, generator: torch.Generator) -> Tensor:
    """Booleans ``[row, head]`` (one row where the choice is the same for all)."""
    chosen = how.chosen if how.chosen is not None else {}
    if layer not in chosen:
        if how.heads is not None:
            mask = torch.zeros(1, HEADS, dtype=torch.bool)
            mask[0, list(how.heads[layer])] = True
            chosen[layer] = mask
        else:
            if how.text_only is None:
                raise ValueError("choosing heads per row needs the text-only outputs")
            text_only = how.text_only[layer]
            seen = given[:, -1].unflatten(-1, text_only.shape[1:])
            chosen[layer] = choose_half(divergence(seen, text_only), how.half, generator)
    return chosen[layer]


@contextmanager
def watched(model: LlavaForConditionalGeneration) -> Iterator[list[Tensor]]:
    """Collect z of every layer: ``[layer][row, position, head, dim]``, of the latest call."""
    kept: list[Tensor] = [torch.empty(0)] * len(layers_of(model))

    def keep(_module: Any, given: tuple[Tensor], layer: int) -> None:
        kept[layer] = given[0].detach().unflatten(-1, (HEADS, -1))

    handles = [
        block.self_attn.o_proj.register_forward_pre_hook(partial(keep, layer=index))
        for index, block in enumerate(layers_of(model))
    ]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def halves(scores: Tensor, half: Half, seed: int = 0) -> dict[int, tuple[int, ...]]:
    """Half of the heads of every layer by a head map ``[layer, head]``."""
    generator = _generator(seed, 0)
    mask = choose_half(scores, half, generator)
    return {
        layer: tuple(int(head) for head in row.nonzero().flatten())
        for layer, row in enumerate(mask)
    }
