"""Building POPE questions from annotated images, as the paper does.

Li et al. 2023 (arXiv 2305.10355), sec. 5: of each image the first three annotated objects are
asked about, and after each of them one object that is not there: drawn at random, the most
frequent one, or the one that occurs most often together with the object just asked about.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from headbench.errors import DataError

Setting = Literal["random", "popular", "adversarial"]
SETTINGS: tuple[Setting, ...] = ("random", "popular", "adversarial")


@dataclass(frozen=True)
class Annotated:
    """An image and what is in it.

    Attributes:
        image: Name, unique among the images.
        objects: Each once, in the order of annotation.
    """

    image: str
    objects: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        image: Name of the image.
        setting: How negatives were chosen.
        number: 1 to ``2 * positives``, within (image, setting).
        object: What is asked about.
        label: ``yes`` or ``no``.
    """

    image: str
    setting: str
    number: int
    object: str
    label: str


def build(
    images: Sequence[Annotated],
    *,
    seed: int,
    positives: int = 3,
    settings: Sequence[Setting] = SETTINGS,
) -> Iterator[Question]:
    """Questions image by image, and within an image setting by setting.

    Args:
        images: The sample; frequencies are counted over it, as in the paper. Images with fewer
            than ``positives`` objects must have been left out.
        seed: Of the random negatives; each image has its own stream.
        positives: Present objects per image; each is followed by an absent one.
        settings: Any of :data:`SETTINGS`.

    Raises:
        DataError: An image has too few objects, or none is left that it lacks.
    """
    frequency: Counter[str] = Counter()
    together: Counter[tuple[str, str]] = Counter()
    for image in images:
        frequency.update(image.objects)
        together.update(itertools.permutations(image.objects, 2))
    # Ties go by name, so that the order of the images does not decide.
    ranked = sorted(frequency, key=lambda name: (-frequency[name], name))
    for image in images:
        if len(image.objects) < positives:
            raise DataError(
                f"the image has {len(image.objects)} objects, fewer than {positives}",
                where=f"image {image.image}",
                hint="leave it out, or ask for fewer",
            )
        for setting in settings:
            chance = Random(f"pope/{seed}/{image.image}/{setting}")
            used = set(image.objects)
            for turn, present in enumerate(image.objects[:positives]):
                absent = _negative(setting, present, used, ranked, together, chance)
                if absent is None:
                    raise DataError(
                        "every known object is in the image or already asked about",
                        where=f"image {image.image}, setting {setting}",
                        hint="use more images, or fewer questions per image",
                    )
                used.add(absent)
                yield Question(image.image, setting, 2 * turn + 1, present, "yes")
                yield Question(image.image, setting, 2 * turn + 2, absent, "no")


def _negative(
    setting: str,
    present: str,
    used: set[str],
    ranked: Sequence[str],
    together: Counter[tuple[str, str]],
    chance: Random,
) -> str | None:
    """The absent object that follows a present one, or ``None`` where none is left."""
    left = [name for name in ranked if name not in used]
    if not left:
        return None
    if setting == "popular":
        return left[0]
    if setting == "adversarial":
        best = max(left, key=lambda name: (together[present, name], -left.index(name)))
        if together[present, best]:
            return best
    return chance.choice(left)
