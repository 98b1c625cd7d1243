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
    OutputStage,
    PendingSelection,
    StaticChange,
    compile_edits,
    needs_values,
)
from headbench.interventions.edits.mix_targets import MixTargets
from headbench.interventions.edits.model_shape import ModelShape
from headbench.interventions.edits.path_choice import attend_pattern
from headbench.interventions.edits.positions import PositionRange, RowBounds, position_classes
from headbench.interventions.edits.recorder import Recorder
from headbench.interventions.edits.regions import Region, regions
from headbench.interventions.edits.sequence_edits import EditReport, SequenceEdits
from headbench.interventions.edits.unedited import unedited

ATTENTION_SITES = ("q", "k", "v", "scores", "pattern", "z")


class EditSession:
    """The sequences of a batch with their compiled edits.

    Args:
        sequences: What each sequence wants.
        shape: Sizes of the model.

    Attributes:
        report: What the edits reached and altered.
        recorder: Collects captures, while there are any to make.
        programs: Layer -> its edits.
        bounds: Where the prompt of each batch row begins and ends.
        positions: Positions of the running forward pass.
    """

    def __init__(self, sequences: Sequence[SequenceEdits], shape: ModelShape) -> None:
        self.sequences, self.shape = tuple(sequences), shape
        self.report = EditReport(len(self.sequences))
        self.recorder: Recorder | None = None
        self.layer_inputs: dict[int, Tensor] = {}
        self.copies = 1
        self._compile()
        self.positions = PositionRange(self.bounds, 0, 0)

    def _compile(self) -> None:
        self.programs = compile_edits(self.sequences, self.copies, self.shape)
        # Copies of a sequence are adjacent in the batch: beams and samples are laid out like that.
        self.bounds = [RowBounds.of(one) for one in self.sequences for _ in range(self.copies)]

    def begin(self, batch: int, start: int) -> None:
        """A forward pass of ``batch`` rows from padded position ``start`` begins.

        Raises:
            RefusedError: The batch is no multiple of the sequences that were attached.
        """
        copies, rest = divmod(batch, len(self.sequences))
        if rest or copies == 0:
            raise RefusedError(
                f"a batch of {batch} met a plan for {len(self.sequences)} rows",
                hint="attach one SequenceEdits for each prompt of the batch",
            )
        if copies != self.copies:
            # Samples and beams multiply the rows after the prompt; their edits are compiled anew.
            self.copies = copies
            self._compile()
        self.positions = PositionRange(self.bounds, start, 0)

    @property
    def start(self) -> int:
        """Padded position of the first query row of the running pass."""
        return self.positions.start

    def locate(self, count: int) -> PositionRange:
        """The positions of the running pass, now that it is known to have ``count``.

        All layers of a pass share the object, and with it the index tensors it makes on demand.
        """
        if self.positions.count != count:
            self.positions = PositionRange(self.bounds, self.positions.start, count)
        return self.positions

    def attend(self, layer: int, inputs: AttentionInputs) -> Tensor:
        """Edited head outputs ``[batch, query, head, dim]`` of one attention call."""
        program = self.programs.get(layer)  # None: no edit concerns this layer
        recorded = self.recorder is not None and self.recorder.wants(layer, *ATTENTION_SITES)
        if program is None and not recorded:
            return unedited(inputs)
        self.locate(inputs.query.shape[2])
        found: Sequence[Region] = ()
        if program is None:
            out = unedited(inputs)
        else:
            inputs = self._edit_inputs(program, inputs)
            found = self._regions(layer, program, inputs)
            out = self._edited(layer, program, inputs, found)
        if self.recorder is not None and recorded:
            # What the model used: edited queries, keys and values, and the edits of the pattern.
            self.recorder.attention(layer, self.positions, inputs, out, found)
        return out

    def _edited(
        self, layer: int, program: LayerProgram, inputs: AttentionInputs, found: Sequence[Region]
    ) -> Tensor:
        out = attend_pattern(inputs, found, self._tally)  # [batch, query, head, dim]
        values = None
        if needs_values(program):
            memories = [one.memory for one in self.sequences for _ in range(self.copies)]
            values = MixTargets(inputs, self.positions, memories, layer)
        for stage in program.z:
            if stage.selections:
                self._select_heads(layer, program, stage, out)
            # The attention output belongs to this call alone, so the table may overwrite it.
            out = stage.table.apply(out, self.positions, values, fresh=True)
        self._count_static_changes(layer, program, "attention")
        return out

    def _edit_inputs(self, program: LayerProgram, inputs: AttentionInputs) -> AttentionInputs:
        """Edit queries by their position, and keys and values by theirs."""
        if program.q is None and program.k is None and program.v is None:
            return inputs
        # Attention has heads before positions, [batch, head, position, dim]; tables the other way.
        query, key, value = inputs.query, inputs.key, inputs.value
        if program.q is not None:
            query = program.q.apply(query.transpose(1, 2), self.positions).transpose(1, 2)
        if program.k is not None or program.v is not None:
            # Keys of the whole cache, which stays unedited: each pass edits what it reads.
            keys = PositionRange(self.bounds, inputs.key_offset, key.shape[2])
            if program.k is not None:
                key = program.k.apply(key.transpose(1, 2), keys).transpose(1, 2)
            if program.v is not None:
                value = program.v.apply(value.transpose(1, 2), keys).transpose(1, 2)
        return replace(inputs, query=query, key=key, value=value)

    def _regions(
        self, layer: int, program: LayerProgram, inputs: AttentionInputs
    ) -> Sequence[Region]:
        """Where the layer's edits of scores and pattern apply in this call."""
        if not program.pattern:
            return ()
        for item in program.pattern:
            self.report.mark_visited(item.sequence, "attention", layer)
            if self.positions.start and isinstance(item.edit.op, Columns) and item.edit.op.reads:
                self._refuse_behind_prefix(self.bounds[item.batch_row])
        layer_input = self.layer_inputs.pop(layer, None)  # [batch, query, width]
        return regions(program.pattern, self.sequences, self.positions, inputs, layer_input, layer)

    def _refuse_behind_prefix(self, bound: RowBounds) -> None:
        """Refuse prompt rows whose beginning was read in an earlier pass.

        What an edit reads of the prompt (its layer's input, the mass of its columns) is read off
        this pass, which holds the end of the prompt only.
        """
        if bound.pad < self.positions.start < bound.decode:
            raise RefusedError(
                "an edit that reads the whole prompt met a prompt that continues behind a prefix",
                hint="encode the whole prompt in one pass",
            )

    def _tally(self, region: Region, count: int | Tensor) -> None:
        self.report.add_changed(region.sequence, count)

    def residual(self, layer: int, hidden: Tensor) -> Tensor:
        """Edited output of a decoder layer, ``[batch, query, width]``."""
        program = self.programs.get(layer)
        if program is None or program.residual is None:
            return hidden
        positions = self.locate(hidden.shape[1])
        self._count_static_changes(layer, program, "residual")
        # The table edits heads; the stream passes as one head, [batch, query, 1, width].
        return program.residual.apply(hidden[:, :, None], positions)[:, :, 0]

    def note_input(self, layer: int, hidden: Tensor) -> None:
        """Keep the input of a decoder layer for edits that read it at prefill."""
        if self.positions.start == 0:
            self.layer_inputs[layer] = hidden

    @property
    def edits_residual(self) -> tuple[int, ...]:
        """Layers whose output is edited."""
        layers = {
            layer
            for sequence in self.sequences
            for edit in sequence.plan.edits
            if edit.site == "residual" and not callable(edit.where)
            for layer in edit.where
        }
        return tuple(sorted(layers))

    @property
    def reads_input(self) -> tuple[int, ...]:
        """Layers whose input an edit reads."""
        layers = {
            layer
            for layer, program in self.programs.items()
            for item in program.pattern
            if isinstance(item.edit.op, Columns) and "layer_input" in item.edit.op.reads
        }
        return tuple(sorted(layers))

    def _select_heads(
        self, layer: int, program: LayerProgram, stage: OutputStage, z: Tensor
    ) -> None:
        """Let the selections whose last prompt token is in this pass choose their heads.

        A choice is made once per answer, kept in the sequence's memory, and written into the
        stage's table: later steps then cost no more than fixed heads.
        """
        for selection in list(stage.selections):
            sequence = self.sequences[selection.sequence]
            bound = self.bounds[selection.batch_row]
            key = f"select/{selection.number}/{layer}"
            if key not in sequence.memory:
                at = bound.last - self.positions.start
                if not 0 <= at < self.positions.count or self.positions.start > bound.pad:
                    raise RefusedError(
                        "heads are selected at the last prompt row, and the prompt did not come "
                        "in one forward pass",
                        hint="prefill the whole prompt at once",
                    )
                companion_z = self._companion_z(sequence, z)
                chosen = self._choose(layer, selection, z[selection.batch_row, at], companion_z)
                sequence.memory[key] = chosen
            heads = tuple(torch.nonzero(sequence.memory[key]).flatten().tolist())
            self.report.mark_chosen(selection.sequence, layer, heads)
            edit = selection.edit
            touched = position_classes(edit.phase, edit.rows)
            program.static_changes.append(
                StaticChange(selection.batch_row, selection.sequence, touched, frozenset(heads))
            )
            if heads:
                # Also when the choice was remembered: a batch that shrinks compiles a new table.
                stage.table.edit([selection.batch_row], touched, heads, edit.op, layer)
            stage.selections.remove(selection)

    def _companion_z(self, sequence: SequenceEdits, z: Tensor) -> Tensor | None:
        """The companion's last prompt token, ``[head, dim]``."""
        if sequence.companion is None:
            return None
        batch_row = sequence.companion * self.copies
        return z[batch_row, self.bounds[batch_row].last - self.positions.start]

    def _choose(
        self, layer: int, selection: PendingSelection, z: Tensor, companion_z: Tensor | None
    ) -> Tensor:
        """The heads that a selection picks, bool ``[head]``, from ``z [head, dim]``."""
        sequence = self.sequences[selection.sequence]
        view = View(
            layer,
            self.positions.start,
            sequence.prompt,
            sequence.spans,
            None,
            sequence.memory,
            sequence.probes,
            companion_z,
        )
        return selection.select(view, z).to("cpu", torch.bool)

    def _count_static_changes(self, layer: int, program: LayerProgram, kind: str) -> None:
        """Count what edits of fixed heads change: positions x heads, by arithmetic alone."""
        for change in program.static_changes:
            if change.kind != kind:
                continue
            self.report.mark_visited(change.sequence, kind, layer)
            low, high = self.bounds[change.batch_row].span(
                change.touched, self.positions.start, self.positions.stop
            )
            self.report.add_changed(change.sequence, (high - low) * len(change.heads))
