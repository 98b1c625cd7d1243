"""Options of ``headbench rescore --task stickiness``; what scores is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from headbench.results.rescorer import LogReading, RescoreOptions, Rescorer

if TYPE_CHECKING:
    from headbench.results.rescored import Rescored


class StickinessOptions(RescoreOptions):
    """Options of annotation stickiness."""

    label: str = Field(description="The class that counts as yes, e.g. toxic.")
    parser: str = Field("label_robust", description="label_robust or label_form.")


def _score(predictions: Path, options: StickinessOptions, reading: LogReading) -> Rescored:
    from headbench.families.stickiness.rescore_stickiness import rescore_stickiness

    return rescore_stickiness(
        predictions, options.label, options.parser, reading.fields, reading.sampling, reading.marks
    )


RESCORER = Rescorer(StickinessOptions, _score, "labels of items under several conditions")
