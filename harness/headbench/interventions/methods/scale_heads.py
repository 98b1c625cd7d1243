"""Scaling head outputs: ``z[:, :, h] <- alpha z[:, :, h]`` for chosen heads.

``z`` is ``[batch, query, head, dim]`` before the output projection, so this equals multiplying the
head's columns of ``o_proj`` and folds into the weights when ``phase=both``. Scaling a head's values
at every position is the same edit; see ``scale_values`` for grouped heads.

Source: "Characterizing Mechanisms for Factual Recall" (Yu et al., arXiv 2310.15910) scales one
head's values by a swept ``alpha``; its range was not found, so ``alpha`` has no default here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from headbench.edits import Case, Edit, Scale
from headbench.interventions.head_choice import HeadChoice
from headbench.interventions.method import HeadMethod, ProbeResults
from headbench.interventions.method_catalogue import Method
from headbench.nouns import ModelInfo, Phase


class ScaleHeadsParams(HeadChoice):
    """Which heads, by how much, and when."""

    alpha: float
    """Factor of the head's output; 1 changes nothing, 0 silences, negative values invert."""
    phase: Phase = "both"
    """Positions at which heads are scaled: the prompt, what follows, both, or from the
    last prompt token on (``from_last``)."""


@dataclass(frozen=True)
class ScaleHeads(HeadMethod):
    """Scale a table of heads."""

    params: ScaleHeadsParams

    @property
    def idle(self) -> bool:
        """Factor 1."""
        return self.params.alpha == 1.0

    def edits(self, case: Case | None, probed: ProbeResults) -> tuple[Edit, ...]:
        """One scale at ``z``."""
        return (Edit("z", Scale(self.params.alpha), self.table, self.params.phase),)

    def rescaled(self, factor: float) -> ScaleHeads:
        """The change of the output, ``alpha - 1``, times ``factor``."""
        alpha = 1 + factor * (self.params.alpha - 1)
        return replace(self, params=self.params.model_copy(update={"alpha": alpha}))


def build(params: ScaleHeadsParams, info: ModelInfo) -> ScaleHeads:
    """Resolve the heads for a model."""
    return ScaleHeads.of("scale_heads", params, info)


METHOD = Method(
    name="scale_heads",
    params_model=ScaleHeadsParams,
    build=build,
    summary="multiply the output of chosen heads by alpha",
    source="arXiv 2310.15910",
)
