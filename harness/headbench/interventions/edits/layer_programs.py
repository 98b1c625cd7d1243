"""Compiling the edits of a batch of rows into per-layer programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from headbench.edits import Bias, Columns, Edit, Mix, Offset, Scale, Select, Visible, ZeroDims
from headbench.errors import RefusedError
from headbench.interventions.edits.affine import AFFINE, AffineTable
from headbench.interventions.edits.positions import position_classes
from headbench.interventions.edits.sequence_edits import SequenceEdits
from headbench.interventions.layer_ranges import without_attention

if TYPE_CHECKING:
    from torch import Tensor

ALLOWED: dict[str, tuple[type, ...]] = {
    "q": (Scale, ZeroDims, Offset),
    "k": (Scale, ZeroDims),
    "v": (Scale,),
    "scores": (Bias, Columns, Visible),
    "pattern": (Columns,),
    "z": (Scale, Offset, Mix),
    "residual": (Offset,),
}


@dataclass(frozen=True)
class ModelShape:
    """Sizes that the tables need.

    Attributes:
        layers: Decoder layers, with attention or without.
        heads: Query heads per layer.
        kv_heads: Key/value heads per layer.
        head_dim: Width of a head's queries and keys.
        value_dim: Width of a head's values and outputs.
        width: Width of the residual stream.
        attention: The layers with attention, ascending; ``None``: every layer.
        model: What the model is called in errors.
    """

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    width: int
    attention: tuple[int, ...] | None = None
    model: str = "the model"

    @property
    def attending(self) -> tuple[int, ...]:
        """The layers with attention, by their number among all decoder layers."""
        return tuple(range(self.layers)) if self.attention is None else self.attention


@dataclass(frozen=True)
class PendingSelection:
    """A per-sample selection waiting for row t0: batch row, the row it belongs to, its edit."""

    batch_row: int
    row: int
    number: int
    edit: Edit
    select: Select


@dataclass
class Stage:
    """One step of a site: an affine table, and the selections that will still write into it."""

    table: AffineTable
    picks: list[PendingSelection] = field(default_factory=list)


@dataclass(frozen=True)
class PatternEdit:
    """An edit of scores or pattern, for one batch row and layer.

    Attributes:
        batch_row: Row of the batch.
        row: Index of the sequence.
        number: Order of the edit in its plan.
        edit: The edit.
        heads: Query heads.
        index: Heads and fixed columns as tensors, made once: a decoding step is short.
    """

    batch_row: int
    row: int
    number: int
    edit: Edit
    heads: tuple[int, ...]
    index: dict[str, Tensor] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class StaticChange:
    """What a static edit will do, for counting without looking at data."""

    batch_row: int
    row: int
    touched: frozenset[int]
    heads: frozenset[int]
    kind: Literal["attention", "residual"] = "attention"


@dataclass
class LayerProgram:
    """All edits of one layer."""

    q: AffineTable | None = None
    k: AffineTable | None = None
    v: AffineTable | None = None
    residual: AffineTable | None = None
    z: list[Stage] = field(default_factory=list)
    pattern: list[PatternEdit] = field(default_factory=list)
    facts: list[StaticChange] = field(default_factory=list)


def layers_of(edit: Edit, shape: ModelShape) -> Mapping[int, tuple[int, ...]]:
    """Layer -> heads of an edit; a selection may answer in every layer."""
    if callable(edit.where):
        return {layer: () for layer in shape.attending}
    if edit.site == "residual":
        return {layer: (0,) for layer in edit.where}
    return edit.where


def check(edit: Edit, shape: ModelShape) -> None:
    """Refuse what no site of this model can do.

    Raises:
        RefusedError: Unknown site for the operation, a layer or head out of range, or heads of a
            layer without attention.
    """
    allowed = ALLOWED.get(edit.site, ())
    if edit.site == "router":
        raise RefusedError(
            "the gates of a mixture are read, not edited",
            hint="capture at 'router', and edit 'z' or 'residual'",
        )
    if not isinstance(edit.op, allowed):
        raise RefusedError(
            f"{type(edit.op).__name__} cannot be done at site {edit.site!r}",
            hint=f"at {edit.site!r} the engine does "
            f"{', '.join(t.__name__ for t in allowed) or 'nothing'}",
        )
    _check_vector(edit, shape)
    if callable(edit.where):
        if edit.site != "z":
            raise RefusedError(f"heads are selected per sample at 'z' only, not at {edit.site!r}")
        return
    for layer, heads in edit.where.items():
        if not 0 <= layer < shape.layers:
            raise RefusedError(
                f"layer {layer} does not exist", hint=f"layers run from 0 to {shape.layers - 1}"
            )
        if heads and edit.site != "residual" and layer not in shape.attending:
            raise without_attention(shape.model, layer, shape.attending)
        if (
            wrong := []
            if edit.site == "residual"
            else [h for h in heads if not 0 <= h < shape.heads]
        ):
            raise RefusedError(
                f"head {wrong[0]} of layer {layer} does not exist",
                hint=f"query heads run from 0 to {shape.heads - 1}",
            )


def _check_vector(edit: Edit, shape: ModelShape) -> None:
    """Refuse vectors of another model's size."""
    vector = getattr(edit.op, "vector", getattr(edit.op, "target", None))
    if vector is None or isinstance(vector, str):
        return
    heads = (shape.layers, shape.heads, shape.head_dim if edit.site == "q" else shape.value_dim)
    wanted = (shape.layers, shape.width) if edit.site == "residual" else heads
    if tuple(vector.shape) != wanted:
        raise RefusedError(
            f"the vectors at {edit.site!r} have shape {tuple(vector.shape)}",
            hint=f"this model needs {wanted}",
        )


