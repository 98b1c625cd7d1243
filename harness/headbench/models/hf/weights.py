"""Do the checkpoint's weights and the model's fit? What one has and the other lacks is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from headbench.errors import RefusedError

BUFFERS = re.compile(r"(?:^|\.)(?:attn|attention)\.(?:bias|masked_bias)$")
"""Causal masks that old checkpoints hold as weights (GPT-2, GPT-NeoX); models compute them."""
HEADS = frozenset(
    {"pooler", "cls", "lm_head", "head", "classifier", "decoder", "qa_outputs", "predictions"}
    | {"lm_predictions", "mask_predictions", "discriminator_predictions", "generator_predictions"}
    | {"generator_lm_head", "vocab_transform", "vocab_layer_norm", "vocab_projector"}
)
"""What stands on top of an encoder, in the names of the library's encoders."""
ALLOW = "allow_unused_weights=true"


def check_weights(
    report: Mapping[str, Iterable[Any]], where: str, *, allowed: bool, encoder: bool = False
) -> tuple[str, ...]:
    """Hold the library's report of a load against what is wanted.

    Tied weights, and what a class of the library declares as ignored, are in neither list.

    Args:
        report: ``output_loading_info`` of ``from_pretrained``.
        where: The checkpoint, for errors.
        allowed: Whether the user lets weights go unused.
        encoder: The model has no head of its own: a pooler that the checkpoint lacks, and heads
            that it has, touch no hidden state.

    Returns:
        Weights of the checkpoint that the model does not use, sorted; the user asked for it.

    Raises:
        RefusedError: Weights are missing, of another shape, or not used.
    """
    missing = sorted(key for key in report["missing_keys"] if not (encoder and _on_top(key)))
    if missing:
        raise RefusedError(
            f"the checkpoint lacks {len(missing)} weights, which would stay random",
            where=f"{where}: {missing[:3]}",
            hint="use a complete checkpoint, made for this architecture",
        )
    shapes = sorted(str(found[0]) for found in report.get("mismatched_keys") or ())
    if shapes:
        raise RefusedError(
            f"{len(shapes)} weights of the checkpoint have another shape than the model's",
            where=f"{where}: {shapes[:3]}",
            hint="use a checkpoint whose config.json is its own",
        )
    unused = sorted(
        key
        for key in report["unexpected_keys"]
        if not BUFFERS.search(key) and not (encoder and _on_top(key))
    )
    if unused and not allowed:
        raise RefusedError(
            f"the model does not use {len(unused)} weights that the checkpoint has",
            where=f"{where}: {unused[:3]}",
            hint="check that config.json is the checkpoint's own; if they are meant to go unused, "
            f"add {ALLOW} to --model-args, which is recorded",
        )
    return tuple(unused)


def _on_top(key: str) -> bool:
    """Whether a weight belongs to what reads an encoder's last hidden state."""
    return not HEADS.isdisjoint(key.split(".")[:2])
