"""ZeroTuning: rescale the attention that heads give to the initial token.

With ``a`` the pattern ``[batch, head, query, key]`` and 0 the first key of the prompt::

    a'[0] = gamma a[0] / D,   a'[i] = a[i] / D,   D = 1 + (gamma - 1) a[0]

which equals adding ``log gamma`` to the scores of that key. ``gamma > 1`` flattens the attention
over the other tokens, ``gamma < 1`` sharpens it. The first key is the first token that is not
padding, whatever the tokenizer puts there.

Source: ZeroTuning (Han et al., arXiv 2505.11739). Heads are given: the paper groups them by
profiling on a validation set; how many it keeps was not found. ``gamma`` is tuned there, so it has
no default.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import Field

from headbench.edits import Bias, Case, Edit
from headbench.interventions.head_choice import AnyHeads
from headbench.interventions.method import HeadMethod, ProbeResults
from headbench.interventions.method_catalogue import Method
from headbench.nouns import ModelInfo, Phase


class ZeroTuningParams(AnyHeads):
    """Which heads (all, when none are named) and how strongly."""

    gamma: float = Field(gt=0)
    """Factor of the initial token's attention before renormalising; 1 changes nothing."""
    phase: Phase = "both"
    """Query positions that are edited: prompt, generated, or both."""


@dataclass(frozen=True)
class ZeroTuning(HeadMethod):
    """Rescale the initial token's column."""

    params: ZeroTuningParams

    @property
    def idle(self) -> bool:
        """Factor 1."""
        return self.params.gamma == 1.0

    def edits(self, case: Case | None, probed: ProbeResults) -> tuple[Edit, ...]:
        """One bias at ``scores``."""
        # A factor before renormalising is a constant added to the score: exp(s + log g) = g exp(s).
        op = Bias((0,), math.log(self.params.gamma))
        return (Edit("scores", op, self.table, self.params.phase),)


def build(params: ZeroTuningParams, info: ModelInfo) -> ZeroTuning:
    """Resolve the heads for a model."""
    return ZeroTuning.of("zerotuning", params, info)


METHOD = Method(
    name="zerotuning",
    params_model=ZeroTuningParams,
    build=build,
    summary="rescale the attention of chosen heads to the initial token by gamma",
    source="arXiv 2505.11739",
)
