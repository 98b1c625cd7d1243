"""What heads are measured on: the calibration splits of the packaged worlds.

No document of a task's test split is used: heads are chosen on one split and judged on another.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import count, islice
from typing import TYPE_CHECKING

from headbench.detectors.detector import Marks, Trial, Trials, World
from headbench.errors import DataError
from headbench.models.base_model import digest_of
from headbench.nouns import Request
from headbench.worlds import needles as needle_world
from headbench.worlds import scenes as scene_world
from headbench.worlds.png import png
from headbench.worlds.scene_text import question as scene_question
from headbench.worlds.scene_words import OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headbench.worlds.needles import NeedleDocument
    from headbench.worlds.scenes import Scene

LENGTH = 384
"""Words of a needle prompt."""
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
CELLS = 4
"""Cells of a scene's grid, down and across."""
IMAGE = "<image>"
NOTHING = "N/A"
"""The question of the null prompt (arXiv 2605.27243)."""
_SEEDS_APART = 1_000_000


def load(world: World, limit: int, seed: int = 0, length: int = LENGTH) -> Trials:
    """Calibration trials, the same for the same arguments.

    Args:
        world: ``needles`` (a question about one fact in filler text) or ``scenes`` (an image, and
            whether an object is in it: half of the objects are, and their place is marked).
        limit: How many.
        seed: Which ones.
        length: Words of a needle prompt; pictures have no length.
    """
    images: dict[str, bytes] = {}
    marks: dict[str, Marks] = {}
    if world == "needles":
        trials = tuple(_needles(limit, seed, length))
        version, size = needle_world.WORLD_VERSION, {"length": length}
    else:
        trials = tuple(islice(_scenes(seed, images, marks), limit))
        version, size = scene_world.WORLD_VERSION, {}
    digest = digest_of([[dict(turn) for turn in trial.request.messages] for trial in trials])
    return Trials(
        trials,
        {
            "world": world,
            "version": version,
            "split": "calibration",
            "documents": len(trials),
            "sha256": digest,
            **size,
        },
        "evidence" if world == "needles" else "image",
        images,
        marks,
    )


def without_image(request: Request) -> Request:
    """The same words without the image: its marker is dropped, nothing takes its place."""
    messages = tuple(
        {**turn, "content": turn["content"].replace(IMAGE, "")} for turn in request.messages
    )
    return replace(request, messages=messages, images=(), spans={})


def without_question(request: Request) -> Request:
    """The same context with the question ``N/A``.

    Raises:
        DataError: The request marks no question, or marks something after it.
    """
    places = request.spans.get("question", ())
    others = [at for name, found in request.spans.items() if name != "question" for at in found]
    if len(places) != 1 or any(at[0] == places[0][0] and at[2] > places[0][1] for at in others):
        raise DataError(
            "the prompt does not end with one marked question",
            where=f"document {request.document!r}",
            hint="mark the question, and put what it asks about before it",
        )
    turn, start, end = places[0]
    messages = [dict(message) for message in request.messages]
    text = messages[turn]["content"]
    messages[turn]["content"] = text[:start] + NOTHING + text[end:]
    spans = {**request.spans, "question": ((turn, start, start + len(NOTHING)),)}
    return replace(request, messages=tuple(messages), spans=spans)


def _needles(limit: int, seed: int, length: int) -> Iterator[Trial]:
    """One needle each; families and depths take turns."""
    worlds = [needle_world.NeedleWorld("calibration", family) for family in ("words", "numbers")]
    for index in range(limit):
        depth = DEPTHS[index // 2 % len(DEPTHS)]
        yield _needle(worlds[index % 2].document(seed + index, length, depth))


def _needle(document: NeedleDocument) -> Trial:
    question = document.questions[0]
    start = len(document.context) + 1
    return Trial(
        Request(
            document=document.id,
            step="detect",
            index=0,
            kind="represent",
            messages=({"role": "user", "content": document.prompt()},),
            spans={
                "evidence": ((0, *document.needles[0].values_span),),
                "question": ((0, start, start + len(question.text)),),
            },
        ),
        question.answer,
    )


def _scenes(seed: int, images: dict[str, bytes], marks: dict[str, Marks]) -> Iterator[Trial]:
    """A present and an absent object in turn, a picture each."""
    world = scene_world.SceneWorld("calibration")
    objects = OBJECTS
    for index in count():
        scene = world.scene(seed * _SEEDS_APART + index)
        there = index % 2 == 0
        named = [name for name in objects if (name in scene.objects) is there]
        if named:
            trial = _scene(world, scene, named[index // 2 % len(named)], there, images)
            place = [
                item for item in scene.items if _name(scene, item.name) == trial.request.document
            ]
            if place:
                marks[trial.request.document] = _mark(place[0].cell)
            yield trial


def _scene(
    world: scene_world.SceneWorld,
    scene: Scene,
    name: str,
    there: bool,
    images: dict[str, bytes],
) -> Trial:
    picture = png(world.render(scene))
    sha256 = hashlib.sha256(picture).hexdigest()
    images[sha256] = picture
    lead, question = f"{IMAGE}\n", scene_question(name)
    return Trial(
        Request(
            document=_name(scene, name),
            step="detect",
            index=0,
            kind="represent",
            messages=({"role": "user", "content": lead + question},),
            images=(sha256,),
            spans={"question": ((0, len(lead), len(lead) + len(question)),)},
        ),
        "Yes" if there else "No",
    )


def _name(scene: Scene, name: str) -> str:
    return f"{scene.id}-{name}"


def _mark(cell: int) -> Marks:
    """One cell of the scene's grid."""
    rows = range(0, CELLS * CELLS, CELLS)
    return Marks(
        "image",
        tuple(tuple(float(row + at == cell) for at in range(CELLS)) for row in rows),
    )
