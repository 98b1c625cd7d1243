"""Zeroing rotary dimensions of chosen heads: which frequencies does a head need?

Rotary pair ``i`` of a head of width ``d`` turns at ``theta ** (-2 i / d)`` and consists of the
dimensions ``i`` and ``i + d / 2`` (the rotate-half layout). ``dose`` dimensions are zeroed in whole
pairs: the slowest (``dims=lowest``), the fastest (``highest``) or random ones by ``seed``.

``q`` is ``[batch, head, query, dim]`` after rotation: zeroing both members of a pair there removes
exactly the terms that zeroing queries and keys before rotation removes, and leaves other heads
alone. ``mode=qk`` also zeroes the keys, as the source does; under grouped heads that reaches every
query head of the group.

Source: "Does RoPE Prevent or Degrade Retrieval Heads?" (Bayram, arXiv 2606.21249): doses 8 to 64 of
128 dimensions, lowest frequencies first, random dimensions as its control; default an eighth. Its
code zeroes outputs of the query and key projections in prefill and decode: ``mode=qk, phase=both``.
An early version of it paired neighbouring dimensions, which are no rotary pair in the rotate-half
layout; that is not followed, as its author no longer does.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from headbench.edits import Case, Edit, ZeroDims
from headbench.errors import ConfigError, RefusedError
from headbench.interventions.grammar import Value
from headbench.interventions.head_choice import HeadChoice
from headbench.interventions.method import HeadMethod, ProbeResults
from headbench.interventions.method_catalogue import Method
from headbench.interventions.methods.scale_values import whole_groups
from headbench.nouns import ModelInfo, Phase

UNROTATED = frozenset(
    {"gpt2", "gpt-sw3", "gpt_bigcode", "opt", "biogpt", "ctrl", "clip_vision_model", "clip"}
    | {"bert", "bert-generation", "electra", "ernie", "roc_bert", "xlm-roberta"}
    | {"inkling_text", "inkling_mm_model", "jamba", "kimi_linear", "nemotron_h"}
    | {"nemotron_h_omni", "zamba"}
)
"""Families without rotary positions."""
PARTIAL = frozenset(
    {"gpt_neox", "phi", "phi3", "stablelm", "nemotron", "persimmon", "bamba", "granitemoehybrid"}
    | {"fuyu", "glm4_moe", "glm4v_moe", "laguna", "lfm3", "lfm3_vl", "minicpm_ocr"}
    | {"minicpmv4_6", "minicpmv4_7", "qwen3_5", "qwen3_5_moe", "qwen3_5_moe_text"}
    | {"qwen3_5_text", "qwen3_next", "zaya", "cohere_compass", "cohere_compass_text"}
)
"""Families that may rotate only part of a head, or none of it."""
INTERLEAVED = frozenset(
    {"cohere", "cohere2", "helium", "ernie4_5", "llama4", "llama4_text", "blt", "moonshine"}
    | {"glm", "glm4", "glm4v", "glm_ocr", "glm4_moe_lite", "deepseek_v2", "deepseek_v3"}
    | {"axk1", "bailing_hybrid", "cohere2_moe"}
    | {"ernie4_5_moe", "ernie4_5_vl_moe", "mistral4", "youtu"}
)
"""Families whose rotary pairs are neighbours, not halves: the edit would zero other frequencies."""


class RopeZeroParams(HeadChoice):
    """Which heads and which frequencies."""

    dims: Literal["lowest", "highest", "random"] = "lowest"
    """Which frequencies are zeroed."""
    dose: int | None = Field(None, ge=0)
    """Dimensions to zero, an even number; default an eighth of the head's width. 0: none."""
    mode: Literal["q", "qk"] = "q"
    """Zero the queries (exact for one head), or queries and keys (the source's code)."""
    seed: int = 0
    """Draws the pairs of ``dims=random``."""
    phase: Phase = "both"
    """Positions that are edited: the prompt, what follows, both, or from the
    last prompt token on (``from_last``)."""
    rotary_dim: int | None = Field(None, ge=2)
    """Rotated dimensions, from the first on; needed for families that may rotate only part."""


@dataclass(frozen=True)
class RopeZero(HeadMethod):
    """Zero rotary dimensions of a table of heads."""

    params: RopeZeroParams

    @property
    def rotary(self) -> int:
        """Rotated dimensions of a head."""
        return self.params.rotary_dim or self.info.head_dim

    @property
    def dose(self) -> int:
        """Dimensions that are zeroed."""
        default = max(2, self.rotary // 8 // 2 * 2)
        return default if self.params.dose is None else self.params.dose

    @property
    def dimensions(self) -> tuple[int, ...]:
        """The zeroed dimensions, sorted."""
        half, pairs = self.rotary // 2, self.dose // 2
        order = list(range(half))  # pair 0 turns fastest
        if self.params.dims == "lowest":
            order.reverse()
        elif self.params.dims == "random":
            random.Random(f"rope_zero/{self.params.seed}").shuffle(order)
        return tuple(sorted(i + part for i in order[:pairs] for part in (0, half)))

    @property
    def idle(self) -> bool:
        """Dose 0."""
        return self.dose == 0

    def resolved(self) -> dict[str, Value]:
        """Parameters with the dimensions that were resolved."""
        return super().resolved() | {"dose": self.dose, "rotary_dim": self.rotary}

    def edits(self, case: Case | None, probed: ProbeResults) -> tuple[Edit, ...]:
        """Zero queries, and keys in mode ``qk``."""
        op, phase = ZeroDims(self.dimensions), self.params.phase
        queries = Edit("q", op, self.table, phase)
        if self.params.mode == "q":
            return (queries,)
        return (queries, Edit("k", op, whole_groups(self.table, self.info), phase))


def build(params: RopeZeroParams, info: ModelInfo) -> RopeZero:
    """Resolve heads and dimensions for a model.

    Raises:
        RefusedError: The family has no rotary positions, or its layout must be given.
        ConfigError: An odd dose, or one larger than what is rotated.
    """
    if info.family in UNROTATED:
        raise RefusedError(f"{info.name} ({info.family}) has no rotary positions")
    if info.family in INTERLEAVED:
        raise RefusedError(
            f"{info.family} lays rotary pairs out as neighbours; rope_zero knows halves only"
        )
    if info.family in PARTIAL and params.rotary_dim is None:
        raise RefusedError(
            f"{info.family} may rotate only part of a head",
            hint="give rotary_dim=, the number of rotated dimensions",
        )
    method = RopeZero.of("rope_zero", params, info)
    if method.dose % 2 or method.dose > method.rotary or method.rotary > info.head_dim:
        raise ConfigError(
            f"rope_zero: a dose of {method.dose} of {method.rotary} dimensions is impossible",
            hint="pairs are zeroed whole: give an even dose, at most the rotated width",
        )
    return method


METHOD = Method(
    name="rope_zero",
    params_model=RopeZeroParams,
    build=build,
    summary="zero slow, fast or random rotary dimensions of chosen heads",
    source="arXiv 2606.21249",
)
