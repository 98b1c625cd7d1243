"""Streaming heads: a head sees the first keys and a window of the latest, and nothing between.

For a row at position ``t``, a streaming head's scores ``[batch, head, query, key]`` are -inf at
keys ``j`` with ``first <= j <= t - recent``. The chosen heads keep the whole context and all other
heads stream (``stream=others``), or the other way round.

Source: the split into retrieval and streaming heads of DuoAttention (arXiv 2410.10819) and Task-KV
(arXiv 2501.15113: 16 first tokens, 256 latest). Which keys are *stored* is not changed: this
measures what the split costs, not what it saves. What equals DuoAttention's release, with the sizes
``sink`` and ``recent`` of its configuration:

* as deployed: ``first=sink, recent=recent+1, phase=decode``. The cache of a streaming head holds
  ``sink + recent`` keys, and the row's own key comes on top of them; the prompt sees itself whole.
* as trained: ``first=sink, recent=recent, phase=both``, a mask over the whole sequence.

A head map that was imported from such a configuration holds both sizes, and gives the deployed
window where ``first``, ``recent`` or ``phase`` is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from headbench.edits import Case, Edit, Visible
from headbench.interventions.grammar import Value
from headbench.interventions.head_choice import HeadChoice, choose, read_map
from headbench.interventions.method import HeadMethod, ProbeResults
from headbench.interventions.method_catalogue import Method
from headbench.nouns import HeadTable, ModelInfo, Phase

TASK_KV = (16, 256)
"""First and latest keys of Task-KV: the window where nothing else says one."""


class StreamHeadsParams(HeadChoice):
    """Which heads keep the whole context, and what the others see."""

    first: int | None = Field(None, ge=0)
    """Keys at the start that every head sees. Default: of the map's configuration, else 16."""
    recent: int | None = Field(None, ge=1)
    """Latest keys that every head sees, the row's own included. Default: of the map's
    configuration, else 256."""
    stream: Literal["others", "chosen"] = "others"
    """Which heads stream: all but the chosen ones, or the chosen ones."""
    phase: Phase | None = None
    """Query positions at which heads stream: of the prompt, behind it (``decode``), both, or from
    the last prompt token on (``from_last``). Default: ``decode`` where the map's configuration
    gives the window, else ``both``."""


@dataclass(frozen=True)
class StreamHeads(HeadMethod):
    """Let heads stream.

    Attributes:
        first: Keys at the start that a streaming head sees.
        recent: Latest keys that it sees, the row's own included.
        phase: Query positions at which heads stream.
    """

    params: StreamHeadsParams
    first: int
    recent: int
    phase: Phase

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

    def resolved(self) -> dict[str, Value]:
        """Parameters, with the window that was resolved."""
        window = {"first": self.first, "recent": self.recent, "phase": self.phase}
        return super().resolved() | window

    def edits(self, case: Case | None, probed: ProbeResults) -> tuple[Edit, ...]:
        """One visibility at ``scores``."""
        op = Visible(self.first, self.recent)
        return (Edit("scores", op, self.streaming, self.phase),)


def build(params: StreamHeadsParams, info: ModelInfo) -> StreamHeads:
    """Resolve the heads and the window for a model."""
    # A map imported from a configuration knows the window it was trained for.
    released = read_map(params.map, info).window if params.map is not None else None
    first, recent = (released.first, released.recent) if released else TASK_KV
    phase: Phase = "decode" if released else "both"
    return StreamHeads(
        "stream_heads",
        params,
        info,
        choose(params, info),
        first if params.first is None else params.first,
        recent if params.recent is None else params.recent,
        params.phase or phase,
    )


METHOD = Method(
    name="stream_heads",
    params_model=StreamHeadsParams,
    build=build,
    summary="let all but the chosen heads see only the first and the latest keys",
    source="arXiv 2410.10819, arXiv 2501.15113",
)
