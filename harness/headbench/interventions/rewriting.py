"""Methods that rewrite the request, perhaps with images that they make: a crop, noise, a collage.

The rewritten request takes the given one's place before anything is keyed or batched. An image is
named by the SHA-256 of its PNG file, whose bytes depend on the pixels alone, so that equal images
have one name, whoever made them.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headbench.edits import Case, Edit, Probe, Rewrite, Rewriter
from headbench.errors import RefusedError
from headbench.interventions.method import ProbeResults, RedrawnMethod
from headbench.jobs import Condition, Job
from headbench.nouns import Request

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class RewritingMethod(RedrawnMethod):
    """A method that rewrites the request and, by default, edits nothing inside the model."""

    @property
    def needs(self) -> frozenset[str]:
        """An image; requests without one are left alone."""
        return frozenset({"image"})

    def rewrite_probes(self, case: Case) -> tuple[Probe, ...]:
        """Unedited passes that :meth:`rewrite` reads; none."""
        return ()

    @abstractmethod
    def rewrite(self, case: Case, probed: ProbeResults) -> Rewrite:
        """The request to ask in place of ``case.request``; :func:`with_images` makes one."""

    def edits(self, case: Case | None, probed: ProbeResults) -> tuple[Edit, ...]:
        """No edit inside the model."""
        return ()


def with_images(
    case: Case, images: Sequence[Image], messages: Sequence[Mapping[str, str]] | None = None
) -> Rewrite:
    """The case's request with other images.

    Args:
        case: What would be asked.
        images: One for each ``<image>`` mark of the messages, in order.
        messages: Other messages, where the number of images changes; the spans of a message whose
            text changes are left out.

    Returns:
        The new request, with the PNG file of each image by its content hash.

    Raises:
        RefusedError: the messages have another number of ``<image>`` marks than there are images.
    """
    from headbench.worlds.png import png

    request = case.request
    turns = request.messages if messages is None else tuple(messages)
    marks = sum(turn["content"].count("<image>") for turn in turns)
    if marks != len(images):
        raise RefusedError(
            f"the rewritten prompt has {marks} <image> marks for {len(images)} images",
            where=f"document {request.document!r}, step {request.step!r}",
            hint="give one image for each mark",
        )
    files = [png(image) for image in images]
    names = tuple(hashlib.sha256(data).hexdigest() for data in files)
    same = {at for at, turn in enumerate(turns) if turn in request.messages[at : at + 1]}
    spans = {
        name: kept
        for name, ranges in request.spans.items()
        if (kept := tuple(one for one in ranges if one[0] in same))
    }
    return Rewrite(
        replace(request, messages=turns, images=names, spans=spans),
        dict(zip(names, files, strict=True)),
    )


def rewriter(condition: Condition, request: Request) -> Rewriter | None:
    """The part of a condition that rewrites a request; ``None``: it is asked as it is.

    Raises:
        RefusedError: two parts rewrite requests, and nobody could say which comes first.
    """
    rewriters = [part for part in condition.interventions if isinstance(part, Rewriter)]
    if len(rewriters) > 1:
        raise RefusedError(
            "two interventions rewrite the request",
            where=f"intervention {condition.name}",
            hint="run them one at a time",
        )
    if not rewriters or ("image" in rewriters[0].needs and not request.images):
        return None
    return rewriters[0]


def check_rewritten(job: Job) -> None:
    """Refuse to answer a request that the condition would first have rewritten.

    Raises:
        RefusedError: It was not rewritten.
    """
    if not job.rewritten and rewriter(job.condition, job.request) is not None:
        raise RefusedError(
            f"{job.condition.name} rewrites requests, and this one is still the task's",
            where=f"document {job.request.document!r}, step {job.request.step!r}",
            hint="ask through `headbench run`, or for the requests of `model.rewrite(jobs)`",
        )
