"""Gradients of a figure of the logits by what heads compute, where a capture looks.

A pass is differentiated from the embeddings on, because the weights themselves are frozen. The
pattern is never built whole: with z = P V, the gradient by a row of P is that by z, times V.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from headbench.errors import RefusedError
from headbench.interventions.edits.dense import grouped_scores, normalise
from headbench.interventions.edits.recorder import (
    BY_HEAD,
    OUTSIDE,
    Recorder,
    read_part,
    whole_rows,
)

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.interventions.edits.attention_inputs import AttentionInputs
    from headbench.interventions.edits.model_shape import ModelShape
    from headbench.interventions.edits.positions import PositionRange
    from headbench.interventions.edits.regions import Region
    from headbench.interventions.edits.sequence_edits import SequenceEdits
    from headbench.nouns import Capture


@dataclass(frozen=True)
class _Attended:
    """One attention call: its inputs, and its head outputs ``[batch, query, head, dim]``."""

    layer: int
    positions: PositionRange
    inputs: AttentionInputs
    z: Tensor

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.z, self.inputs.query, self.inputs.key, self.inputs.value


@dataclass(frozen=True)
class _Output:
    """What a decoder layer or a router gave, ``[batch, query, width]``."""

    site: str
    layer: int
    positions: PositionRange
    hidden: Tensor

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return (self.hidden,)


class GradientRecorder(Recorder):
    """Keeps the tensors of one pass, and records gradients in the place of their values.

    Args:
        captures: What is differentiated by.
        sequences: The sequences of the batch.
        shape: Sizes of the model.
        recorded: Numbers of the sequences that are recorded; ``None``: all of them.
    """

    def __init__(
        self,
        captures: Sequence[Capture],
        sequences: Sequence[SequenceEdits],
        shape: ModelShape,
        recorded: Collection[int] | None = None,
    ) -> None:
        super().__init__(captures, sequences, shape, recorded)
        self._kept: list[_Attended | _Output] = []

    def attention(
        self,
        layer: int,
        positions: PositionRange,
        inputs: AttentionInputs,
        z: Tensor,
        found: Sequence[Region] = (),
    ) -> None:
        """Keep one attention call.

        Raises:
            RefusedError: Scores or pattern of the layer are edited, and a gradient by them is
                asked for: it would have to go through the edit.
        """
        if found and any(one.site in BY_HEAD for one in self.captures_of(layer)):
            raise RefusedError(
                f"no gradient by the pattern of layer {layer} while an edit changes it",
                hint="take the gradient at z, or without the edit",
            )
        self._kept.append(_Attended(layer, positions, inputs, z))

    def outside(self, site: str, layer: int, positions: PositionRange, hidden: Tensor) -> None:
        """Keep what a decoder layer or a router gave."""
        self._kept.append(_Output(site, layer, positions, hidden))

    def differentiate(self, figure: Tensor) -> None:
        """Record the gradients of a figure, a scalar computed from the pass's logits.

        Raises:
            RefusedError: The figure does not depend on the logits.
        """
        if not figure.requires_grad:
            raise RefusedError(
                "the figure to differentiate does not depend on the logits",
                hint="compute it from the logits that it is given, without detach()",
            )
        tensors = [tensor for kept in self._kept for tensor in kept.tensors]
        found = iter(torch.autograd.grad(figure, tensors, allow_unused=True))
        for kept in self._kept:
            # None: nothing that was computed from this tensor reaches the figure.
            parts = [
                torch.zeros_like(tensor) if gradient is None else gradient
                for tensor, gradient in zip(kept.tensors, found, strict=False)
            ]
            if isinstance(kept, _Output):
                super().outside(kept.site, kept.layer, kept.positions, parts[0])
            else:
                self._record(kept, *parts)
        self._kept.clear()

    def _record(
        self, kept: _Attended, z: Tensor, query: Tensor, key: Tensor, value: Tensor
    ) -> None:
        """Record the gradients of one attention call, given those by its tensors."""
        inputs = replace(kept.inputs, query=query, key=key, value=value)
        for capture in self.captures_of(kept.layer):
            if capture.site in OUTSIDE:
                continue
            for index, (low, high) in self.wanted_rows(capture, kept.positions):
                if capture.site in BY_HEAD:
                    part = _pattern_gradient(
                        capture, kept.inputs.only(index), z[index, low:high], low,
                        self.columns(capture, index),
                    )  # fmt: skip
                else:
                    part = read_part(capture, inputs, z, index, (low, high), None)
                    part = self.of_span(capture, index, kept.positions, (low, high), part)
                self.add(index, capture, kept.layer, part)


@torch.no_grad()
def _pattern_gradient(
    capture: Capture, inputs: AttentionInputs, z: Tensor, low: int, columns: list[int] | None
) -> Tensor:
    """Gradient by the pattern, or by the scores it is made of, ``[head, row, key]``.

    A key that a row does not see has gradient 0: no change of the model's input gives it weight.

    Args:
        capture: What is recorded.
        inputs: The attention call of this row of the batch alone.
        z: Gradient by the head outputs ``[row, head, dim]``.
        low: First of these query rows in the call.
        columns: Padded positions of the keys that are wanted; ``None``: all.
    """
    inputs = replace(
        inputs, query=inputs.query.detach(), key=inputs.key.detach(), value=inputs.value.detach()
    )
    scores = grouped_scores(inputs, low, low + len(z))[0]  # [head, row, key]
    value = inputs.value[0].float()  # [kv head, key, dim]
    value = value.repeat_interleave(scores.shape[0] // value.shape[0], 0)  # [head, key, dim]
    # z[r, h] = sum over k of P[h, r, k] v[h, k], so dF/dP[h, r, k] = dF/dz[r, h] . v[h, k].
    gradient = torch.einsum("rhd,hkd->hrk", z.float(), value)
    gradient = gradient.masked_fill(scores == float("-inf"), 0.0)
    if capture.site == "scores":
        pattern = normalise(scores[None], inputs.extra.get("s_aux"))[0]
        # Through the softmax: raising one score lowers every other weight of its row.
        gradient = pattern * (gradient - (pattern * gradient).sum(-1, keepdim=True))
    return whole_rows(gradient, inputs.key_offset, columns, lost=0.0)
