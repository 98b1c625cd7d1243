"""The scene world: small images of drawn objects, with a prior that can be wrong.

A scene holds one to ten of the 29 objects (four on average), on a grid of 4 x 4 cells in front
of the backdrop of a place. Twelve pairs of objects often occur together. Three deliberate
properties make a model that is trained here hallucinate as larger models do:

* prior shift: the partner of an object is present in 90 % of training scenes, in 50 % of others;
* label noise: training captions name an absent partner in 45 % of cases, and drop 5 % of the
  objects (the captions of other splits are exact);
* ambiguity: objects may be small, covered or faint, smudges look like faint objects, and every
  pixel is noisy.

Nothing here needs torch. A scene is a function of (split, seed) alone: structure comes from
``random.Random.random`` and noise from raw PCG64 words, both of which are stable by contract.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Literal, TypeVar

from PIL import Image

from headbench.worlds.scene_description import CELL, Item
from headbench.worlds.scene_description import Scene as Scene
from headbench.worlds.scene_pixels import draw
from headbench.worlds.scene_words import HOME, OBJECTS, PAIRS, PLACES, partner

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from headbench.worlds.icons import Pixels

T = TypeVar("T")
Split = Literal["train", "calibration", "test"]
Prior = Literal["picture", "text"]


WORLD_VERSION = 1
"""Bumped when the same seed would give another scene."""

_CODES: dict[str, int] = {"train": 1, "calibration": 2, "test": 3}
_RANK = {name: index for index, name in enumerate(OBJECTS)}
_SINGLES = tuple(name for name in OBJECTS if name not in HOME)


@dataclass(frozen=True)
class Settings:
    """Probabilities of the world; tasks use the defaults.

    Attributes:
        together_train: Probability that an object's partner is present, in training scenes.
        together_other: The same, in calibration and test scenes.
        invented: Probability that a training caption names an absent partner.
        dropped: Probability that a training caption omits a present object.
        small: Probability that an object is drawn at 20 instead of 30 pixels.
        covered: Probability that part of an object is covered.
        faint: Probability that an object is nearly transparent.
        smudges: Probability of each of two smudges.
        noise: Standard deviation of the pixel noise, in grey levels.
    """

    together_train: float = 0.9
    together_other: float = 0.5
    invented: float = 0.45
    dropped: float = 0.05
    small: float = 0.3
    covered: float = 0.3
    faint: float = 0.12
    smudges: float = 0.5
    noise: float = 26.0


class SceneWorld:
    """A split of the scene world.

    Args:
        split: ``train``, ``calibration`` or ``test``; their scenes never coincide.
        prior: Where the misleading expectation comes from. ``picture``: a visible object suggests
            its partner. ``text``: words before the request name a place, and the place suggests its
            objects; backdrops are random.
        settings: Probabilities of the world.
    """

    def __init__(
        self, split: Split, prior: Prior = "picture", settings: Settings | None = None
    ) -> None:
        self.split: Split = split
        self.prior: Prior = prior
        self.settings = settings or Settings()

    def scene(self, seed: int) -> Scene:
        """The scene of a seed: the same on every machine."""
        random = Random(
            f"{self.prior}-{_CODES[self.split]}-{seed}"
        )  # strings are hashed by SHA-512
        place = _pick(random, PLACES)
        names = self._objects(random, place)
        cells = _shuffled(random, range(16))
        items = tuple(self._item(random, name, cells.pop()) for name in names)
        said = self._said(random, names, place) if self.split == "train" else names
        smudges = tuple(
            _smudge(random, cells.pop())
            for _ in range(2)
            if random.random() < self.settings.smudges
        )
        return Scene(
            id=f"scene-{self.split}-{seed}",
            seed=seed,
            place=place,
            backdrop=place if self.prior == "picture" else _pick(random, PLACES),
            items=items,
            said=said,
            smudges=smudges,
            noise=self.settings.noise,
        )

    def render(self, scene: Scene) -> Image.Image:
        """The image of a scene, RGB, 128 x 128."""
        return Image.fromarray(self.pixels(scene))

    def pixels(self, scene: Scene) -> Pixels:
        """The image of a scene as an array ``[128, 128, 3]``."""
        return draw(scene, (_CODES[self.split], scene.seed))

    def _objects(self, random: Random, place: str) -> tuple[str, ...]:
        if self.prior == "text":
            return self._objects_by_place(random, place)
        together = self._together
        local = PLACES.index(place) * 3
        names: set[str] = set()
        for which in _drawn_without_return(random, (3, 2, 1), 2 if random.random() < 0.6 else 1):
            pair = PAIRS[local + which]
            first = int(random.random() < 0.4)  # the first of a pair is the more common one
            names.add(pair[first])
            if random.random() < together:
                names.add(pair[1 - first])
        if random.random() < 0.35:  # something from elsewhere
            pair = _pick(random, PAIRS)
            names.add(pair[0])
            if random.random() < together:
                names.add(pair[1])
        names.update(name for name in _SINGLES if random.random() < 0.2)
        return _in_order(names)

    def _objects_by_place(self, random: Random, place: str) -> tuple[str, ...]:
        """Objects of the ``text`` world: the place suggests them, no object suggests another."""
        local = [name for name in OBJECTS if HOME.get(name) == place]
        other = [name for name in OBJECTS if HOME.get(name) != place]
        rate = 0.65 if self.split == "train" else 0.25
        names = {name for name in local if random.random() < rate}
        count = 2 if self.split == "train" else 3
        names.update(_pick(random, other) for _ in range(count))
        return _in_order(names)

    @property
    def _together(self) -> float:
        settings = self.settings
        return settings.together_train if self.split == "train" else settings.together_other

    def _said(self, random: Random, names: tuple[str, ...], place: str) -> tuple[str, ...]:
        settings = self.settings
        said = {name for name in names if random.random() >= settings.dropped}
        if self.prior == "text":
            expected: list[str] = [name for name in OBJECTS if HOME.get(name) == place]
        else:
            expected = [mate for name in names if (mate := partner(name))]
        absent = [name for name in expected if name not in names]
        said.update(name for name in absent if random.random() < settings.invented)
        return _in_order(said or set(names))

    def _item(self, random: Random, name: str, cell: int) -> Item:
        settings = self.settings
        size = 20 if random.random() < settings.small else 30
        left = cell % 4 * CELL + int(random.random() * (CELL - size + 1))
        top = cell // 4 * CELL + int(random.random() * (CELL - size + 1))
        box = (left, top, left + size, top + size)
        cover = _cover(random, box) if random.random() < settings.covered else None
        opacity = 0.22 if random.random() < settings.faint else 1.0
        return Item(name, box, opacity, cover)


def counts(scenes: Iterable[Scene]) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """How often objects occur, and how often two of them occur together.

    Returns:
        Scenes per object, and scenes per pair ``(a, b)`` with ``a`` before ``b`` in the fixed
        order.
    """
    single: Counter[str] = Counter()
    double: Counter[tuple[str, str]] = Counter()
    for scene in scenes:
        single.update(scene.objects)
        double.update(itertools.combinations(scene.objects, 2))
    return single, double


# ------------------------------------------------------------------ random draws


def _cover(random: Random, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Half of a box, from one of its four sides."""
    left, top, right, bottom = box
    across, down = (left + right) // 2, (top + bottom) // 2
    halves = (
        (left, top, across, bottom),
        (across, top, right, bottom),
        (left, top, right, down),
        (left, down, right, bottom),
    )
    return _pick(random, halves)


def _smudge(random: Random, cell: int) -> tuple[tuple[int, int, int, int], tuple[int, int, int]]:
    left, top = cell % 4 * CELL + 2, cell // 4 * CELL + 2
    shade = (int(random.random() * 256), int(random.random() * 256), int(random.random() * 256))
    return (left, top, left + 28, top + 28), shade


def _pick(random: Random, options: Sequence[T]) -> T:
    """One option. Uses ``random()`` only, the one stream that Python guarantees to keep."""
    return options[int(random.random() * len(options))]


def _shuffled(random: Random, numbers: Iterable[int]) -> list[int]:
    return sorted(numbers, key=lambda _: random.random())


def _drawn_without_return(random: Random, weights: tuple[int, ...], count: int) -> list[int]:
    left = dict(enumerate(weights))
    drawn = []
    for _ in range(count):
        mark = random.random() * sum(left.values())
        for index, weight in list(left.items()):
            mark -= weight
            if mark < 0:
                drawn.append(index)
                del left[index]
                break
    return drawn


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=_RANK.__getitem__))
