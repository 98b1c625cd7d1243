"""Loss on neutral text: did the condition break the model?

The text is fixed and comes from the packaged worlds: prose, and for models that are shown images
also captions, each under the drawn scene that it describes. A caption must be true of its image: an
edit that makes a model look more raises the loss of a false one, and rightly so. The same passages
run under every condition, so the difference between conditions is the edit's doing. The level
itself says little.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Literal

from headbench.nouns import Answer, Request
from headbench.results.schema import NeutralLoss
from headbench.statistics import loss_change
from headbench.worlds.filler import sentences
from headbench.worlds.png import png
from headbench.worlds.scene_text import CAPTION_REQUEST, caption
from headbench.worlds.scenes import SceneWorld, Split

STEP = "neutral"
PASSAGES = 60
"""Passages of each text: enough for an interval of some hundredths of a nat."""
CONTROL_PASSAGES = 8
"""Passages under each control draw, the first ones: there are many draws."""
_SENTENCES = 5
FIRST_SCENE = 20240624
"""Any fixed number: the texts must never depend on the run's seed."""

Text = Literal["scene captions", "prose"]


@dataclass(frozen=True)
class Neutral:
    """One neutral text.

    Attributes:
        name: Which text.
        requests: ``score`` requests, one continuation each.
        pictures: Content hash -> how the image is drawn.
    """

    name: Text
    requests: tuple[Request, ...]
    pictures: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)


@cache
def prose() -> Neutral:
    """Passages of filler without an image: the first sentence is the prompt, the rest is scored."""
    stream = sentences(Random(FIRST_SCENE), "test")
    requests = []
    for index in range(PASSAGES):
        first, *rest = (" ".join(words) for words in itertools.islice(stream, _SENTENCES))
        requests.append(_request("prose", index, first, " ".join(["", *rest]), ()))
    return Neutral("prose", tuple(requests))


@cache
def captions(split: Split = "test") -> Neutral:
    """True captions of drawn scenes that no packaged task uses.

    Args:
        split: Strengths are chosen on calibration scenes; runs measure on test scenes.
    """
    world = SceneWorld(split)
    prompt = f"<image>\n{CAPTION_REQUEST}"
    # Marked as a task's template would mark it, for methods that follow the question.
    question = (0, prompt.index(CAPTION_REQUEST), len(prompt))
    requests, pictures = [], {}
    for index in range(PASSAGES):
        scene = world.scene(FIRST_SCENE + index)

        def draw(seed: int = FIRST_SCENE + index) -> bytes:
            return png(world.render(world.scene(seed)))

        sha256 = hashlib.sha256(draw()).hexdigest()
        pictures[sha256] = draw
        text = f" {caption(scene.objects, scene.place)}"
        request = _request("captions", index, prompt, text, (sha256,))
        requests.append(replace(request, spans={"question": (question,)}))
    return Neutral("scene captions", tuple(requests), pictures)


def measured(name: Text, answers: Sequence[Answer]) -> NeutralLoss | None:
    """The losses of some passages; ``None`` where not a token was scored."""
    tokens = tuple(len(answer.logprobs) for answer in answers)
    losses = tuple(-sum(answer.logprobs) for answer in answers)
    if not sum(tokens):
        return None
    return NeutralLoss(text=name, loss=sum(losses) / sum(tokens), losses=losses, tokens=tokens)


def against(base: NeutralLoss | None, other: NeutralLoss, level: float) -> NeutralLoss:
    """The same losses with their change against those of the baseline.

    Args:
        base: Losses at baseline; ``None`` leaves the change out.
        other: Losses under a condition, of the same passages or of the first of them.
        level: Coverage of the interval.
    """
    if base is None:
        return other
    count = len(other.losses)
    found = loss_change(base.losses[:count], other.losses, other.tokens, level)
    if found is None:
        return other
    return other.model_copy(
        update={"change": found.change, "low": found.low, "high": found.high, "level": level}
    )


def _request(name: str, index: int, prompt: str, text: str, images: tuple[str, ...]) -> Request:
    return Request(
        document=f"neutral-{name}-{index}",
        step=STEP,
        index=0,
        kind="score",
        messages=({"role": "user", "content": prompt},),
        images=images,
        ask={"continuations": (text,)},
    )
