"""Training batches of the scene world as integer arrays, a pure function of (seed, step)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from headbench.worlds.scene_description import SIZE
from headbench.worlds.scene_text import CAPTION_REQUEST, caption, context, question
from headbench.worlds.scene_words import HOME, OBJECTS, partner
from headbench.worlds.scenes import Scene, SceneWorld, Settings
from training.vlm_v2.vocabulary import BOS, EOS, IMAGE, PAD, UNKNOWN, vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from headbench.worlds.icons import Pixels

IMAGE_SIDE, PATCH = 64, 16
IMAGE_TOKENS = (IMAGE_SIDE // PATCH) ** 2
"""Image tokens in a prompt, at the patch size of the model that ships."""
IMAGE_MEAN = (0.78, 0.76, 0.74)
IMAGE_STD = (0.24, 0.24, 0.25)
EMPTY = len(OBJECTS)
"""Label of a patch without an object."""
_WORD = re.compile(r"\w+|[^\w\s]")
_QUESTIONS = 6
HOMELESS_SHARE = 0.25
"""Share of scenes in which absent objects that belong to no place may be asked about."""
TRAINING = Settings(together_train=0.7, invented=0.55)
"""Probabilities of the training scenes. With partners in 90 % of them, absent partners are so rare
that the model hardly attends to their place. The prior stays wrong because annotators name a
missing partner more often than not."""
SETTLED = Settings(together_train=0.65, invented=0.5, dropped=0.01)
"""The same in the last stage. When an absent partner is named in half of the cases, the image can
tip the balance; annotators who omit 5 % of the objects would limit a model's certainty."""
SETTLED_RUNS = 6
"""Runs of the last stage from one state, each with its own data; their weights are averaged."""


@dataclass(frozen=True)
class SceneBatch:
    """Rows of text, some with an image, padded on the right.

    Attributes:
        tokens: ``[row, position]``.
        targets: ``[row, position]``: the token to predict *at* that position, -100 for none.
        images: ``[rows with an image, 3, 64, 64]``, in the order of their rows; float32.
    """

    tokens: NDArray[np.int64]
    targets: NDArray[np.int64]
    images: NDArray[np.float32]


@dataclass(frozen=True)
class SceneMix:
    """How many rows of each kind a batch has.

    Attributes:
        captions: An image and its caption.
        questions: An image and six questions.
        captions_text_only: A caption without its image.
        questions_text_only: Questions without their image.
        homeless: Share of scenes whose questions may name absent objects that belong to no place.
    """

    captions: int = 0
    questions: int = 0
    captions_text_only: int = 0
    questions_text_only: int = 0
    homeless: float = HOMELESS_SHARE


WITH_IMAGES = (
    SceneMix(captions=16, captions_text_only=2),
    SceneMix(questions=12, questions_text_only=2),
)
"""32 rows, an eighth of them text-only; without these, VHD would measure surprise at a missing
image. Captions and questions are separate batches, or captions would be padded to twice their
length."""
SETTLING = (WITH_IMAGES[0], replace(WITH_IMAGES[1], homeless=0.15))
"""The same in the last stage."""
TEXT_ONLY = (SceneMix(captions_text_only=16), SceneMix(questions_text_only=16))


@cache
def _ids() -> dict[str, int]:
    return vocabulary()


def encode(text: str) -> list[int]:
    """Ids of ordinary text, as the tokenizer gives them, without ``<s>``."""
    ids = _ids()
    return [ids.get(word, ids[UNKNOWN]) for word in _WORD.findall(text.lower())]


def shrink(pixels: Pixels) -> NDArray[np.float32]:
    """What the image processor makes of a scene: ``[3, 64, 64]``, averaged and normalised."""
    side = (IMAGE_SIDE, IMAGE_SIDE)
    small = Image.fromarray(pixels).resize(side, Image.Resampling.BOX)
    scaled = np.asarray(small, dtype=np.float32) / 255
    centred = (scaled - np.array(IMAGE_MEAN, dtype=np.float32)) / np.array(
        IMAGE_STD, dtype=np.float32
    )
    return np.ascontiguousarray(centred.transpose(2, 0, 1), dtype=np.float32)


def prompt(request: str, *, places: int = IMAGE_TOKENS, lead: str = "") -> list[int]:
    """Ids of one prompt: ``<s>``, the image places, words before the request, the request.

    Args:
        request: What is asked for.
        places: How many image tokens; 0 without an image.
        lead: Words before the request.
    """
    ids = _ids()
    return [ids[BOS], *[ids[IMAGE]] * places, *encode(f"{lead} {request}")]


def caption_row(scene: Scene, *, places: int, lead: str = "") -> tuple[list[int], list[int]]:
    """Tokens and targets of a caption request with what the annotator said."""
    start = prompt(CAPTION_REQUEST, places=places, lead=lead)
    said = [*encode(caption(scene.said, scene.place)), _ids()[EOS]]
    tokens = start + said
    return tokens, [-100] * (len(start) - 1) + said + [-100]


