"""One attached batch: runs every attention call of the model through its layer's program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from headbench.edits import Columns, View
from headbench.errors import RefusedError
from headbench.interventions.edits.attention_inputs import AttentionInputs
from headbench.interventions.edits.layer_programs import (
    LayerProgram,
    ModelShape,
    PendingSelection,
    Stage,
    StaticChange,
    compile_rows,
    needs_values,
)
from headbench.interventions.edits.mix_targets import MixTargets
from headbench.interventions.edits.path_choice import attend_pattern
from headbench.interventions.edits.positions import PositionRange, RowBounds, position_classes
from headbench.interventions.edits.recorder import Recorder
from headbench.interventions.edits.regions import Region, regions
from headbench.interventions.edits.sequence_edits import EditReport, SequenceEdits
from headbench.interventions.edits.unedited import unedited

ATTENTION_SITES = ("q", "k", "v", "scores", "pattern", "z")


class EditSession:
    """The rows of a batch with their compiled edits.

    Args:
        rows: What each row wants.
        shape: Sizes of the model.
    """

    def __init__(self, rows: Sequence[SequenceEdits], shape: ModelShape) -> None:
        self.rows, self.shape, self.report = tuple(rows), shape, EditReport(len(rows))
        self.recorder: Recorder | None = None
        self.layer_inputs: dict[int, Tensor] = {}
        self.copies = 1
        self._compile()
        self.call = PositionRange(self.bounds, 0, 0)

    def _compile(self) -> None:
        self.programs = compile_rows(self.rows, self.copies, self.shape)
        self.bounds = [RowBounds.of(row) for row in self.rows for _ in range(self.copies)]

    def begin(self, batch: int, start: int) -> None:
        """A forward pass of ``batch`` rows from padded position ``start`` begins.

        Raises:
            RefusedError: The batch is no multiple of the rows that were attached.
        """
        copies, rest = divmod(batch, len(self.rows))
        if rest or copies == 0:
            raise RefusedError(
                f"a batch of {batch} met a plan for {len(self.rows)} rows",
                hint="attach one row for each prompt of the batch",
            )
        if copies != self.copies:
            self.copies = copies
            self._compile()
        self.call = PositionRange(self.bounds, start, 0)

    @property
    def start(self) -> int:
        """Padded position of the first query row of the running pass."""
        return self.call.start

    def locate(self, rows: int) -> PositionRange:
        """Where the ``rows`` query rows of the running forward pass stand."""
        if self.call.rows != rows:
            self.call = PositionRange(self.bounds, self.call.start, rows)
        return self.call

    def attend(self, layer: int, inputs: AttentionInputs) -> Tensor:
        """Edited head outputs ``[batch, query, head, dim]`` of one attention call."""
        program = self.programs.get(layer)
        recorded = self.recorder is not None and self.recorder.wants(layer, *ATTENTION_SITES)
        if program is None and not recorded:
            return unedited(inputs)
        self.locate(inputs.query.shape[2])
        out = unedited(inputs) if program is None else self._edited(layer, program, inputs)
        if self.recorder is not None and recorded:
            self.recorder.attention(layer, self.call, inputs, out)
        return out

    def _edited(self, layer: int, program: LayerProgram, inputs: AttentionInputs) -> Tensor:
        if program.q is not None or program.k is not None or program.v is not None:
            inputs = self._edit_inputs(program, inputs)
        out = self._attention(layer, program, inputs)
        values = None
        if needs_values(program):
            memories = [row.memory for row in self.rows for _ in range(self.copies)]
            values = MixTargets(inputs, self.call, memories, layer)
        for stage in program.z:
            if stage.picks:
                self._pick(layer, program, stage, out)
            out = stage.table.apply(out, self.call, values, fresh=True)
        self._count(layer, program, "attention")
        return out

    def _attention(self, layer: int, program: LayerProgram, inputs: AttentionInputs) -> Tensor:
        if not program.pattern:
            return unedited(inputs)
        for edit in program.pattern:
            self.report.mark_visited(edit.row, "attention", layer)
            if self.call.start and isinstance(edit.edit.op, Columns) and edit.edit.op.reads:
                self._refuse_behind_prefix(self.bounds[edit.batch_row])
        hidden = self.layer_inputs.pop(layer, None)
        found = regions(program.pattern, self.rows, self.call, inputs, hidden, layer)
        return attend_pattern(inputs, found, self._tally)

    def _refuse_behind_prefix(self, bound: RowBounds) -> None:
        """Refuse prompt rows whose beginning was read in an earlier pass.

        What an edit reads of the prompt (its layer's input, the mass of its columns) is read off
        this pass, which holds the end of the prompt only.
        """
        if bound.pad < self.call.start < bound.decode:
            raise RefusedError(
                "an edit that reads the whole prompt met a prompt that continues behind a prefix",
                hint="encode the whole prompt in one pass",
            )

    def _tally(self, region: Region, count: int | Tensor) -> None:
        self.report.add_changed(region.row, count)

    def residual(self, layer: int, hidden: Tensor) -> Tensor:
        """Edited output of a decoder layer, ``[batch, query, width]``."""
        program = self.programs.get(layer)
        if program is None or program.residual is None:
            return hidden
        call = self.locate(hidden.shape[1])
        self._count(layer, program, "residual")
        return program.residual.apply(hidden[:, :, None], call)[:, :, 0]

    def note_input(self, layer: int, hidden: Tensor) -> None:
        """Keep the input of a decoder layer for edits that read it at prefill."""
        if self.call.start == 0:
            self.layer_inputs[layer] = hidden

    @property
    def edits_residual(self) -> tuple[int, ...]:
        """Layers whose output is edited."""
        found = [
            layer
            for row in self.rows
            for edit in row.plan.edits
            if edit.site == "residual" and not callable(edit.where)
            for layer in edit.where
        ]
        return tuple(sorted(set(found)))

    @property
    def reads_input(self) -> tuple[int, ...]:
        """Layers whose input an edit reads."""
        found = [
            layer
            for layer, program in self.programs.items()
            for item in program.pattern
            if isinstance(item.edit.op, Columns) and "layer_input" in item.edit.op.reads
        ]
        return tuple(sorted(set(found)))

    def _edit_inputs(self, program: LayerProgram, inputs: AttentionInputs) -> AttentionInputs:
        """Edit queries by their position, and keys and values by theirs."""
        query, key, value = inputs.query, inputs.key, inputs.value
        if program.q is not None:
            query = program.q.apply(query.transpose(1, 2), self.call).transpose(1, 2)
        if program.k is not None or program.v is not None:
            keys = PositionRange(self.bounds, inputs.key_offset, key.shape[2])
            if program.k is not None:
                key = program.k.apply(key.transpose(1, 2), keys).transpose(1, 2)
            if program.v is not None:
                value = program.v.apply(value.transpose(1, 2), keys).transpose(1, 2)
        return replace(inputs, query=query, key=key, value=value)

    def _pick(self, layer: int, program: LayerProgram, stage: Stage, z: Tensor) -> None:
        """Let the selections whose row t0 is in this call choose their heads."""
        for pick in list(stage.picks):
            row, bound = self.rows[pick.row], self.bounds[pick.batch_row]
            key = f"select/{pick.number}/{layer}"
            if key not in row.memory:
                at = bound.last - self.call.start
                if not 0 <= at < self.call.rows or self.call.start > bound.pad:
                    raise RefusedError(
                        "heads are selected at the last prompt row, and the prompt did not come "
                        "in one forward pass",
                        hint="prefill the whole prompt at once",
                    )
                companion = self._companion(row, z)
                row.memory[key] = self._select(layer, pick, z[pick.batch_row, at], companion)
            heads = tuple(torch.nonzero(row.memory[key]).flatten().tolist())
            self.report.mark_chosen(pick.row, layer, heads)
            edit = pick.edit
            touched = position_classes(edit.phase, edit.rows)
            program.facts.append(StaticChange(pick.batch_row, pick.row, touched, frozenset(heads)))
            if heads:
                stage.table.edit([pick.batch_row], touched, heads, edit.op, layer)
            stage.picks.remove(pick)

    def _companion(self, row: SequenceEdits, z: Tensor) -> Tensor | None:
        """The last prompt token of the companion of ``row``, ``[head, dim]``."""
        if row.companion is None:
            return None
        place = row.companion * self.copies
        return z[place, self.bounds[place].last - self.call.start]

    def _select(
        self, layer: int, pick: PendingSelection, z: Tensor, companion: Tensor | None
    ) -> Tensor:
        row = self.rows[pick.row]
        view = View(
            layer, self.call.start, row.prompt, row.spans, None, row.memory, row.probes, companion
        )
        return pick.select(view, z).to("cpu", torch.bool)

    def _count(self, layer: int, program: LayerProgram, kind: str) -> None:
        for fact in program.facts:
            if fact.kind != kind:
                continue
            self.report.mark_visited(fact.row, kind, layer)
            low, high = self.bounds[fact.batch_row].span(
                fact.touched, self.call.start, self.call.stop
            )
            self.report.add_changed(fact.row, (high - low) * len(fact.heads))
