"""PAI, attention part: raise the scores of image keys in the rows that predict the next token.

For scores ``s`` ``[batch, head, query, key]``, mask already added, at the last prompt token and
every generated one, in all heads of the edited layers::

    s[j] <- s[j] + alpha |s[j]|      j an image key

Negative scores are raised too. The contrast of logits with a text-only prompt is not part of this
method. The control raises the scores of all other keys of the prompt in the image's place: there is
one such draw.

Source: "Paying More Attention to Image" (Liu et al., arXiv 2407.21771) and its released code:
layers 2 to the last of 32; alpha 0.5 for LLaVA and 0.2 for MiniGPT-4 in the paper (as others report
it), 0.2 in the code's defaults. Other depths take the same share of layers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import Field

from headbench.edits import Case, Columns, Controls, Edit, View
from headbench.interventions.image_methods import ImageBoost, image_keys
from headbench.interventions.layer_ranges import carried, check_layers, with_attention
from headbench.interventions.method import ProbeResults
from headbench.interventions.method_catalogue import Method, MethodParams
from headbench.interventions.strengths import PaperStrength, strength
from headbench.nouns import ModelInfo

if TYPE_CHECKING:
    from torch import Tensor

PAPER = PaperStrength(
    "alpha", {"llava": 0.5, "llava_next": 0.5}, 0.2, "arXiv 2407.21771 and its code"
)


class PaiParams(MethodParams):
    """How strongly, and where."""

    alpha: float | None = Field(None, ge=0)
    """Strength; 0 changes nothing. Default: 0.5 for LLaVA, else 0.2; for the shipped model the
    strength chosen on calibration scenes."""
    layers: tuple[int, ...] | None = None
    """Edited layers. Default: all but the first sixteenth."""


@dataclass(frozen=True)
class Pai(ImageBoost):
    """Raise image scores."""

    params: PaiParams

    def edits(self, case: Case | None, probed: ProbeResults) -> tuple[Edit, ...]:
        """One edit of image columns at ``scores``."""
        keys = image_keys if self.draw is None else other_keys
        return self.everywhere("scores", Columns(keys, self.raised, renormalise=True), "last")

    def raised(self, view: View, scores: Tensor) -> Tensor:
        """``s + alpha |s|``."""
        return scores + self.alpha * scores.abs()

    def controls(self, count: int, seed: int) -> Controls | None:
        """The prompt's other keys in the image's place."""
        unit = "the prompt's other keys in the image's place"
        draws = (replace(self, draw=0),) if count else ()
        return Controls(unit, draws, possible=1, excluded=True, test=False)


def other_keys(view: View) -> Tensor:
    """All positions of the prompt outside its image; none where it has no image."""
    import torch

    image = image_keys(view)
    every = torch.arange(view.prompt if len(image) else 0)
    return every[~torch.isin(every, image)]


def build(params: PaiParams, info: ModelInfo) -> Pai:
    """Resolve strength and layers for a model."""
    alpha, assumed = strength(params.alpha, "pai", PAPER, info)
    default = with_attention(carried(2, 31, 32, info.layers), info)
    layers = default if params.layers is None else params.layers
    return Pai("pai", params, info, check_layers(layers, info), alpha, assumed=assumed)


METHOD = Method(
    name="pai",
    params_model=PaiParams,
    build=build,
    summary="raise the scores of image keys where the next token is predicted",
    source="arXiv 2407.21771, attention part",
    needs=frozenset({"image"}),
    strength=PAPER,
)
