"""What methods share that edit the columns of an image, in every head of some layers.

Such a method leaves no other heads over to be its control. It declares one of its own kind: the
same edit with other columns, or other factors, in the place of those that it would choose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headbench.edits import Columns, Edit, View
from headbench.interventions.grammar import Value
from headbench.interventions.layer_ranges import all_heads
from headbench.interventions.method import RedrawnMethod
from headbench.nouns import Rows, Site

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ImageMethod(RedrawnMethod):
    """A method that edits image columns in every head of some layers.

    Attributes:
        layers: The layers that were resolved.
    """

    layers: tuple[int, ...]

    @property
    def needs(self) -> frozenset[str]:
        """An image."""
        return frozenset({"image"})

    def resolved(self) -> dict[str, Value]:
        """Parameters with the layers."""
        return super().resolved() | {"layers": self.layers}

    def everywhere(self, site: Site, op: Columns, rows: Rows) -> tuple[Edit, ...]:
        """One edit of all heads of the layers, of prompt and generated positions."""
        return (Edit(site, op, all_heads(self.layers, self.info), "both", rows),)


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
