"""The losses of the training: scene rows, and needle rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from training.vlm_v2.needle_rows import ANSWER, LANGUAGE, REPEAT
from training.vlm_v2.vocabulary import vocabulary

if TYPE_CHECKING:
    from torch import Tensor


def scene_loss(logits: Tensor, wanted: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Mean loss of answers plus mean loss of captions: the few yes/no answers weigh as much.

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


def weighted_loss(
    logits: Tensor, tokens: Tensor, roles: Tensor, language: float
) -> tuple[Tensor, dict[str, float]]:
    """Mean loss of answers (weight 1), repeats (weight 1) and plain text (``language``), summed.

    Each is a mean of its own: in a common mean the few answers would hardly count.

    Args:
        logits: ``[row, position, vocabulary]``.
        tokens: ``[row, position]``.
        roles: ``[row, position]``, of each token as a target.
        language: Weight of plain text.

    Returns:
        The loss, and its parts in nats per token.
    """
    losses = functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"
    )
    kinds = roles[:, 1:].flatten()
    total = logits.new_zeros(())
    parts = {}
    for name, role, weight in (
        ("answer", ANSWER, 1.0),
        ("repeat", REPEAT, 1.0),
        ("language", LANGUAGE, language),
    ):
        chosen = kinds == role
        if chosen.any():
            part = losses[chosen].mean()
            total = total + weight * part
            parts[name] = part.item()
    return total, parts
