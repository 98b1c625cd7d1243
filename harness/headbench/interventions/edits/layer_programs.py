"""Compiling the edits of a batch into one program per layer.

A batch may hold any mix of plans (baseline, intervention, controls). Compiling sorts all their
edits by layer and site once, so that a pass of many short steps only looks its layer up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from headbench.edits import Edit, Mix, Select
from headbench.interventions.edits.affine import AffineTable
from headbench.interventions.edits.edit_checks import check_edit, layers_of, owned_kv_heads
from headbench.interventions.edits.model_shape import ModelShape
from headbench.interventions.edits.positions import position_classes
from headbench.interventions.edits.sequence_edits import SequenceEdits

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PendingSelection:
    """A per-sample selection of heads, waiting for the pass that holds the last prompt token.

    Attributes:
        batch_row: Row of the batch.
        sequence: Index of the sequence it belongs to.
        number: Order of the edit in its plan.
        edit: The edit.
        select: Chooses the heads.
    """

    batch_row: int
    sequence: int
    number: int
    edit: Edit
    select: Select


@dataclass
class OutputStage:
    """One step of the edits of head outputs: an affine table, and selections yet to fill it in.

    A selection reads ``z`` as the edits before it left it, so it begins a stage of its own; edits
    that need no look at ``z`` share the stage before.
    """

    table: AffineTable
    selections: list[PendingSelection] = field(default_factory=list)


@dataclass(frozen=True)
class PatternEdit:
    """An edit of scores or pattern, for one batch row and layer.

    Attributes:
        batch_row: Row of the batch.
        sequence: Index of the sequence it belongs to.
        number: Order of the edit in its plan.
        edit: The edit.
        heads: Query heads.
        index: Heads and fixed columns as tensors, made once: a decoding step is so short that
            building them anew would show.
    """

    batch_row: int
    sequence: int
    number: int
    edit: Edit
    heads: tuple[int, ...]
    index: dict[str, Tensor] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class StaticChange:
    """What an edit of fixed heads will change, counted from positions without reading any data.

    Attributes:
        batch_row: Row of the batch.
        sequence: Index of the sequence it belongs to.
        touched: Position classes.
        heads: Heads.
        kind: The kind of module that makes the change.
    """

    batch_row: int
    sequence: int
    touched: frozenset[int]
    heads: frozenset[int]
    kind: Literal["attention", "residual"] = "attention"


@dataclass
class LayerProgram:
    """All edits of one layer, in the order of the forward pass: inputs, pattern, outputs, stream.

    Attributes:
        q: Edits of queries.
        k: Edits of keys.
        v: Edits of values.
        pattern: Edits of scores and pattern, in order of batch rows and plans.
        z: Edits of head outputs, in stages.
        residual: Edits of the layer's output.
        static_changes: What the edits of fixed heads change, for the report.
    """

    q: AffineTable | None = None
    k: AffineTable | None = None
    v: AffineTable | None = None
    pattern: list[PatternEdit] = field(default_factory=list)
    z: list[OutputStage] = field(default_factory=list)
    residual: AffineTable | None = None
    static_changes: list[StaticChange] = field(default_factory=list)


class _Compiler:
    """Collects the programs of one batch."""

    def __init__(self, batch: int, shape: ModelShape) -> None:
        self.batch, self.shape = batch, shape
        self.programs: dict[int, LayerProgram] = {}
        # (batch row, layer) -> (stage its next z edit goes to, whether that stage has one already)
        self.next_stage: dict[tuple[int, int], tuple[int, bool]] = {}

    def add(
        self, edit: Edit, layer: int, heads: tuple[int, ...], place: tuple[int, int, int]
    ) -> None:
        """Put one edit into the program of ``layer``.

        Args:
            edit: The edit.
            layer: The layer.
            heads: Its heads there; none for a selection.
            place: Batch row, index of the sequence, order of the edit in its plan.
        """
        batch_row, sequence, number = place
        program = self.programs.setdefault(layer, LayerProgram())
        if edit.site in ("scores", "pattern"):
            program.pattern.append(PatternEdit(batch_row, sequence, number, edit, heads))
            return  # counted where it runs: how many rows it alters depends on the data
        touched = position_classes(edit.phase, edit.rows)
        kind: Literal["attention", "residual"] = "attention"
        if edit.site == "z":
            stage = self._stage(program, (batch_row, layer), callable(edit.where))
            if callable(edit.where):
                selection = PendingSelection(batch_row, sequence, number, edit, edit.where)
                stage.selections.append(selection)
                return  # counted once the heads are chosen
            stage.table.edit([batch_row], touched, heads, edit.op, layer)
        elif edit.site == "residual":
            kind = "residual"
            program.residual = program.residual or AffineTable(self.batch, 1, self.shape.width)
            program.residual.edit([batch_row], touched, heads, edit.op, layer)
        elif edit.site == "q":
            program.q = program.q or AffineTable(self.batch, self.shape.heads, self.shape.head_dim)
            program.q.edit([batch_row], touched, heads, edit.op, layer)
        else:  # k and v: tables over key/value heads, which query heads share
            dim = self.shape.head_dim if edit.site == "k" else self.shape.value_dim
            table = getattr(program, edit.site) or AffineTable(self.batch, self.shape.kv_heads, dim)
            setattr(program, edit.site, table)
            owned = owned_kv_heads(edit, layer, heads, self.shape)
            table.edit([batch_row], touched, owned, edit.op, layer)
        change = StaticChange(batch_row, sequence, touched, frozenset(heads), kind)
        program.static_changes.append(change)

    def _stage(self, program: LayerProgram, key: tuple[int, int], selects: bool) -> OutputStage:
        index, used = self.next_stage.get(key, (0, False))
        if selects and used:
            index += 1  # it reads z as the edits before it leave it
        while len(program.z) <= index:
            table = AffineTable(self.batch, self.shape.heads, self.shape.value_dim)
            program.z.append(OutputStage(table))
        # What follows a selection must see the heads it scaled, so it goes one stage further.
        self.next_stage[key] = (index + 1, False) if selects else (index, True)
        return program.z[index]


def compile_edits(
    sequences: Sequence[SequenceEdits], copies: int, shape: ModelShape
) -> dict[int, LayerProgram]:
    """Stack the edits of all sequences by layer and site.

    Args:
        sequences: The sequences of the batch.
        copies: Adjacent batch rows for each of them.
        shape: Sizes of the model.

    Raises:
        RefusedError: An edit that the model cannot carry.
    """
    compiler = _Compiler(len(sequences) * copies, shape)
    for index, sequence in enumerate(sequences):
        for number, edit in enumerate(sequence.plan.edits):
            check_edit(edit, shape)
            for layer, heads in layers_of(edit, shape).items():
                if not heads and not callable(edit.where):
                    continue  # a table may name a layer without any head
                for copy in range(copies):
                    compiler.add(edit, layer, heads, (index * copies + copy, index, number))
    return compiler.programs


def needs_values(program: LayerProgram) -> bool:
    """Whether an edit of the layer mixes values in."""
    return any(stage.table.weights for stage in program.z) or any(
        isinstance(selection.edit.op, Mix) for stage in program.z for selection in stage.selections
    )