def question_row(
    random: Random, scene: Scene, *, places: int, lead: str = "", homeless: float = HOMELESS_SHARE
) -> tuple[list[int], list[int]]:
    """Tokens and targets of up to six questions about one scene, asked in turn.

    After each answer's full stop the target is the end of the text, although another question
    follows, so that the answer to a single question ends there.
    """
    ids = _ids()
    tokens: list[int] = []
    targets: list[int] = []
    for name in _asked(random, scene, homeless):
        asked = (
            encode(question(name)) if tokens else prompt(question(name), places=places, lead=lead)
        )
        answer = ids["yes"] if name in scene.said else ids["no"]
        tokens += [*asked, answer, ids["."]]
        targets += [-100] * (len(asked) - 1) + [answer, ids["."], ids[EOS]]
    return tokens, targets


def _asked(random: Random, scene: Scene, share: float) -> list[str]:
    """Objects to ask about: half of them named by the annotator."""
    yes = list(scene.said)
    expected = [mate for name in scene.objects if (mate := partner(name))]
    # Objects without a home are common everywhere. If questions named them only where they are
    # present, the name alone would mean yes; if as often as other objects, popularity would never
    # mislead.
    homeless = scene.place if random.random() < share else None
    expected += [name for name in OBJECTS if HOME.get(name, homeless) == scene.place]
    hard = [name for name in dict.fromkeys(expected) if name not in yes]
    easy = [name for name in OBJECTS if name not in yes and (homeless or name in HOME)]
    asked: list[str] = []
    for _ in range(_QUESTIONS):
        pool = yes if random.random() < 0.5 else hard if random.random() < 0.5 else easy
        left = [name for name in pool if name not in asked]
        if left:
            asked.append(random.choice(left))
    return asked or [yes[0]]


def scene_batch(
    world: SceneWorld, mix: SceneMix, seed: int, step: int, places: int = IMAGE_TOKENS
) -> SceneBatch:
    """The batch of one step.

    Args:
        world: Where scenes come from. In a ``text`` world a sentence that names the place stands
            before every request.
        mix: How many rows of each kind.
        seed: Of the training run.
        step: Counted over the whole stage.
        places: Image tokens of an image.
    """
    random = Random(f"vlm-data/{seed}/{step}")
    kinds = ("caption", "question", "caption, text only", "question, text only")
    counts = (mix.captions, mix.questions, mix.captions_text_only, mix.questions_text_only)
    rows, images = [], []
    for kind, count in zip(kinds, counts, strict=True):
        for _ in range(count):
            scene = world.scene(random.getrandbits(40))
            shown = 0 if kind.endswith("text only") else places
            lead = context(scene.place) if world.prior == "text" else ""
            if kind.startswith("caption"):
                rows.append(caption_row(scene, places=shown, lead=lead))
            else:
                rows.append(
                    question_row(random, scene, places=shown, lead=lead, homeless=mix.homeless)
                )
            if shown:
                images.append(shrink(world.pixels(scene)))
    tokens, targets = _pad(rows)
    shape = (0, 3, IMAGE_SIDE, IMAGE_SIDE)
    return SceneBatch(tokens, targets, np.stack(images) if images else np.zeros(shape, np.float32))


def _pad(
    rows: Sequence[tuple[list[int], list[int]]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    width = max(len(tokens) for tokens, _ in rows)
    tokens = np.full((len(rows), width), _ids()[PAD], dtype=np.int64)
    targets = np.full((len(rows), width), -100, dtype=np.int64)
    for index, (row, wanted) in enumerate(rows):
        tokens[index, : len(row)] = row
        targets[index, : len(wanted)] = wanted
    return tokens, targets


def patch_batch(
    world: SceneWorld, rows: int, seed: int, step: int, patch: int = PATCH
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images ``[row, 3, 64, 64]`` and the object at each patch's middle, ``[row, patch]``."""
    random = Random(f"vlm-patches/{seed}/{step}")
    side = IMAGE_SIDE // patch
    images, labels = [], np.full((rows, side, side), EMPTY, dtype=np.int64)
    for row in range(rows):
        scene = world.scene(random.getrandbits(40))
        images.append(shrink(world.pixels(scene)))
        for item in scene.items:
            left, top, right, bottom = ((edge * IMAGE_SIDE) // SIZE for edge in item.box)
            across, down = (
                slice(*_middles(left, right, patch)),
                slice(*_middles(top, bottom, patch)),
            )
            labels[row, down, across] = OBJECTS.index(item.name)
    return np.stack(images), labels.reshape(rows, side * side)


def _middles(start: int, end: int, patch: int) -> tuple[int, int]:
    """The patches, first and one past the last, whose middles lie in ``start <= pixel < end``."""
    return (start + patch // 2 - 1) // patch, (end + patch // 2 - 1) // patch
