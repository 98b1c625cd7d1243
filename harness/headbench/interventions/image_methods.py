"""What methods share that edit the columns of an image, in every head of some layers.

Such a method leaves no other heads over to be its control. It declares one of its own kind: the
same edit with other columns, or other factors, in the place of those that it would choose.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from headbench.edits import Columns, Controls, Edit, Intervention, View
from headbench.interventions.grammar import Value
from headbench.interventions.layer_ranges import all_heads
from headbench.interventions.method import BoundMethod
from headbench.nouns import Rows, Site

if TYPE_CHECKING:
    from torch import Tensor

SEEDS = 2**32
"""How many random orders a control may draw from."""


@dataclass(frozen=True)
class ImageMethod(BoundMethod):
    """A method that edits image columns in every head of some layers.

    Attributes:
        layers: The layers that were resolved.
        draw: For a control: its number or seed.
    """

    layers: tuple[int, ...]
    draw: int | None = field(default=None, kw_only=True)

    @property
    def needs(self) -> frozenset[str]:
        """An image."""
        return frozenset({"image"})

    def resolved(self) -> dict[str, Value]:
        """Parameters with the layers; for a control, also its draw."""
        values = super().resolved() | {"layers": self.layers}
        return values if self.draw is None else values | {"control": self.draw}

    def everywhere(self, site: Site, op: Columns, rows: Rows) -> tuple[Edit, ...]:
        """One edit of all heads of the layers, of prompt and generated positions."""
        return (Edit(site, op, all_heads(self.layers, self.info), "both", rows),)

    def redrawn(self, unit: str, count: int, seed: int) -> Controls:
        """Controls that differ by the seed of a random order alone."""
        draws: tuple[Intervention, ...] = tuple(
            replace(self, draw=(seed * 1_000_003 + number) % SEEDS) for number in range(count)
        )
        return Controls(unit, draws, SEEDS, excluded=False)


@dataclass(frozen=True)
class ImageBoost(ImageMethod):
    """An image method of one strength, which acts where the next token is predicted.

    Attributes:
        alpha: The strength that was resolved.
    """

    alpha: float

    @property
    def idle(self) -> bool:
        """Strength 0."""
        return self.alpha == 0.0

    def resolved(self) -> dict[str, Value]:
        """Parameters with strength and layers."""
        return super().resolved() | {"alpha": self.alpha}


def image_keys(view: View) -> Tensor:
    """Positions of the image; none in a text-only prompt, which leaves the row as it is."""
    import torch

    return torch.tensor(view.spans.get("image", ()), dtype=torch.long)
