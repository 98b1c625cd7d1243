"""``dataset_path: walls``: Only Connect walls, NYT Connections, or the user's own."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from headbench.families.walls.walls_forms import wall_of
from headbench.tasks.data.source import DataRow, DataSpec
from headbench.tasks.data.tables import read_table
from headbench.tasks.data.user_files import split_file
from headbench.tasks.images import Images
from headbench.tasks.schema import Strict


class WallFileOptions(Strict):
    """``dataset_kwargs`` of walls from files."""

    data_files: str | dict[str, str] = Field(
        description="A file, or split -> file. One file serves every split: walls that were taken "
        "as examples are then left out of the test."
    )
    field: str | None = Field(None, description="Key of the list of walls within a JSON object.")
    seed: int = Field(0, description="Of the order in which clues are shown; files are solved.")


def rows(spec: DataSpec, images: Images) -> Iterator[DataRow]:
    """Yield walls with their clues shuffled: released files list them in solved order.

    Raises:
        DataError: A row is no wall.
    """
    options = spec.options(WallFileOptions)
    path = split_file(spec, options.data_files)
    for number, fields in enumerate(read_table(path, field=options.field)):
        wall = wall_of(fields)
        groups = [list(group) for group in wall.groups]
        connections = list(wall.connections)
        name = wall.id or f"wall-{number}"
        yield DataRow(
            {
                "id": name,
                "cluster": name,
                "clues": list(wall.clues(options.seed)),
                "groups": groups,
                "connections": connections,
                "target": {"groups": groups, "connections": connections},
            }
        )
