"""Options of ``headbench rescore --task pope``; what scores is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from headbench.results.joins import Vouched
from headbench.results.rescorer import LogReading, RescoreOptions, Rescorer

if TYPE_CHECKING:
    from headbench.results.rescored import Rescored


class PopeOptions(RescoreOptions):
    """Options of POPE."""

    questions: tuple[Path, ...] = Field(
        min_length=1, description="The labelled questions; several files are several settings."
    )
    parser: str = Field(
        "pope_ref", description="pope_ref (as in papers), pope_strict, pope_robust."
    )
    join: Vouched | None = Field(
        None, description="You say that rows belong together by id, or by order."
    )


def _score(predictions: Path, options: PopeOptions, reading: LogReading) -> Rescored:
    if len(options.questions) > 1:
        from headbench.families.pope.rescore_settings import rescore_settings

        return rescore_settings(
            predictions,
            options.questions,
            options.parser,
            reading.fields,
            reading.sampling,
            reading.marks,
            options.join,
        )
    from headbench.families.pope.rescore_pope import rescore_pope

    return rescore_pope(
        predictions,
        options.questions[0],
        options.parser,
        reading.fields,
        reading.sampling,
        reading.marks,
        options.join,
    )


RESCORER = Rescorer(PopeOptions, _score, "answers, against labelled yes/no questions")
