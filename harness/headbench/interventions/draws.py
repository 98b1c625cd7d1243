"""Control draws: other heads of the same layers, as distinct sets, from one seed."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from headbench.types import Heads, HeadTable

_ENUMERATE = 5_000
"""Up to this many possible draws are listed and shuffled; beyond, they are drawn and compared."""


@dataclass(frozen=True)
class Draws:
    """Distinct head tables with as many heads a layer as the original.

    Attributes:
        tables: The draws; fewer than asked for where fewer exist.
        possible: How many distinct draws exist.
        excluded: Whether the original's own heads were kept out.
    """

    tables: tuple[HeadTable, ...]
    possible: int
    excluded: bool


def other_heads(table: HeadTable, heads: int, count: int, seed: int) -> Draws:
    """Draw control heads for ``table``, matched by layer and number.

    The listed heads themselves are kept out as long as ``count`` distinct draws remain without
    them; else any heads of the layer may be drawn, except the very same set.

    Args:
        table: Layer -> heads that the method edits.
        heads: Query heads a layer.
        count: Draws wanted.
        seed: Fixes the draws.
    """
    others = {layer: _rest(mine, heads) for layer, mine in table.items()}
    apart = math.prod(math.comb(len(others[layer]), len(mine)) for layer, mine in table.items())
    excluded = apart >= max(count, 1)
    pools = others if excluded else {layer: tuple(range(heads)) for layer in table}
    any_draw = math.prod(math.comb(heads, len(mine)) for mine in table.values()) - 1
    possible = apart if excluded else any_draw
    generator = random.Random(f"headbench-controls/{seed}")
    source = _listed if possible <= _ENUMERATE else _drawn
    tables = itertools.islice(source(table, pools, generator), count)
    return Draws(tuple(tables), possible, excluded)


def _rest(mine: Heads, heads: int) -> Heads:
    return tuple(h for h in range(heads) if h not in mine)


def _listed(table: HeadTable, pools: HeadTable, generator: random.Random) -> Iterator[HeadTable]:
    layers = list(table)
    sets = [list(itertools.combinations(pools[layer], len(table[layer]))) for layer in layers]
    every = [dict(zip(layers, chosen, strict=True)) for chosen in itertools.product(*sets)]
    generator.shuffle(every)
    return (draw for draw in every if draw != dict(table))


def _drawn(table: HeadTable, pools: HeadTable, generator: random.Random) -> Iterator[HeadTable]:
    seen = {tuple(table.values())}
    while True:
        draw = {
            layer: tuple(sorted(generator.sample(pools[layer], len(mine))))
            for layer, mine in table.items()
        }
        if tuple(draw.values()) not in seen:
            seen.add(tuple(draw.values()))
            yield draw
