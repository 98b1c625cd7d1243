"""The model's own attention call: what a head gets that no edit concerns.

The one file of the edits that knows transformers. An unedited call must have the bits of the
library's own, whatever its version does about masks, causality and grouped heads; so it *is* the
library's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers.integrations.sdpa_attention import sdpa_attention_forward

from headbench.interventions.edits.dense import dense

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.interventions.edits.attention_inputs import AttentionInputs


def unedited(inputs: AttentionInputs) -> Tensor:
    """Head outputs ``[batch, query, head, dim]`` without any edit.

    sdpa where it can compute the call; soft caps and attention sinks, which it cannot, take the
    dense formula in row chunks.
    """
    if not inputs.plain:
        return dense(inputs)
    out: Tensor = sdpa_attention_forward(
        inputs.module, inputs.query, inputs.key, inputs.value, inputs.mask, **inputs.extra
    )[0]
    return out
