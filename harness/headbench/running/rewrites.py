"""Requests that interventions rewrite: what may change, and what is stored of a rewrite."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from headbench.edits import Rewrite
from headbench.errors import RefusedError
from headbench.jobs import Job, Model
from headbench.nouns import Answer, Request
from headbench.results.canonical import dumps
from headbench.results.derived import DerivedImages


def rewrite_jobs(
    model: Model, jobs: Sequence[Job], images: DerivedImages
) -> Iterator[tuple[int, Answer]]:
    """Have requests rewritten, and store the images that were made for them.

    Args:
        model: The adapter.
        jobs: One planned batch.
        images: Where images are kept.

    Yields:
        Index of the job, and the rewritten request as the text of an answer.

    Raises:
        RefusedError: a method changes what is asked, or names an image that nobody has.
    """
    for index, rewrite in model.rewrite(jobs):
        job = jobs[index]
        _check(rewrite, job)
        for sha256, data in rewrite.images.items():
            images.put(sha256, data)
        yield index, Answer(text=encode(rewrite.request), passes=rewrite.passes)


def encode(request: Request) -> str:
    """What a rewrite may change, as JSON."""
    return dumps(
        {
            "messages": [dict(turn) for turn in request.messages],
            "images": list(request.images),
            "spans": {name: [list(one) for one in at] for name, at in request.spans.items()},
        }
    )


def decode(request: Request, text: str) -> Request:
    """The rewritten form of ``request`` that :func:`encode` wrote."""
    fields: dict[str, Any] = json.loads(text)
    return replace(
        request,
        messages=tuple(fields["messages"]),
        images=tuple(fields["images"]),
        spans={
            name: tuple((turn, start, end) for turn, start, end in at)
            for name, at in fields["spans"].items()
        },
    )


def _check(rewrite: Rewrite, job: Job) -> None:
    """A rewrite may change messages, images and spans; all else is the task's."""
    given, made = job.request, rewrite.request
    where = f"document {given.document!r}, intervention {job.condition.name}"
    if replace(given, messages=made.messages, images=made.images, spans=made.spans) != made:
        raise RefusedError(
            "a rewritten request changes what the task asks for",
            where=where,
            hint="change messages, images and spans only",
        )
    unknown = [one for one in made.images if one not in (*given.images, *rewrite.images)]
    if unknown:
        raise RefusedError(
            "a rewritten request shows an image that neither the task nor the method provides",
            where=f"{where}, image {unknown[0][:16]}",
            hint="make the request with `headbench.extend.with_images`",
        )
