"""A scale of ratings in a task: its answers are choices, its numbers a scorer option."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from headbench.errors import ConfigError
from headbench.nouns import ScoredText
from headbench.scoring.scorer import AskedStep, refuse_unknown


def check_scale(
    scorer: str,
    options: Mapping[str, object],
    steps: Sequence[AskedStep],
    more: Sequence[str] = (),
) -> None:
    """Refuse a wrong scale, and steps that do not ask for one rating each.

    Args:
        scorer: Its name.
        options: Of the scorer.
        steps: Of the task.
        more: Further options of the scorer.

    Raises:
        ConfigError: Either is so.
    """
    refuse_unknown(scorer, options, ("scale", *more))
    scale_of(options)
    if len(steps) != 1 or steps[0].kind not in ("score", "nexttoken"):
        raise ConfigError(
            f"the scorer {scorer} reads the log-probabilities of a scale's answers",
            where="steps",
            hint="ask one step with `output_type: multiple_choice` and `doc_to_choice`",
        )


def scale_of(options: Mapping[str, object]) -> tuple[float, ...]:
    """The number that each answer stands for.

    Raises:
        ConfigError: They are no finite numbers, or all one number.
    """
    scale = options.get("scale")
    numbers = (
        [float(one) for one in scale if isinstance(one, int | float) and math.isfinite(one)]
        if isinstance(scale, list | tuple)
        else []
    )
    if len(set(numbers)) < 2 or len(numbers) != len(scale):  # type: ignore[arg-type]
        raise ConfigError(
            f"no scale of ratings: {scale}",
            where="scorer_options.scale",
            hint="one number per answer of doc_to_choice, e.g. [1, 2, 3, 4, 5, 6, 7]",
        )
    return tuple(numbers)


def answer_scores(
    output: str, options: Mapping[str, object], document: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Log-probability of each answer, and its number.

    Raises:
        ConfigError: As many answers as numbers are not there, or one answer begins another: the
            probability of ``1`` holds that of ``10``.
    """
    scale = scale_of(options)
    if not isinstance(output, ScoredText) or len(output.scores) != len(scale):
        given = len(output.scores) if isinstance(output, ScoredText) else "no"
        raise ConfigError(
            f"{given} answers for a scale of {len(scale)} numbers",
            where=f"document {document}: scorer_options.scale",
            hint="give doc_to_choice one answer per number (--task-args answers=...,numbers=...)",
        )
    for one in output.choices:
        for other in output.choices:
            if one != other and other.startswith(one):
                raise ConfigError(
                    f"the answer {one!r} begins the answer {other!r}: its probability holds both",
                    where=f"document {document}: doc_to_choice",
                    hint="use answers of equal length, e.g. 0 to 9 or words",
                )
    if len(set(output.choices)) != len(output.choices):
        raise ConfigError(
            "an answer stands twice in the scale",
            where=f"document {document}: doc_to_choice",
            hint="list each answer once",
        )
    return output.scores, scale
