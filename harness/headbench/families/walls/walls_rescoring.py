"""Options of ``headbench rescore --task walls``; what scores is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from headbench.errors import ConfigError
from headbench.families.walls.wall_logs import HUMANS
from headbench.results.joins import Vouched
from headbench.results.rescorer import LogReading, RescoreOptions, Rescorer

if TYPE_CHECKING:
    from headbench.results.rescored import Rescored


class WallOptions(RescoreOptions):
    """Options of walls."""

    walls: Path = Field(description="The solved walls.")
    parser: str = Field("walls_ref", description="walls_ref (as in papers) or walls_robust.")
    join: Vouched | None = Field(
        None, description="You say that rows belong together by id, or by order."
    )


def _score(predictions: Path, options: WallOptions, reading: LogReading) -> Rescored:
    from headbench.families.walls.rescore_walls import rescore_walls

    people = str(predictions) == HUMANS
    unread = {"parser", "join"} & options.model_fields_set if people else set()
    if unread:
        name = min(unread)
        raise ConfigError(
            f"--task walls does not read --{name} for what people did",
            where=f"--{name}",
            hint="leave it out",
        )
    return rescore_walls(
        None if people else predictions,
        options.walls,
        options.parser,
        reading.fields,
        reading.sampling,
        reading.marks,
        options.join,
    )


RESCORER = Rescorer(
    WallOptions, _score, f"groupings of walls, or {HUMANS} for the people who played them"
)
