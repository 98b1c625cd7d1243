"""Options of ``headbench rescore --task niah``; what scores is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from headbench.results.rescorer import LogReading, RescoreOptions, Rescorer

if TYPE_CHECKING:
    from headbench.results.rescored import Rescored


class NeedleOptions(RescoreOptions):
    """Options of needles; where rows name their needle, none is needed."""

    phrases: tuple[str, ...] = Field(
        (), description="What a response must hold; may be repeated. Else the rows' needle."
    )


def _score(predictions: Path, options: NeedleOptions, reading: LogReading) -> Rescored:
    from headbench.families.needles.rescore_needles import rescore_niah

    return rescore_niah(
        predictions, reading.fields, reading.sampling, options.phrases, reading.marks
    )


RESCORER = Rescorer(NeedleOptions, _score, "responses, or a judge's scores, by length and depth")
