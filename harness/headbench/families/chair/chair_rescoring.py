"""Options of ``headbench rescore --task chair``; what scores is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from headbench.results.rescorer import LogReading, RescoreOptions, Rescorer

if TYPE_CHECKING:
    from headbench.results.rescored import Rescored


class ChairOptions(RescoreOptions):
    """Options of CHAIR."""

    ground_truth: tuple[Path, ...] = Field(
        min_length=1,
        description="An object list per image, or COCO's instances and captions files.",
    )
    profile: str = Field("chair-2018", description="chair-2018 (as in papers) or chair-clean.")
    images: Path | None = Field(
        None, description="The images that were asked; those without a caption lower coverage."
    )
    drop_unfinished: bool = Field(
        False, description="Drop what follows the last sentence end of a caption."
    )


def _score(predictions: Path, options: ChairOptions, reading: LogReading) -> Rescored:
    from headbench.families.chair.rescore_chair import rescore_chair

    return rescore_chair(
        predictions,
        options.ground_truth,
        options.profile,
        reading.fields,
        reading.sampling,
        reading.marks,
        options.images,
        drop_unfinished=options.drop_unfinished,
    )


RESCORER = Rescorer(ChairOptions, _score, "captions, against the objects of their images")
