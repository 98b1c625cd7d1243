"""Documents of the wall world."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from pydantic import Field

from headbench.tasks.data.source import DataRow, DataSpec
from headbench.tasks.images import Images
from headbench.tasks.schema import Strict
from headbench.worlds.walls import MAX_HERRINGS, Split, Wall, WallWorld

_SEEDS_APART = 1_000_000


class WallOptions(Strict):
    """``dataset_kwargs`` of the world ``walls``."""

    n: int = Field(60, ge=1, le=100_000, description="Walls.")
    herrings: tuple[int, ...] = Field(
        (0, 2), description=f"Red herrings per wall, 0 to {MAX_HERRINGS}; walls take turns."
    )
    seed: int = Field(0, ge=0, description="Which walls.")


def wall_rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Yield walls; kinds with different numbers of red herrings take turns."""
    options = spec.options(WallOptions)
    worlds = [WallWorld(cast("Split", spec.split), herrings) for herrings in options.herrings]
    for number in range(options.n):
        world = worlds[number % len(worlds)]
        yield _row(world.wall(options.seed * _SEEDS_APART + number))


def _row(wall: Wall) -> DataRow:
    groups = [list(group) for group in wall.groups]
    connections = list(wall.connections)
    return DataRow(
        {
            "id": wall.id,
            "cluster": wall.id,
            "clues": list(wall.clues),
            "groups": groups,
            "connections": connections,
            "herrings": len(wall.herrings),
            "target": {"groups": groups, "connections": connections},
        }
    )
