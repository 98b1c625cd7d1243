"""Masking heads, in the four meanings of the word in papers.

=========== ============================================== =======================================
mode        formula, for masked heads                      what it takes away
=========== ============================================== =======================================
zero        z <- 0                                         the head's whole contribution
uniform     q <- 0, so a[t, j] = 1 / |visible j|           where it looks, not that it looks
identity    a[t, j] = [j = t], so z[t] <- v[t]             reading context
sink        a[t, j] = [j = first], so z[t] <- v[first]     reading anything but the first token
=========== ============================================== =======================================

``z`` is ``[batch, query, head, dim]`` before the output projection, ``q`` ``[batch, head, query,
dim]`` after rotation and query norms. Results of one mode say nothing of another. Under a learned
attention sink (GPT-OSS) a uniform head keeps the sink's share.

Source, and the setting that equals a release:

* "Retrieval Head Mechanistically Explains Long-Context Factuality" (Wu et al., arXiv 2404.15574)
  zeroes queries in decoding steps, and feeds the prompt's last token as the first of them:
  ``mode=uniform, phase=from_last``. With ``phase=decode`` the first answer token is not masked.
* "Can Retrieval Heads See Images?" (Li et al., arXiv 2605.27243) and the knock-outs of "Does RoPE
  Prevent or Degrade Retrieval Heads?" (Bayram, arXiv 2606.21249) zero the output in prefill and
  decode: ``mode=zero``, the defaults.
* ``identity`` is the pattern of perturbed-attention guidance.

``zero`` and, in both phases, ``uniform`` fold into the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headbench.edits import Case, Edit, Mix, Scale, ZeroDims
from headbench.interventions.head_choice import HeadChoice
from headbench.interventions.method import HeadMethod, ProbeResults
from headbench.interventions.method_catalogue import Method
from headbench.nouns import ModelInfo, Phase


class MaskHeadsParams(HeadChoice):
    """Which heads, what masking means, and when."""

    mode: Literal["zero", "uniform", "identity", "sink"] = "zero"
    """What a masked head does; see the module's table."""
    phase: Phase = "both"
    """Positions at which heads are masked: the prompt, what follows, both, or from the
    last prompt token on (``from_last``)."""


@dataclass(frozen=True)
class MaskHeads(HeadMethod):
    """Mask a table of heads."""

    params: MaskHeadsParams

    def edits(self, case: Case | None, probed: ProbeResults) -> tuple[Edit, ...]:
        """One edit at ``z``, or at ``q`` for a uniform pattern."""
        phase = self.params.phase
        match self.params.mode:
            case "zero":
                return (Edit("z", Scale(0.0), self.table, phase),)
            case "uniform":
                return (Edit("q", ZeroDims(None), self.table, phase),)
            case "identity":
                return (Edit("z", Mix("self", 1.0), self.table, phase),)
            case "sink":
                return (Edit("z", Mix("first", 1.0), self.table, phase),)


def build(params: MaskHeadsParams, info: ModelInfo) -> MaskHeads:
    """Resolve the heads for a model."""
    return MaskHeads.of("mask_heads", params, info)


METHOD = Method(
    name="mask_heads",
    params_model=MaskHeadsParams,
    build=build,
    summary="mask heads: silence them, or make their pattern uniform, identity or sink-only",
    source="arXiv 2605.27243 (zero), arXiv 2404.15574 (uniform)",
)
