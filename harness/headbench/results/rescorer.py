"""How a family scores recorded outputs: its options, and the function that reads and scores.

``headbench rescore --help`` reads the options of every family, so what scores is imported later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from headbench.results.fields import Fields
from headbench.scoring.thoughts import DEFAULT

if TYPE_CHECKING:
    from headbench.results.figures import Sampling
    from headbench.results.rescored import Rescored


class RescoreOptions(BaseModel):
    """Base of a family's options: each field is an option of ``headbench rescore``.

    ``ground_truth: tuple[Path, ...]`` is ``--ground-truth FILE``, given once or several times; the
    description of the field is its help. A field without a default must be given. A field of type
    ``bool`` with the default ``False`` is an option without a value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


def _sampling() -> Sampling:
    from headbench.results.rescored import SAMPLING

    return SAMPLING


@dataclass(frozen=True)
class LogReading:
    """What every family is told about how to read a log.

    Attributes:
        fields: Which field serves which role, where a user named it.
        marks: Marks of thoughts, which are cut before anything is read
            (:func:`headbench.scoring.thoughts.marks_of`).
        sampling: How intervals are made.
    """

    fields: Fields = field(default_factory=Fields)
    marks: Sequence[str] = DEFAULT
    sampling: Sampling = field(default_factory=_sampling)


@dataclass(frozen=True)
class Rescorer:
    """Scores the recorded outputs of one kind of task.

    Attributes:
        options: What it needs beside the predictions.
        score: ``(predictions, options, reading) -> Rescored``. Predictions are a path as the user
            wrote it; a family may give a word of its own a meaning.
        summary: One line for help: what is read, which figures come.
    """

    options: type[RescoreOptions]
    score: Callable[[Path, Any, LogReading], Rescored]
    summary: str = ""
