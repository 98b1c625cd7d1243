"""Adding given vectors to head outputs: ``z[:, t, h] <- z[:, t, h] + strength c[l, h]``.

``z`` is ``[batch, query, head, dim]`` before the output projection; ``c`` is a tensor
``[layer, head, dim]`` in a safetensors file. Heads whose vector is zero are left alone. In both
phases and all rows this equals a bias of ``o_proj`` and folds into the weights.

Sources, and the setting that equals a release:

* Inference-time intervention (Li et al., arXiv 2306.03341) adds ``alpha sigma_h theta_h``, unit
  direction times the spread of its projections: give the product as ``c`` and alpha as
  ``strength``. Its code edits the last position of each pass while generating, the prompt's last
  token included (``phase=from_last``), and the answer's positions alone when it scores one
  (``phase=decode``). Code that bakes the vectors in as a bias of ``o_proj`` without projecting them
  through its weight adds another vector, and is not followed: the bias that equals this edit is
  ``W_O c``, which ``headbench fold`` writes.
* LoFiT (Yin et al., arXiv 2406.01563) adds trained vectors at every position: the defaults.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from headbench.edits import Case, Contrast, Controls, Edit, Intervention
from headbench.errors import RefusedError
from headbench.interventions.control_draws import Draws, apart_sets, other_sets
from headbench.interventions.grammar import Value
from headbench.interventions.head_choice import table_of
from headbench.interventions.method import ProbeResults
from headbench.interventions.method_catalogue import Method
from headbench.interventions.vector_files import GivenVectors, VectorMethod, locate
from headbench.nouns import HeadTable, ModelInfo


class OffsetHeadsParams(GivenVectors):
    """Which vectors, how strongly, and where."""

    tensor: str = "offset"
    """Name of the tensor ``[layer, head, dim]``."""
    strength: float = 1.0
    """Factor of the vectors; 0 changes nothing."""


@dataclass(frozen=True)
class OffsetHeads(VectorMethod):
    """Add vectors to the heads that have one.

    Attributes:
        table: Layer -> heads that receive a vector.
        donors: For a control: layer -> heads whose vectors those heads receive, in order.
    """

    params: OffsetHeadsParams
    table: HeadTable
    donors: HeadTable

    def resolved(self) -> dict[str, Value]:
        """Parameters; for a control, also the heads it moves the vectors to."""
        values = super().resolved()
        if self.table != self.donors:
            pairs = tuple((layer, h) for layer, heads in self.table.items() for h in heads)
            values["control"] = pairs
        return values

    def edits(self, case: Case | None, probed: ProbeResults) -> tuple[Edit, ...]:
        """One offset at ``z``."""
        given = self.vectors.read()  # [layer, head, dim]
        placed = given.new_zeros(given.shape)
        for layer, heads in self.table.items():
            # The method's own heads receive their own vectors; a control's receive them in order.
            placed[layer, list(heads)] = given[layer, list(self.donors[layer])]
        return self.added("z", placed, self.table)

    def controls(self, count: int, seed: int) -> Controls | None:
        """The same vectors on other heads of the same layers."""
        return self._moved(other_sets(self.donors, self.info.heads, count, seed), excluded=False)

    def contrast(self, kind: Contrast, count: int, seed: int) -> Controls | None:
        """The same vectors on heads that have none; vectors stay in their layers."""
        if kind.heads != "apart":
            return None
        return self._moved(apart_sets(self.donors, self.info.heads, count, seed), excluded=True)

    def rescaled(self, factor: float) -> OffsetHeads:
        """The vectors times ``factor``."""
        strength = factor * self.params.strength
        return replace(self, params=self.params.model_copy(update={"strength": strength}))

    def _moved(self, draws: Draws, *, excluded: bool) -> Controls | None:
        if not draws.possible:
            return None
        methods: tuple[Intervention, ...] = tuple(
            replace(self, table=table) for table in draws.tables
        )
        unit = "the same vectors on other heads of the same layers"
        return Controls(unit, methods, draws.possible, excluded, test=not excluded)


def build(params: OffsetHeadsParams, info: ModelInfo) -> OffsetHeads:
    """Read the vectors and find the heads that have one.

    Raises:
        DataError: The file or the tensor is missing.
        RefusedError: The vectors are of another model's shape, or all zero.
    """
    vectors = locate(params.file, params.tensor)
    given = vectors.read()
    needed = (info.layers, info.heads, info.output_dim)
    if tuple(given.shape) != needed:
        raise RefusedError(
            f"the vectors have shape {tuple(given.shape)}",
            where=params.file,
            hint=f"{info.name} needs {needed}",
        )
    # A head whose vector is zero is not edited, and no control may count it as one.
    pairs = [(int(layer), int(head)) for layer, head in given.abs().sum(-1).nonzero().tolist()]
    table = table_of(pairs, info)
    return OffsetHeads("offset_heads", params, info, vectors, table, table)


METHOD = Method(
    name="offset_heads",
    params_model=OffsetHeadsParams,
    build=build,
    summary="add given vectors to head outputs",
    source="arXiv 2306.03341, arXiv 2406.01563",
    needs=frozenset({"artefact"}),
)