def kv_heads(edit: Edit, layer: int, heads: Sequence[int], shape: ModelShape) -> tuple[int, ...]:
    """The key/value heads that ``heads`` own completely.

    Raises:
        RefusedError: Some query head shares its key/value head with a head that is not listed.
    """
    ratio = shape.heads // shape.kv_heads
    owned = sorted({head // ratio for head in heads})
    whole = {kv * ratio + i for kv in owned for i in range(ratio)}
    if missing := sorted(whole - set(heads)):
        raise RefusedError(
            f"layer {layer}: query heads {missing} share the {edit.site} of the listed heads",
            hint=f"list every head of the group of {ratio}, or edit 'z' or 'q', "
            "which each query head owns",
        )
    return tuple(owned)


class _Builder:
    """Collects the programs of one batch."""

    def __init__(self, batch: int, shape: ModelShape) -> None:
        self.batch, self.shape = batch, shape
        self.programs: dict[int, LayerProgram] = {}
        # (batch row, layer) -> (stage its next z edit goes to, whether that stage has one already)
        self.at: dict[tuple[int, int], tuple[int, bool]] = {}

    def add(
        self, edit: Edit, layer: int, heads: tuple[int, ...], spot: tuple[int, int, int]
    ) -> None:
        """Put one edit of one batch row into the program of ``layer``."""
        batch_row, row, number = spot
        program = self.programs.setdefault(layer, LayerProgram())
        touched = position_classes(edit.phase, edit.rows)
        if edit.site in ("scores", "pattern"):
            program.pattern.append(PatternEdit(batch_row, row, number, edit, heads))
            return
        if edit.site == "z":
            stage = self._stage(program, (batch_row, layer), callable(edit.where))
            if callable(edit.where):
                stage.picks.append(PendingSelection(batch_row, row, number, edit, edit.where))
                return
            stage.table.edit([batch_row], touched, heads, edit.op, layer)
        elif edit.site == "residual":
            program.residual = program.residual or AffineTable(self.batch, 1, self.shape.width)
            program.residual.edit([batch_row], touched, heads, edit.op, layer)
        elif edit.site == "q":
            program.q = program.q or AffineTable(self.batch, self.shape.heads, self.shape.head_dim)
            program.q.edit([batch_row], touched, heads, edit.op, layer)
        else:
            dim = self.shape.head_dim if edit.site == "k" else self.shape.value_dim
            table = getattr(program, edit.site) or AffineTable(self.batch, self.shape.kv_heads, dim)
            setattr(program, edit.site, table)
            owned = kv_heads(edit, layer, heads, self.shape)
            table.edit([batch_row], touched, owned, edit.op, layer)
        kind: Literal["attention", "residual"] = "attention"
        if edit.site == "residual":
            kind = "residual"
        program.facts.append(StaticChange(batch_row, row, touched, frozenset(heads), kind))

    def _stage(self, program: LayerProgram, key: tuple[int, int], select: bool) -> Stage:
        index, used = self.at.get(key, (0, False))
        if select and used:
            index += 1
        while len(program.z) <= index:
            program.z.append(Stage(AffineTable(self.batch, self.shape.heads, self.shape.value_dim)))
        self.at[key] = (index + 1, False) if select else (index, True)
        return program.z[index]


def compile_rows(
    rows: Sequence[SequenceEdits], copies: int, shape: ModelShape
) -> dict[int, LayerProgram]:
    """Stack the edits of all rows by layer and site.

    Args:
        rows: The rows of the batch.
        copies: Adjacent batch rows for each of them.
        shape: Sizes of the model.

    Raises:
        RefusedError: An edit that the model cannot carry.
    """
    builder = _Builder(len(rows) * copies, shape)
    for row, content in enumerate(rows):
        for number, edit in enumerate(content.plan.edits):
            check(edit, shape)
            for layer, heads in layers_of(edit, shape).items():
                if not heads and not callable(edit.where):
                    continue
                for copy in range(copies):
                    builder.add(edit, layer, heads, (row * copies + copy, row, number))
    return builder.programs


def needs_values(program: LayerProgram) -> bool:
    """Whether an edit of the layer mixes values in."""
    return any(stage.table.weights for stage in program.z) or any(
        isinstance(pick.edit.op, Mix) for stage in program.z for pick in stage.picks
    )


__all__ = [
    "AFFINE",
    "LayerProgram",
    "ModelShape",
    "PatternEdit",
    "PendingSelection",
    "Stage",
    "StaticChange",
    "check",
    "compile_rows",
    "needs_values",
]
