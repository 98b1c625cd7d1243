"""What a page or a drawing of attention shows: one answer, or one before and after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headbench.look.attention_rows import AttentionRows, Pair

FAINT = 0.02
"""Share of a head's strongest weight below which a token counts as not looked at."""
SHORTEST_GAP = 8
"""Fewest neighbouring faint tokens that are left out of a text."""


@dataclass(frozen=True)
class Shade:
    """A token of a text, or the tokens between two that are left out.

    Attributes:
        text: The token; empty for a gap.
        weight: Its attention, in [0, 1].
        share: Its attention by the strongest on the page of this head, in [0, 1].
        left_out: Tokens of a gap.
    """

    text: str
    weight: float = 0.0
    share: float = 0.0
    left_out: int = 0


@dataclass(frozen=True)
class View:
    """The content of a page.

    Attributes:
        model: Display name.
        prompt: As the user wrote it.
        how: How the heads were chosen.
        sides: The unedited answer, and the one under an intervention where there is one.
        picture: PNG of the picture as the model sees it; empty without one.
    """

    model: str
    prompt: str
    how: str
    sides: tuple[AttentionRows, ...]
    picture: bytes = b""

    @property
    def heads(self) -> tuple[Pair, ...]:
        """The heads that are shown, in their order."""
        return self.sides[0].heads

    @property
    def rows(self) -> int:
        """Rows that are shown: of the longer answer."""
        return max(len(side.produced) for side in self.sides)

    @cached_property
    def image_scale(self) -> NDArray[np.float32]:
        """Each head's strongest weight on one image token, over all rows and sides, ``[head]``."""
        found = [side.weights[:, :, list(side.image)].max(axis=(0, 2)) for side in self.sides]
        return np.asarray(np.max(found, axis=0), dtype=np.float32)

    @cached_property
    def text_scale(self) -> NDArray[np.float32]:
        """The same on one token of the text behind the first, where idle attention rests."""
        found = []
        for side in self.sides:
            text = [at for at in range(1, side.weights.shape[2]) if at not in set(side.image)]
            found.append(side.weights[:, :, text].max(axis=(0, 2), initial=0.0))
        return np.asarray(np.max(found, axis=0), dtype=np.float32)

    def cells(self, side: AttentionRows, row: int, head: int) -> NDArray[np.float32]:
        """Attention over the image, ``[row of the grid, column]``."""
        if side.grid is None:
            raise ValueError("no image")
        return side.weights[row, head, list(side.image)].reshape(side.grid)

    def text(self, side: AttentionRows, row: int, head: int) -> Iterator[Shade]:
        """The text with its attention; long stretches that nobody looked at are left out."""
        scale = float(self.text_scale[head])
        image = set(side.image)
        seen = side.prompt + row  # positions that this row can see
        shades = [
            Shade(side.tokens[at], weight, min(1.0, weight / scale) if scale > 0 else 0.0)
            for at in range(seen)
            if at not in image
            for weight in [float(side.weights[row, head, at])]
        ]
        faint: list[Shade] = []
        for place, shade in enumerate(shades):
            if shade.share < FAINT and place < len(shades) - SHORTEST_GAP:
                faint.append(shade)
                continue
            yield from _shortened(faint)
            faint = []
            yield shade
        yield from _shortened(faint)


def _shortened(faint: list[Shade]) -> list[Shade]:
    """A stretch of faint tokens: as it is where it is short, else its ends and a gap."""
    if len(faint) < SHORTEST_GAP:
        return faint
    return [*faint[:2], Shade("", left_out=len(faint) - 4), *faint[-2:]]
