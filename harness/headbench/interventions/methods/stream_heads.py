"""Streaming heads: a head sees the first keys and a window of the latest, and nothing between.

For a row at position ``t``, a streaming head's scores ``[batch, head, query, key]`` are -inf at
keys ``j`` with ``first <= j <= t - recent``. The chosen heads keep the whole context and all other
heads stream (``stream=others``), or the other way round.

Source: the split into retrieval and streaming heads of DuoAttention and Task-KV (arXiv 2501.15113:
16 first tokens, 256 latest). Which keys are *stored* is not changed: this measures what the split
costs, not what it saves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from headbench.interventions.base import HeadMethod, Seen
from headbench.interventions.choice import HeadChoice
from headbench.interventions.registry import Method
from headbench.types import Case, Edit, HeadTable, ModelInfo, Phase, Visible


class StreamHeadsParams(HeadChoice):
    """Which heads keep the whole context, and what the others see."""

    first: int = Field(16, ge=0)
    """Keys at the start that every head sees."""
    recent: int = Field(256, ge=1)
    """Latest keys that every head sees, the row's own included."""
    stream: Literal["others", "chosen"] = "others"
    """Whether the chosen heads are spared or are the ones that stream."""
    phase: Phase = "both"
    """Query positions at which heads stream: prompt, generated, or both."""


@dataclass(frozen=True)
class StreamHeads(HeadMethod):
    """Let heads stream."""

    params: StreamHeadsParams

    @property
    def streaming(self) -> HeadTable:
        """Layer -> heads that stream."""
        if self.params.stream == "chosen":
            return self.table
        every = range(self.info.heads)
        rest = {
            layer: tuple(h for h in every if h not in self.table.get(layer, ()))
            for layer in self.info.attending
        }
        return {layer: heads for layer, heads in rest.items() if heads}

    def edits(self, case: Case | None, seen: Seen) -> tuple[Edit, ...]:
        """One visibility at ``scores``."""
        op = Visible(self.params.first, self.params.recent)
        return (Edit("scores", op, self.streaming, self.params.phase),)


def build(params: StreamHeadsParams, info: ModelInfo) -> StreamHeads:
    """Resolve the heads for a model."""
    return StreamHeads.of("stream_heads", params, info)


METHOD = Method(
    name="stream_heads",
    params_model=StreamHeadsParams,
    build=build,
    summary="let all but the chosen heads see only the first and the latest keys",
    source="arXiv 2501.15113",
)
