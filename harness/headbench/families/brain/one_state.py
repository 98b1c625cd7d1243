"""One state per answer: of a layer, or of one of its heads (option ``head``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from headbench.errors import ConfigError
from headbench.families.brain.captured_features import (
    WITHOUT_HEADS,
    arrays_of,
    check_layer_capture,
    head_features,
    layer_features,
)
from headbench.scoring.scorer import AskedStep, refuse_unknown

if TYPE_CHECKING:
    from headbench.families.brain.captured_features import Features

LAYER = -1
"""The option ``head`` where a whole layer is read."""


def check_state(
    scorer: str,
    options: Mapping[str, object],
    steps: Sequence[AskedStep],
    more: Sequence[str] = (),
) -> None:
    """Refuse what cannot give one state per answer.

    Args:
        scorer: Its name.
        options: Of the scorer: ``head``, and ``more``.
        steps: Of the task.
        more: Further options of the scorer.

    Raises:
        ConfigError: An unknown option, more than one capture, or a head of a site without heads.
    """
    refuse_unknown(scorer, options, ("head", *more))
    head = head_of(options)
    for step in steps:
        if head == LAYER:
            check_layer_capture(step)
        if len(step.captures) != 1:
            raise ConfigError(
                f"{len(step.captures)} captures where the scorer {scorer} reads one",
                where=f"step {step.name}: captures",
                hint="capture `residual`, or `z` with scorer_options.head",
            )
        site = step.captures[0].site
        if head != LAYER and site in WITHOUT_HEADS:
            raise ConfigError(
                f"{site} has no head {head}",
                where="scorer_options.head",
                hint="capture the site z (--task-args site=z,head=...)",
            )
        heads = step.model.heads if step.model is not None else None
        if heads is not None and head >= heads:
            raise ConfigError(
                f"head {head} does not exist",
                where="scorer_options.head",
                hint=f"heads are numbered from 0 to {heads - 1}",
            )


def head_of(options: Mapping[str, object]) -> int:
    """The head, or :data:`LAYER`.

    Raises:
        ConfigError: It is no such number.
    """
    head = options.get("head", LAYER)
    if isinstance(head, bool) or not isinstance(head, int) or head < LAYER:
        raise ConfigError(
            f"the head {head!r} is no number of a head",
            where="scorer_options.head",
            hint=f"0 or more with the site z, or {LAYER} for a whole layer",
        )
    return head


def state_of(output: str, options: Mapping[str, object], document: str) -> Features:
    """The state that an answer captured: ``[unit]``."""
    array, head = arrays_of(output, document)[0], head_of(options)
    if head == LAYER:
        return layer_features(array, document)
    return head_features(array, head, document)
