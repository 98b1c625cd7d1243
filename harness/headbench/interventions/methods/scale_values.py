"""Scaling values: ``v[:, g] <- alpha v[:, g]`` for the key/value heads of chosen query heads.

``v`` is ``[batch, kv head, key, dim]``. Under grouped heads a value head serves several query
heads: by default the edit is refused unless the whole group is listed, because for one query head
``scale_heads`` is the exact form. ``phase`` is the phase of the *value's* position: ``prefill``
scales what prompt tokens hold, whoever reads it. The control scales other groups of the same
layers.

Source: "Characterizing Mechanisms for Factual Recall" (Yu et al., arXiv 2310.15910), value vectors
of single heads; its range of alpha was not found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from headbench.edits import Case, Edit, Scale
from headbench.interventions.head_choice import ChosenHeads, HeadChoice
from headbench.interventions.method import HeadMethod, ProbeResults
from headbench.interventions.method_catalogue import Method
from headbench.nouns import HeadTable, ModelInfo, Phase


class ScaleValuesParams(HeadChoice):
    """Which heads, by how much, and when."""

    alpha: float
    """Factor of the values; 1 changes nothing."""
    phase: Phase = "both"
    """Positions whose values are scaled: the prompt, what follows, both, or from the
    last prompt token on (``from_last``)."""
    siblings: Literal["refuse", "include"] = "refuse"
    """What to do with query heads that share a listed head's values and are not listed."""


@dataclass(frozen=True)
class ScaleValues(HeadMethod):
    """Scale the values that a table of heads reads."""

    params: ScaleValuesParams

    @property
    def idle(self) -> bool:
        """Factor 1."""
        return self.params.alpha == 1.0

    def edits(self, case: Case | None, probed: ProbeResults) -> tuple[Edit, ...]:
        """One scale at ``v``."""
        table = self.table
        if self.params.siblings == "include":
            table = whole_groups(table, self.info)
        return (Edit("v", Scale(self.params.alpha), table, self.params.phase),)

    def rescaled(self, factor: float) -> ScaleValues:
        """The change of the values, ``alpha - 1``, times ``factor``."""
        alpha = 1 + factor * (self.params.alpha - 1)
        return replace(self, params=self.params.model_copy(update={"alpha": alpha}))

    # A control draws key/value groups, because query heads that share values change together.

    @property
    def _unit(self) -> str:
        return "key/value groups"

    @property
    def _units(self) -> HeadTable:
        return groups_of(self.table, self._ratio)

    @property
    def _width(self) -> int:
        return self.info.kv_heads

    @property
    def _ratio(self) -> int:
        return self.info.heads // self.info.kv_heads

    def _on(self, units: HeadTable) -> ScaleValues:
        return replace(self, chosen=ChosenHeads(expanded(units, self._ratio)))


def whole_groups(table: HeadTable, info: ModelInfo) -> HeadTable:
    """The table with every query head that shares a key/value head with a listed one."""
    ratio = info.heads // info.kv_heads
    return expanded(groups_of(table, ratio), ratio)


def groups_of(table: HeadTable, ratio: int) -> HeadTable:
    """Layer -> key/value heads that the query heads of a table read."""
    return {
        layer: tuple(sorted({head // ratio for head in heads})) for layer, heads in table.items()
    }


def expanded(groups: HeadTable, ratio: int) -> HeadTable:
    """Layer -> query heads of a table of key/value heads, ``ratio`` query heads to each."""
    return {
        layer: tuple(group * ratio + i for group in found for i in range(ratio))
        for layer, found in groups.items()
    }


def build(params: ScaleValuesParams, info: ModelInfo) -> ScaleValues:
    """Resolve the heads for a model."""
    return ScaleValues.of("scale_values", params, info)


METHOD = Method(
    name="scale_values",
    params_model=ScaleValuesParams,
    build=build,
    summary="multiply the values that chosen heads read by alpha",
    source="arXiv 2310.15910",
)
