"""Forward passes over left-padded rows: padding, masks, positions and the cache, in one place."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache

if TYPE_CHECKING:
    from torch import Tensor

PixelInputs = Sequence[Mapping[str, "Tensor"]]
"""The images of one row."""


@dataclass(frozen=True)
class Line:
    """One row of a batch.

    Attributes:
        tokens: Ids, unpadded.
        image: Positions of image tokens.
        pixels: The processor's tensors, one mapping an image.
    """

    tokens: tuple[int, ...]
    image: tuple[int, ...] = ()
    pixels: tuple[Mapping[str, Tensor], ...] = ()


@dataclass
class State:
    """A batch between two passes.

    Attributes:
        logits: ``[row, kept position, vocabulary]``, float32.
        cache: Keys and values so far; ``None`` where none were asked for.
        mask: ``[row, position]`` of real tokens, or ``None`` where no row is padded.
        shift: ``[row]`` position of the next token minus its padded index, for multi-part rotary
            positions; the padding for all other models.
        seen: Padded length so far.
    """

    logits: Tensor
    cache: DynamicCache | None
    mask: Tensor | None
    shift: Tensor
    seen: int


class Runner:
    """Runs one model; knows which inputs its forward pass takes.

    Args:
        model: A decoder, in evaluation mode.
        pad: Id that fills the padding.
    """

    def __init__(self, model: Any, pad: int) -> None:
        self.model = model
        self.pad = pad
        self.passes = 0
        self._takes = frozenset(inspect.signature(model.forward).parameters)
        inner = getattr(model, "model", model)
        self._rope_index: Any = getattr(inner, "get_rope_index", None)

    @property
    def device(self) -> torch.device:
        """Where the inputs go."""
        found: torch.device = self.model.device
        return found

    @torch.inference_mode()
    def prefill(self, lines: Sequence[Line], *, keep: int = 1, cache: bool = True) -> State:
        """Run whole rows at once.

        Args:
            lines: The rows; shorter ones are padded on the left.
            keep: Positions at the end whose logits are wanted.
            cache: Whether to keep keys and values for :meth:`step`.

        Returns:
            The logits of the last ``keep`` positions of each row, and what later steps need.
        """
        length = max(len(line.tokens) for line in lines)
        pads = [length - len(line.tokens) for line in lines]
        ids = torch.full((len(lines), length), self.pad, dtype=torch.long)
        mask = torch.ones((len(lines), length), dtype=torch.long)
        types = torch.zeros((len(lines), length), dtype=torch.long)
        for at, (line, pad) in enumerate(zip(lines, pads, strict=True)):
            ids[at, pad:] = torch.tensor(line.tokens)
            mask[at, :pad] = 0
            if line.image:
                types[at, [pad + position for position in line.image]] = 1
        ids, mask, types = (part.to(self.device) for part in (ids, mask, types))
        padded = any(pads)
        inputs: dict[str, Any] = {"input_ids": ids, **self._pixels(lines)}
        shift = -torch.tensor(pads, device=self.device)
        if self._rope_index is not None:
            grids = {key: inputs[key] for key in ("image_grid_thw",) if key in inputs}
            positions, shift = self._multi_part(ids, mask, types, grids, pads)
            inputs["position_ids"] = positions
        elif padded and "position_ids" in self._takes:
            inputs["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
        if any(line.pixels for line in lines) and "mm_token_type_ids" in self._takes:
            inputs["mm_token_type_ids"] = types
        if padded or self._rope_index is not None:
            inputs["attention_mask"] = mask
        store = DynamicCache(config=self.model.config) if cache else None
        logits = self._forward(inputs, store, keep)
        return State(logits, store, mask if padded else None, shift, length)

    @torch.inference_mode()
    def step(self, state: State, tokens: Tensor) -> None:
        """Feed one more token to each row; ``state`` moves on in place."""
        inputs: dict[str, Any] = {"input_ids": tokens.to(self.device)[:, None]}
        if state.mask is not None:
            state.mask = torch.cat([state.mask, state.mask.new_ones(len(tokens), 1)], dim=1)
            inputs["attention_mask"] = state.mask
        positions = (state.shift + state.seen)[:, None]
        if self._rope_index is not None:
            inputs["position_ids"] = positions.expand(3, -1, -1)
        elif state.mask is not None and "position_ids" in self._takes:
            inputs["position_ids"] = positions
        state.logits = self._forward(inputs, state.cache, 1)
        state.seen += 1

    def retire(self, state: State, kept: Sequence[int]) -> None:
        """Drop all rows but ``kept``, in this order."""
        index = torch.tensor(kept, device=self.device)
        if state.cache is not None:
            state.cache.batch_select_indices(index)
        if state.mask is not None:
            state.mask = state.mask[index]
        state.shift = state.shift[index]

    def _forward(self, inputs: dict[str, Any], cache: DynamicCache | None, keep: int) -> Tensor:
        if "logits_to_keep" in self._takes:
            inputs["logits_to_keep"] = keep
        self.passes += 1
        out = self.model(
            **inputs, past_key_values=cache, use_cache=cache is not None, return_dict=True
        )
        logits: Tensor = out.logits[:, -keep:].float()
        return logits

    def _pixels(self, lines: Sequence[Line]) -> dict[str, Tensor]:
        from headbench.models.hf.vision import stack

        joined = stack([line.pixels for line in lines])
        model_type = self.model.dtype
        return {
            name: tensor.to(self.device, model_type if tensor.is_floating_point() else None)
            for name, tensor in joined.items()
            if name in self._takes
        }

    def _multi_part(
        self, ids: Tensor, mask: Tensor, types: Tensor, grids: dict[str, Tensor], pads: list[int]
    ) -> tuple[Tensor, Tensor]:
        """Time, height and width positions ``[3, row, position]``, and the shift of later tokens.

        ``get_rope_index`` gives the distance between the next position and the unpadded length.
        """
        positions, delta = self._rope_index(
            ids, mm_token_type_ids=types, attention_mask=mask, **grids
        )
        shift = delta[:, 0].to(self.device) - torch.tensor(pads, device=self.device)
        return positions, shift
