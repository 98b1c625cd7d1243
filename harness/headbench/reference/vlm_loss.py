"""The loss of the vision-language model's training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from headbench.reference.vocabulary import vocabulary

if TYPE_CHECKING:
    from torch import Tensor


def scene_loss(logits: Tensor, wanted: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Answers and captions, each its own mean, so that few yes/no answers weigh as much.

    Args:
        logits: ``[target, vocabulary]``.
        wanted: Tokens to be predicted, ``[target]``.
    """
    ids = vocabulary()
    losses = functional.cross_entropy(logits, wanted, reduction="none")
    answers = (wanted == ids["yes"]) | (wanted == ids["no"])
    total, parts = logits.new_zeros(()), {}
    for name, chosen in (("answer", answers), ("caption", ~answers)):
        if chosen.any():
            part = losses[chosen].mean()
            total = total + part
            parts[name] = float(part.detach())
    return total, parts
