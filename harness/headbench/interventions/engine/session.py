"""One attached batch: runs every attention call of the model through its layer's program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from headbench.edits import Columns, View
from headbench.errors import RefusedError
from headbench.interventions.engine.attention import unedited
from headbench.interventions.engine.capture import Recorder
from headbench.interventions.engine.inputs import Inputs
from headbench.interventions.engine.paths import attend_pattern
from headbench.interventions.engine.places import Bounds, Call, classes
from headbench.interventions.engine.regions import Region, regions
from headbench.interventions.engine.rows import Firing, Row
from headbench.interventions.engine.stages import (
    Fact,
    Pick,
    Program,
    Shape,
    Stage,
    compile_rows,
    needs_values,
)
from headbench.interventions.engine.values import Values

ATTENTION_SITES = ("q", "k", "v", "scores", "pattern", "z")


class EditSession:
    """The rows of a batch with their compiled edits.

    Args:
        rows: What each row wants.
        shape: Sizes of the model.
    """

    def __init__(self, rows: Sequence[Row], shape: Shape) -> None:
        self.rows, self.shape, self.firing = tuple(rows), shape, Firing(len(rows))
        self.recorder: Recorder | None = None
        self.layer_inputs: dict[int, Tensor] = {}
        self.copies = 1
        self._compile()
        self.call = Call(self.bounds, 0, 0)

    def _compile(self) -> None:
        self.programs = compile_rows(self.rows, self.copies, self.shape)
        self.bounds = [Bounds.of(row) for row in self.rows for _ in range(self.copies)]

    def begin(self, batch: int, start: int) -> None:
        """A forward pass of ``batch`` rows from padded position ``start`` begins.

        Raises:
            RefusedError: The batch is no multiple of the rows that were attached.
        """
        copies, rest = divmod(batch, len(self.rows))
        if rest or copies == 0:
            raise RefusedError(
                f"a batch of {batch} met a plan for {len(self.rows)} rows",
                hint="attach one Row for each prompt of the batch",
            )
        if copies != self.copies:
            self.copies = copies
            self._compile()
        self.call = Call(self.bounds, start, 0)

    @property
    def start(self) -> int:
        """Padded position of the first query row of the running pass."""
        return self.call.start

    def locate(self, rows: int) -> Call:
        """Where the ``rows`` query rows of the running forward pass stand."""
        if self.call.rows != rows:
            self.call = Call(self.bounds, self.call.start, rows)
        return self.call

    def attend(self, layer: int, inputs: Inputs) -> Tensor:
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

    def _edited(self, layer: int, program: Program, inputs: Inputs) -> Tensor:
        if program.q is not None or program.k is not None or program.v is not None:
            inputs = self._edit_inputs(program, inputs)
        out = self._attention(layer, program, inputs)
        values = None
        if needs_values(program):
            memories = [row.memory for row in self.rows for _ in range(self.copies)]
            values = Values(inputs, self.call, memories, layer)
        for stage in program.z:
            if stage.picks:
                self._pick(layer, program, stage, out)
            out = stage.table.apply(out, self.call, values, fresh=True)
        self._count(layer, program, "attention")
        return out

    def _attention(self, layer: int, program: Program, inputs: Inputs) -> Tensor:
        if not program.pattern:
            return unedited(inputs)
        for edit in program.pattern:
            self.firing.reach(edit.row, "attention", layer)
            if self.call.start and isinstance(edit.edit.op, Columns) and edit.edit.op.reads:
                self._refuse_behind_prefix(self.bounds[edit.batch_row])
        hidden = self.layer_inputs.pop(layer, None)
        found = regions(program.pattern, self.rows, self.call, inputs, hidden, layer)
        return attend_pattern(inputs, found, self._tally)

    def _refuse_behind_prefix(self, bound: Bounds) -> None:
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
        self.firing.alter(region.row, count)

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

    def _edit_inputs(self, program: Program, inputs: Inputs) -> Inputs:
        """Edit queries by their position, and keys and values by theirs."""
        query, key, value = inputs.query, inputs.key, inputs.value
        if program.q is not None:
            query = program.q.apply(query.transpose(1, 2), self.call).transpose(1, 2)
        if program.k is not None or program.v is not None:
            keys = Call(self.bounds, inputs.key_offset, key.shape[2])
            if program.k is not None:
                key = program.k.apply(key.transpose(1, 2), keys).transpose(1, 2)
            if program.v is not None:
                value = program.v.apply(value.transpose(1, 2), keys).transpose(1, 2)
        return replace(inputs, query=query, key=key, value=value)

    def _pick(self, layer: int, program: Program, stage: Stage, z: Tensor) -> None:
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
                beside = self._beside(row, z)
                row.memory[key] = self._select(layer, pick, z[pick.batch_row, at], beside)
            heads = tuple(torch.nonzero(row.memory[key]).flatten().tolist())
            self.firing.choose(pick.row, layer, heads)
            edit = pick.edit
            touched = classes(edit.phase, edit.rows)
            program.facts.append(Fact(pick.batch_row, pick.row, touched, frozenset(heads)))
            if heads:
                stage.table.edit([pick.batch_row], touched, heads, edit.op, layer)
            stage.picks.remove(pick)

    def _beside(self, row: Row, z: Tensor) -> Tensor | None:
        """Row t0 of the row beside ``row``, ``[head, dim]``."""
        if row.beside is None:
            return None
        place = row.beside * self.copies
        return z[place, self.bounds[place].last - self.call.start]

    def _select(self, layer: int, pick: Pick, z: Tensor, beside: Tensor | None) -> Tensor:
        row = self.rows[pick.row]
        view = View(
            layer, self.call.start, row.prompt, row.spans, None, row.memory, row.probes, beside
        )
        return pick.select(view, z).to("cpu", torch.bool)

    def _count(self, layer: int, program: Program, kind: str) -> None:
        for fact in program.facts:
            if fact.kind != kind:
                continue
            self.firing.reach(fact.row, kind, layer)
            low, high = self.bounds[fact.batch_row].span(
                fact.touched, self.call.start, self.call.stop
            )
            self.firing.alter(fact.row, (high - low) * len(fact.heads))
