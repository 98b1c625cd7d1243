"""Contrasts: controls of fixed heads that keep the method's own heads out, by some other rule.

They show more than a draw from all heads does, and test nothing: the method's own set could not
have been drawn.
"""

from __future__ import annotations

from headbench.edits import Contrast
from headbench.errors import RefusedError
from headbench.interventions.control_draws import Draws, apart_sets, layer_sets, sets_from
from headbench.interventions.head_choice import read_map
from headbench.nouns import HeadTable, ModelInfo

SAME_LAYERS = "other {} of the same layers"
"""What such controls are, in words; the braces hold the unit, e.g. heads."""


def contrast_sets(
    kind: Contrast,
    table: HeadTable,
    width: int,
    info: ModelInfo,
    map_name: str | None,
    count: int,
    seed: int,
) -> tuple[Draws, str] | None:
    """Draws of a contrast, with what they are in words; ``None``: no such contrast of fixed heads.

    Args:
        kind: Which contrast.
        table: Layer -> units that are edited.
        width: Units per layer: query heads, or key/value groups.
        info: The model.
        map_name: The head map that the heads were chosen from, where one was.
        count: Draws wanted.
        seed: Fixes the draws.
    """
    match kind.heads:
        case "apart":
            return apart_sets(table, width, count, seed), f"{SAME_LAYERS}, its own kept out"
        case "layers":
            draws = layer_sets(table, info.attending, width, count, seed)
            return draws, "{} of layers that are not edited"
        case "low":
            score = kind.below or 0.0
            pools = low_units(map_name, table, width, info, score)
            sizes = {layer: len(edited) for layer, edited in table.items()}
            unit = f"other {{}} of the same layers with a score below {score:g}"
            return sets_from(pools, sizes, count, seed), unit
        case _:
            return None


def low_units(
    map_name: str | None, table: HeadTable, width: int, info: ModelInfo, score: float
) -> HeadTable:
    """Layer -> units outside ``table`` that the head map scores below ``score``.

    A unit that several query heads share has the largest of their scores.

    Raises:
        RefusedError: the heads were not chosen from a map.
    """
    if map_name is None:
        raise RefusedError(
            "low-score controls need the head map that the heads were chosen from",
            where="heads=[[layer,head],...] names no map",
            hint="choose the heads with map=NAME and top=, threshold= or fraction=",
        )
    scores = read_map(map_name, info).scores
    heads_per_unit = info.heads // width
    found: dict[int, tuple[int, ...]] = {}
    for layer, edited in table.items():
        row = scores[layer]
        if row is None:
            raise RefusedError(
                f"the head map has no scores for layer {layer}", where=f"head map {map_name}"
            )
        largest = [max(row[unit * heads_per_unit :][:heads_per_unit]) for unit in range(width)]
        low = (unit for unit in range(width) if unit not in edited and largest[unit] < score)
        found[layer] = tuple(low)
    return found
