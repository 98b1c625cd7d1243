"""Did the arm break the model? Its next-token loss on a little neutral text.

The text is fixed and comes from the packaged worlds: prose for models of language, captions under
the task's own first images for models that see. The same rows run under every arm, so the
difference between arms is the edit's doing. The level itself says little.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from headbench.types import Answer, Document, Request
from headbench.worlds.filler import sentences
from headbench.worlds.scene_text import CAPTION_REQUEST, caption

STEP = "neutral"
ROWS = 8
"""Passages; enough for a mean that shows a broken model, few enough to cost little."""
_SENTENCES = 5
_SEED = 20240624  # any fixed number: the text must never depend on the run's seed
_CAPTIONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("knife", "fork", "cup"), "kitchen"),
    (("bed", "lamp"), "bedroom"),
    (("car", "house", "tree"), "street"),
    (("boat", "fish"), "beach"),
)


@dataclass(frozen=True)
class Neutral:
    """The neutral rows of a run.

    Attributes:
        name: Which text.
        requests: ``score`` requests, one continuation each.
    """

    name: Literal["prose", "captions"]
    requests: tuple[Request, ...]


def prose() -> Neutral:
    """Passages of filler: the first sentence is the prompt, the rest is scored."""
    stream = sentences(Random(_SEED), "test")
    requests = []
    for index in range(ROWS):
        first, *rest = (" ".join(words) for words in itertools.islice(stream, _SENTENCES))
        requests.append(_request(index, first, " ".join(["", *rest]), ()))
    return Neutral("prose", tuple(requests))


def captions(documents: Sequence[Document]) -> Neutral:
    """Fixed captions under the first distinct images of a task.

    Args:
        documents: Documents with images.
    """
    images = dict.fromkeys(sha for document in documents for sha in document.images.values())
    told = itertools.cycle(_CAPTIONS)
    prompt = f"<image>\n{CAPTION_REQUEST}"
    # Marked as a task's template would mark it, for methods that follow the question.
    question = (0, prompt.index(CAPTION_REQUEST), len(prompt))
    requests = [
        replace(
            _request(index, prompt, f" {caption(*next(told))}", (sha,)),
            spans={"question": (question,)},
        )
        for index, sha in enumerate(itertools.islice(images, ROWS))
    ]
    return Neutral("captions", tuple(requests))


def loss(answers: Sequence[Answer]) -> float | None:
    """Mean next-token loss in nats over all scored tokens; ``None`` where there are none."""
    values = [value for answer in answers for value in answer.logprobs]
    return -sum(values) / len(values) if values else None


def _request(index: int, prompt: str, text: str, images: tuple[str, ...]) -> Request:
    return Request(
        document=f"neutral-{index}",
        step=STEP,
        index=0,
        kind="score",
        messages=({"role": "user", "content": prompt},),
        images=images,
        ask={"continuations": (text,)},
    )
