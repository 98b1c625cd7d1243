"""The losses of needle rows, and of rows on which any of several tokens is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from training.lm_v2.needle_rows import ANSWER, LANGUAGE, REPEAT

if TYPE_CHECKING:
    from torch import Tensor


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
