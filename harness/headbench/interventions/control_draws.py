"""Control draws: other sets of heads, as distinct head tables, from one seed."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from headbench.nouns import Heads, HeadTable

_ENUMERATE = 5_000
"""Up to this many possible draws are listed and shuffled; beyond, they are drawn and compared."""


@dataclass(frozen=True)
class Draws:
    """Distinct head tables.

    Attributes:
        tables: The draws, or all that exist where fewer exist than are wanted.
        possible: How many distinct draws exist.
    """

    tables: tuple[HeadTable, ...]
    possible: int


def other_sets(table: HeadTable, heads: int, count: int, seed: int) -> Draws:
    """Other sets of the same layers, as many heads in each; they may share heads with ``table``.

    Drawn uniformly without replacement from all such sets but ``table`` itself. If ``table`` had
    been drawn in the same way, it could have been any of the sets: a rank among them has a p-value.

    The same seed gives the same draws whatever else the intervention does, so that all strengths
    of a sweep have the same controls.

    Args:
        table: Layer -> heads that the method edits.
        heads: Query heads per layer.
        count: Draws wanted.
        seed: Fixes the draws.
    """
    every = {layer: tuple(range(heads)) for layer in table}
    return sets_from(every, _sizes(table), count, seed, but=table)


def apart_sets(table: HeadTable, heads: int, count: int, seed: int) -> Draws:
    """Sets of the same layers, as many heads in each, that hold none of the heads of ``table``.

    The clearest contrast, but no test: chance would not have avoided the chosen heads. Too few
    remaining heads in a layer leave no draw.
    """
    pools = {layer: tuple(h for h in range(heads) if h not in own) for layer, own in table.items()}
    return sets_from(pools, _sizes(table), count, seed)


def layer_sets(table: HeadTable, layers: Sequence[int], heads: int, count: int, seed: int) -> Draws:
    """Sets of as many heads in those of ``layers`` that ``table`` does not touch.

    Each edited layer's number of heads goes to another layer, in order of layers; which layers
    these are is drawn too. No draw where more layers are edited than are left.
    """
    free = [layer for layer in layers if layer not in table]
    # Sizes stay in order of layers, so that a draw is a choice of layers and of heads in each.
    sizes = [len(own) for own in table.values()]
    ways = math.prod(math.comb(heads, size) for size in sizes)
    if len(free) < len(sizes):
        return Draws((), 0)
    every = tuple(range(heads))
    found: dict[tuple[tuple[int, Heads], ...], None] = {}
    generator = random.Random(f"headbench-controls/layers/{seed}")
    possible = math.comb(len(free), len(sizes)) * ways
    # Drawn and compared: listing every way would take as long as there are ways.
    while len(found) < min(count, possible):
        chosen = sorted(generator.sample(free, len(sizes)))
        pairs = zip(chosen, sizes, strict=True)
        found.setdefault(
            tuple((layer, tuple(sorted(generator.sample(every, size)))) for layer, size in pairs)
        )
    return Draws(tuple(dict(draw) for draw in found), possible)


def sets_from(
    pools: HeadTable,
    sizes: Mapping[int, int],
    count: int,
    seed: int,
    but: HeadTable | None = None,
) -> Draws:
    """Distinct sets with ``sizes[layer]`` heads of ``pools[layer]``, uniformly without replacement.

    Args:
        pools: Layer -> heads that may be drawn.
        sizes: Layer -> how many are drawn.
        count: Draws wanted.
        seed: Fixes the draws.
        but: A set that is left out.
    """
    possible = math.prod(math.comb(len(pools[layer]), size) for layer, size in sizes.items())
    possible -= but is not None
    generator = random.Random(f"headbench-controls/{seed}")
    # Few sets are listed and shuffled, because late draws would mostly repeat earlier ones.
    source = _listed if possible <= _ENUMERATE else _drawn
    kept = (draw for draw in source(pools, sizes, generator) if but is None or draw != dict(but))
    return Draws(tuple(itertools.islice(kept, count)), possible)


def _sizes(table: HeadTable) -> dict[int, int]:
    return {layer: len(own) for layer, own in table.items()}


def _listed(
    pools: HeadTable, sizes: Mapping[int, int], generator: random.Random
) -> Iterator[HeadTable]:
    sets = [itertools.combinations(pools[layer], size) for layer, size in sizes.items()]
    every = [dict(zip(sizes, chosen, strict=True)) for chosen in itertools.product(*sets)]
    generator.shuffle(every)
    return iter(every)


def _drawn(
    pools: HeadTable, sizes: Mapping[int, int], generator: random.Random
) -> Iterator[HeadTable]:
    seen: set[tuple[Heads, ...]] = set()
    while True:
        draw = {
            layer: tuple(sorted(generator.sample(pools[layer], size)))
            for layer, size in sizes.items()
        }
        if tuple(draw.values()) not in seen:
            seen.add(tuple(draw.values()))
            yield draw
