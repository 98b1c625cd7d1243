"""Which heads a method edits: listed, or chosen from a head map by rank, threshold or share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from headbench._reading import is_file
from headbench.errors import ConfigError, RefusedError, nearest
from headbench.heads.headmap import HeadMap
from headbench.interventions.layer_ranges import without_attention
from headbench.interventions.method_catalogue import MethodParams
from headbench.nouns import HeadTable, ModelInfo

Pair = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


class AnyHeads(MethodParams):
    """Parameters of a method that edits chosen heads, or all heads when none are named.

    Give ``heads``, or ``map`` with exactly one of ``top``, ``threshold`` and ``fraction``.
    """

    heads: tuple[Pair, ...] | None = None
    """(layer, query head) pairs, 0-based."""
    map: str | None = None
    """A head map that ships with the model (``retrieval``), or the path of a JSON file."""
    top: int | None = Field(None, ge=1)
    """The ``top`` best heads of the map."""
    threshold: float | None = None
    """All heads of the map that score at least this."""
    fraction: float | None = Field(None, gt=0, le=1)
    """This share of the best heads of each layer."""

    @model_validator(mode="after")
    def _one_way(self) -> AnyHeads:
        """Two ways at once would choose different heads, and one of them silently."""
        ways = [w for w in (self.top, self.threshold, self.fraction) if w is not None]
        if self.heads == ():
            raise ValueError("heads=[] names no head")
        if self.heads is not None and self.map is not None:
            raise ValueError("give either heads=[[layer,head],...] or map=NAME")
        if self.map is not None and len(ways) != 1:
            raise ValueError("with map=, give one of top=, threshold=, fraction=")
        if self.map is None and ways:
            raise ValueError("top=, threshold= and fraction= choose from a map=")
        return self


class HeadChoice(AnyHeads):
    """Parameters of a method whose heads must be named."""

    @model_validator(mode="after")
    def _named(self) -> HeadChoice:
        if self.heads is None and self.map is None:
            raise ValueError("give either heads=[[layer,head],...] or map=NAME")
        return self


@dataclass(frozen=True)
class ChosenHeads:
    """The outcome of a choice of heads on one model.

    Attributes:
        table: Layer -> heads, sorted.
        source: ``map@sha256-prefix`` where a map was read, else the empty string.
    """

    table: HeadTable
    source: str = ""

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """(layer, head) pairs, sorted."""
        return tuple((layer, head) for layer, heads in self.table.items() for head in heads)


def choose(choice: AnyHeads, info: ModelInfo) -> ChosenHeads:
    """Resolve a choice of heads for a model; all heads where none are named.

    Raises:
        ConfigError: No such map, or a map of another model's shape.
        RefusedError: A head out of range, or no head left.
    """
    if choice.heads is not None:
        return ChosenHeads(table_of(choice.heads, info))
    if choice.map is None:
        return ChosenHeads({layer: tuple(range(info.heads)) for layer in info.attending})
    headmap = read_map(choice.map, info)
    if choice.top is not None:
        pairs = headmap.top(choice.top)
    elif choice.threshold is not None:
        pairs = headmap.above(choice.threshold)
    else:
        pairs = headmap.top_fraction_per_layer(choice.fraction or 1.0)
    return ChosenHeads(table_of(pairs, info), f"{choice.map}@{headmap.sha256[:16]}")


def read_map(name: str, info: ModelInfo) -> HeadMap:
    """Load a head map by the name it ships under, or by path.

    Raises:
        ConfigError: No such map, or its shape is not the model's.
    """
    path = Path(info.maps.get(name, name))
    if name not in info.maps and not is_file(path):
        raise ConfigError(
            f"{info.name} has no head map {name!r}, and there is no such file",
            hint=nearest(name, info.maps) or "make one with: headbench heads --detector ...",
        )
    headmap = HeadMap.load(path)
    if headmap.unit == "kv" and headmap.heads == info.kv_heads:
        headmap = headmap.to_query_heads(info.heads)
    if (headmap.layers, headmap.heads, headmap.unit) != (info.layers, info.heads, "query"):
        raise ConfigError(
            f"the head map holds {headmap.layers} layers x {headmap.heads} {headmap.unit} heads, "
            f"{info.name} has {info.layers} x {info.heads} query heads",
            where=str(path),
            hint="use a map that was made on this model",
        )
    return headmap


def table_of(pairs: Iterable[tuple[int, int]], info: ModelInfo) -> HeadTable:
    """Group pairs by layer, each head once.

    Raises:
        RefusedError: A layer or head that the model does not have, a layer without attention, or no
            pair at all.
    """
    table: dict[int, set[int]] = defaultdict(set)
    for layer, head in pairs:
        if not (0 <= layer < info.layers and 0 <= head < info.heads):
            raise RefusedError(
                f"{info.name} has no head {head} in layer {layer}",
                where=f"heads=[[{layer},{head}]]",
                hint=f"layers 0 to {info.layers - 1}, heads 0 to {info.heads - 1}",
            )
        if layer not in info.attending:
            raise without_attention(info.name, layer, info.attending)
        table[layer].add(head)
    if not table:
        raise RefusedError("no head is chosen", hint="lower the threshold, or list heads")
    return {layer: tuple(sorted(table[layer])) for layer in sorted(table)}
