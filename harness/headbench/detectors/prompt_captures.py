"""Captures of whole prompts, requested through the adapter like any other answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from headbench.jobs import Condition, Job
from headbench.nouns import Answer, Capture, Request

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.detectors.detector import HeadModel

BASELINE = Condition("baseline")


def answers(model: HeadModel, jobs: Sequence[Job]) -> list[Answer]:
    """The answers in the order of the jobs, over the model's own plan."""
    found: dict[int, Answer] = {}
    for batch in model.plan(jobs):
        for place, answer in model.answer([jobs[index] for index in batch]):
            found[batch[place]] = answer
    return [found[index] for index in range(len(jobs))]


def represent(
    model: HeadModel, requests: Sequence[Request], captures: Sequence[Capture]
) -> list[Mapping[Capture, Tensor]]:
    """What unedited passes over the prompts hold at ``captures``, one mapping per request."""
    represent_requests = [
        replace(request, kind="represent", ask={"captures": tuple(captures)})
        for request in requests
    ]
    return [
        answer.arrays
        for answer in answers(model, [Job(one, BASELINE) for one in represent_requests])
    ]
