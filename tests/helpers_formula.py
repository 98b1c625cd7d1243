"""A slow, plain attention by its formula, against which the engine's paths are checked.

It shares no code with the engine: scores and pattern are whole ``[query, key]`` matrices, heads are
repeated, and an edit is any function of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask

Change = Callable[[int, Tensor], Tensor]
NAME = "plain_formula"


def same(layer: int, x: Tensor) -> Tensor:
    return x


@dataclass
class Formula:
    """Edits of one whole pass; every tensor is ``[batch, head, query, ...]``, keys repeated."""

    q: Change = same
    v: Change = same
    scores: Change = same
    pattern: Change = same
    z: Callable[[int, Tensor, Tensor, Tensor], Tensor] = lambda layer, z, v, p: z
    dtype: torch.dtype = torch.float32


_running: list[tuple[Formula, dict[nn.Module, int]]] = []


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **kw: Any
) -> tuple[Tensor, None]:
    formula, layers = _running[-1]
    layer = layers.setdefault(module, len(layers))
    ratio = query.shape[1] // key.shape[1]
    dtype = query.dtype
    q = formula.q(layer, query.to(formula.dtype))
    k = key.repeat_interleave(ratio, 1).to(formula.dtype)
    v = formula.v(layer, value.repeat_interleave(ratio, 1).to(formula.dtype))
    scaling = kw.get("scaling")
    scores = q @ k.transpose(2, 3) * (q.shape[-1] ** -0.5 if scaling is None else scaling)
    if kw.get("softcap") is not None:
        scores = torch.tanh(scores / kw["softcap"]) * kw["softcap"]
    if mask is not None:
        scores = scores.masked_fill(mask[..., : k.shape[2]] < -1, float("-inf"))
    scores = formula.scores(layer, scores)
    if kw.get("s_aux") is not None:
        sink = kw["s_aux"].to(formula.dtype).view(1, -1, 1, 1).expand(*scores.shape[:3], 1)
        pattern = torch.softmax(torch.cat([scores, sink], -1), -1)[..., :-1]
    else:
        pattern = torch.softmax(scores, -1).nan_to_num(0.0)
    pattern = formula.pattern(layer, pattern)
    z = formula.z(layer, pattern @ v, v, pattern)
    return z.transpose(1, 2).to(dtype).contiguous(), None


@contextmanager
def by_formula(model: PreTrainedModel, formula: Formula | None = None) -> Iterator[None]:
    """Run the text model's attention by the plain formula meanwhile."""
    AttentionInterface.register(NAME, _attend)
    AttentionMaskInterface.register(NAME, eager_mask)
    before = {
        id(m.config): (m.config, m.config._attn_implementation)
        for m in model.modules()
        if hasattr(m, "config")
    }
    nested = "text_config" in getattr(model.config, "sub_configs", {})
    model.set_attn_implementation({"": NAME, "text_config": NAME} if nested else NAME)
    _running.append((formula or Formula(), {}))
    try:
        with torch.no_grad():
            yield
    finally:
        _running.pop()
        for config, name in before.values():
            config._attn_implementation_internal = name


def logits(model: PreTrainedModel, formula: Formula | None = None, **inputs: Any) -> Tensor:
    """Logits of one pass by the formula."""
    with by_formula(model, formula):
        return model(**inputs).logits
