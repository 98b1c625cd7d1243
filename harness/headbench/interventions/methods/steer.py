"""Steering the residual stream: ``x[:, t] <- x[:, t] + strength d / ||d||`` after one layer.

``x`` is ``[batch, query, width]``, the output of a decoder layer; ``d`` is a direction ``[width]``,
or row ``layer`` of a tensor ``[layer, width]``, in a safetensors file.

Source: difference-of-means directions of unit norm, scaled and added to the residual stream (Handa
et al., arXiv 2509.04794; layer and strength are calibrated per trait, so neither has a default).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import Field

from headbench.edits import Case, Controls, Edit
from headbench.errors import RefusedError
from headbench.interventions.grammar import Value
from headbench.interventions.method import ProbeResults
from headbench.interventions.method_catalogue import Method
from headbench.interventions.vector_files import GivenVectors, VectorMethod, locate
from headbench.nouns import ModelInfo

SEEDS = 2**32
"""How many random directions the control may draw from."""


class SteerParams(GivenVectors):
    """Which direction, at which layer, how strongly."""

    tensor: str = "direction"
    """Name of the tensor ``[width]`` or ``[layer, width]``."""
    layer: int = Field(ge=0)
    """Layer after which the direction is added, 0-based."""
    strength: float
    """Length of the step along the direction; 0 changes nothing."""
    normalise: bool = True
    """Bring the direction to unit length first."""


@dataclass(frozen=True)
class Steer(VectorMethod):
    """Step along a direction.

    Attributes:
        draw: For a control: the seed of its random direction.
    """

    params: SteerParams
    draw: int | None = None

    def resolved(self) -> dict[str, Value]:
        """Parameters; for a control, also the seed of its direction."""
        values = super().resolved()
        if self.draw is not None:
            values["control"] = self.draw
        return values

    def edits(self, case: Case | None, probed: ProbeResults) -> tuple[Edit, ...]:
        """One offset at ``residual``."""
        import torch

        given = self.vectors.read()
        direction = given if given.ndim == 1 else given[self.params.layer]
        if self.draw is not None:
            generator = torch.Generator().manual_seed(self.draw)
            # Gaussian noise points everywhere alike; its length is replaced by the direction's.
            noise = torch.randn(direction.shape, generator=generator)
            direction = noise * direction.norm() / noise.norm()
        if self.params.normalise:
            direction = direction / direction.norm()
        stacked = torch.zeros(self.info.layers, direction.shape[0])  # [layer, width]
        stacked[self.params.layer] = direction
        return self.added("residual", stacked, {self.params.layer: ()})

    def controls(self, count: int, seed: int) -> Controls | None:
        """Random directions of the same length."""
        draws = tuple(replace(self, draw=(seed * 1_000_003 + i) % SEEDS) for i in range(count))
        return Controls("random directions of the same length", draws, SEEDS, excluded=False)


def build(params: SteerParams, info: ModelInfo) -> Steer:
    """Check the direction against the model.

    Raises:
        DataError: The file or the tensor is missing.
        RefusedError: No such layer, a wrong shape, or a direction of length zero.
    """
    vectors = locate(params.file, params.tensor)
    given = vectors.read()
    if params.layer >= info.layers:
        raise RefusedError(
            f"{info.name} has no layer {params.layer}", hint=f"layers: 0 to {info.layers - 1}"
        )
    if given.ndim not in (1, 2) or (given.ndim == 2 and given.shape[0] != info.layers):
        raise RefusedError(
            f"the direction has shape {tuple(given.shape)}",
            where=params.file,
            hint=f"give [width] or [{info.layers}, width]",
        )
    chosen = given if given.ndim == 1 else given[params.layer]
    if not bool(chosen.norm() > 0):
        raise RefusedError("the direction has length zero", where=params.file)
    return Steer("steer", params, info, vectors)


METHOD = Method(
    name="steer",
    params_model=SteerParams,
    build=build,
    summary="add a given direction to the residual stream after one layer",
    source="arXiv 2509.04794",
    needs=frozenset({"artefact"}),
)
