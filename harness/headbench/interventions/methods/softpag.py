"""SoftPAG: pull the pattern of chosen heads towards a simple one.

``A' = (1 - u) A + u T`` with ``A`` the pattern ``[batch, head, query, key]``; on head outputs ``z``
``[batch, query, head, dim]`` that is::

    target=identity        z' = (1 - u) z + u v_t            the head reads itself
    target=uniform         z' = (1 - u) z + u mean(v seen)   it reads everything equally
    target=zero            z' = (1 - u) z                    it contributes less
    target=initial_token   z' = (1 - u) z + u v_first        it reads the first token only

so no pattern is needed.

Source: Ahn et al. 2025, "Fine-Grained Perturbation Guidance via Attention Head Selection",
arXiv 2506.10978, Eq. 7, for the identity; the other targets apply the same interpolation. Published
for image diffusion only: ``u`` has no default for language models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from headbench.edits import Case, Edit, Mix, Scale
from headbench.interventions.head_choice import HeadChoice
from headbench.interventions.method import HeadMethod, ProbeResults
from headbench.interventions.method_catalogue import Method
from headbench.nouns import ModelInfo, Phase

TARGETS: dict[str, Literal["self", "mean", "first"]] = {
    "identity": "self",
    "uniform": "mean",
    "initial_token": "first",
}


class SoftPagParams(HeadChoice):
    """Which heads, towards what, how far."""

    u: float = Field(ge=0, le=1)
    """Share of the target; 0 changes nothing, 1 replaces the pattern."""
    target: Literal["identity", "uniform", "zero", "initial_token"] = "identity"
    """The pattern that is mixed in."""
    phase: Phase = "both"
    """Positions that are edited: the prompt, what follows, both, or from the
    last prompt token on (``from_last``)."""


@dataclass(frozen=True)
class SoftPag(HeadMethod):
    """Mix a target pattern in."""

    params: SoftPagParams

    @property
    def idle(self) -> bool:
        """Share 0."""
        return self.params.u == 0.0

    def edits(self, case: Case | None, probed: ProbeResults) -> tuple[Edit, ...]:
        """One mix, or a scale, at ``z``."""
        share, target = self.params.u, self.params.target
        # Mixing patterns mixes head outputs: each target pattern is one known value vector.
        op = Scale(1 - share) if target == "zero" else Mix(TARGETS[target], share)
        return (Edit("z", op, self.table, self.params.phase),)


def build(params: SoftPagParams, info: ModelInfo) -> SoftPag:
    """Resolve the heads for a model."""
    return SoftPag.of("softpag", params, info)


METHOD = Method(
    name="softpag",
    params_model=SoftPagParams,
    build=build,
    summary="interpolate the pattern of chosen heads towards identity, uniform, zero or sink-only",
    source="arXiv 2506.10978, Eq. 7",
)
