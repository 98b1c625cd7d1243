"""Scenes as data: what the world draws, the renderer paints and the captions name."""

from __future__ import annotations

from dataclasses import dataclass

SIZE = 128
"""Side of an image in pixels. The reference model's processor averages it down to 64."""
CELL = SIZE // 4
"""Side of a cell of the grid on which objects stand."""


@dataclass(frozen=True)
class Item:
    """One drawn object.

    Attributes:
        name: What it is.
        box: Left, top, right, bottom in pixels.
        opacity: 1 is solid.
        cover: The covered part (left, top, right, bottom), or ``None``.
    """

    name: str
    box: tuple[int, int, int, int]
    opacity: float = 1.0
    cover: tuple[int, int, int, int] | None = None

    @property
    def cell(self) -> int:
        """Index of the grid cell that holds the item, row by row, 0 to 15."""
        return (self.box[1] // CELL) * 4 + self.box[0] // CELL

    @property
    def ambiguous(self) -> bool:
        """Whether the item is small, covered or faint."""
        return self.box[2] - self.box[0] < 24 or self.cover is not None or self.opacity < 1


@dataclass(frozen=True)
class Scene:
    """What is in an image, and what its annotator said.

    Attributes:
        id: Stable name, ``scene-<split>-<seed>``.
        seed: Number within the split.
        place: Where it is. In the ``text`` world only words say so.
        backdrop: The backdrop that is drawn.
        items: Drawn objects, in caption order.
        said: Objects of the caption: exact outside the training split, noisy in it.
        smudges: Shapeless blots: box and colour of each.
        noise: Standard deviation of the pixel noise.
    """

    id: str
    seed: int
    place: str
    backdrop: str
    items: tuple[Item, ...]
    said: tuple[str, ...]
    smudges: tuple[tuple[tuple[int, int, int, int], tuple[int, int, int]], ...]
    noise: float

    @property
    def objects(self) -> tuple[str, ...]:
        """Objects in the image, in caption order."""
        return tuple(item.name for item in self.items)

    @property
    def ambiguous(self) -> tuple[str, ...]:
        """Objects that are small, covered or faint."""
        return tuple(item.name for item in self.items if item.ambiguous)
