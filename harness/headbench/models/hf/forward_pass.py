"""transformers behind the runtime: inputs, masks, positions and pictures of one forward pass."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from headbench.errors import RefusedError
from headbench.models.hf.cache import is_plain, join_caches, roomy_cache, take_rows
from headbench.models.hf.vision import stack

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import DynamicCache

    from headbench.models.runtime.sequence import TokenSequence

TYPED = ("gemma3",)
"""Families whose ``token_type_ids`` mark image tokens, which then see each other both ways."""


class HFBackend:
    """One transformers model, as the runtime drives it.

    Args:
        model: A decoder, in evaluation mode.
        pad_id: Id that fills the padding.

    Attributes:
        extends: Whether several tokens may follow a cache at once.
    """

    def __init__(self, model: Any, pad_id: int) -> None:
        self.model = model
        self.pad_id = pad_id
        self.extends = True
        self._takes = frozenset(inspect.signature(model.forward).parameters)
        if "past_key_values" not in self._takes:
            raise RefusedError(
                f"{type(model).__name__} takes no past_key_values: what it has read is kept in "
                "another way, which the runtime does not know",
                hint="use a model that decodes with transformers' cache",
            )
        inner = getattr(model, "model", model)
        self._rope_index: Any = getattr(inner, "get_rope_index", None)
        self.joins = all(is_plain(layer) for layer in roomy_cache(model.config).layers)

    @property
    def name(self) -> str:
        """The model's class."""
        return type(self.model).__name__

    @property
    def device(self) -> torch.device:
        """Where the inputs go."""
        found: torch.device = self.model.device
        return found

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        found: torch.dtype = self.model.dtype
        return found

    def new_cache(self) -> DynamicCache:
        """The model's own kinds of cache layer, with room to grow where they are plain."""
        return roomy_cache(self.model.config)

    def take_rows(self, cache: DynamicCache, index: Sequence[int]) -> DynamicCache:
        """A new cache of some rows; see :func:`headbench.models.hf.cache.take_rows`."""
        return take_rows(cache, torch.tensor(list(index), device=self.device))

    def join_caches(self, caches: Sequence[DynamicCache], seen: Sequence[int]) -> DynamicCache:
        """One cache of several; see :func:`headbench.models.hf.cache.join_caches`."""
        return join_caches(caches, seen)

    def forward(
        self,
        rows: Sequence[TokenSequence],
        start: int,
        seen: int,
        cache: DynamicCache | None,
        keep: int,
    ) -> Tensor:
        """Feed padded positions ``[start, seen)``; logits ``[row, keep, vocabulary]``, float32."""
        pads = [seen - len(row.tokens) for row in rows]
        padded = any(pads)
        # [row, fed position], filled on the CPU: one transfer instead of one per row.
        ids = torch.full((len(rows), seen - start), self.pad_id, dtype=torch.long)
        for number, (row, pad) in enumerate(zip(rows, pads, strict=True)):
            fed = row.tokens[max(0, start - pad) :]  # a part may begin inside a row's padding
            ids[number, seen - start - len(fed) :] = torch.tensor(fed)
        ids = ids.to(self.device)
        inputs: dict[str, Any] = {"input_ids": ids}
        # Without padding no mask is given, so that fused kernels may use their causal path.
        mask = self._mask(pads, seen) if padded or self._rope_index is not None else None
        if mask is not None:
            inputs["attention_mask"] = mask
        types = self._image_marks(rows, pads, seen) if start == 0 else None
        if types is not None:
            inputs |= self._pictures(rows, types)
        if self._rope_index is not None:
            inputs["position_ids"] = (
                self._later_parts(rows, pads, start, seen)
                if types is None
                else self._first_parts(rows, types, inputs)
            )
        elif "position_ids" in self._takes:
            # Always: hybrids that are left to count for themselves count their cache's first layer.
            inputs["position_ids"] = self._positions(pads, start, seen)
        if "logits_to_keep" in self._takes:
            inputs["logits_to_keep"] = keep
        out = self.model(
            **inputs, past_key_values=cache, use_cache=cache is not None, return_dict=True
        )
        # Sliced again: a class without logits_to_keep gives all positions.
        logits: Tensor = out.logits[:, -keep:].float()  # [row, keep, vocabulary]
        return logits

    # ------------------------------------------------------------------ inside

    def _mask(self, pads: Sequence[int], seen: int) -> Tensor:
        """``[row, position]`` of real tokens, 1 or 0."""
        first = torch.tensor(pads, device=self.device)
        return (torch.arange(seen, device=self.device) >= first[:, None]).long()  # [row, position]

    def _positions(self, pads: Sequence[int], start: int, seen: int) -> Tensor:
        """Position of each fed token ``[row, position]``; 0 for padding."""
        first = torch.tensor(pads, device=self.device)
        return (torch.arange(start, seen, device=self.device) - first[:, None]).clamp(min=0)

    def _image_marks(self, rows: Sequence[TokenSequence], pads: Sequence[int], seen: int) -> Tensor:
        """1 at image tokens and 0 elsewhere, ``[row, position]``."""
        marks = torch.zeros((len(rows), seen), dtype=torch.long)
        for number, (row, pad) in enumerate(zip(rows, pads, strict=True)):
            if row.image:
                marks[number, [pad + position for position in row.image]] = 1
        return marks.to(self.device)

    def _pictures(self, rows: Sequence[TokenSequence], marks: Tensor) -> dict[str, Any]:
        """Pixels, and the marks of image tokens ``[row, position]`` where the model reads them."""
        joined = stack([row.pixels for row in rows])
        dtype = self.model.dtype
        inputs: dict[str, Any] = {
            name: tensor.to(self.device, dtype if tensor.is_floating_point() else None)
            for name, tensor in joined.items()
            if name in self._takes
        }
        if any(row.pixels for row in rows):
            if "mm_token_type_ids" in self._takes:
                inputs["mm_token_type_ids"] = marks
            if "token_type_ids" in self._takes:
                inputs["token_type_ids"] = self._typed(marks)
        return inputs

    def _typed(self, types: Tensor) -> Tensor:
        """The types, where their meaning is known; else an image would be read another way."""
        family = str(self.model.config.model_type)
        if family not in TYPED:
            raise RefusedError(
                f"{family} reads token_type_ids beside images; what they mean there is not known",
                hint=f"use a family without them, or one of: {', '.join(TYPED)}",
            )
        return types

    def _first_parts(
        self, rows: Sequence[TokenSequence], marks: Tensor, inputs: dict[str, Any]
    ) -> Tensor:
        """Time, height and width positions of a prompt ``[3, row, position]``.

        ``get_rope_index`` gives the distance between the next position and the unpadded length,
        which every row keeps: the model itself remembers that of its latest prefill only.
        """
        given = {"mm_token_type_ids": marks, "attention_mask": inputs["attention_mask"]}
        if "image_grid_thw" in inputs:
            given["image_grid_thw"] = inputs["image_grid_thw"]
        known = inspect.signature(self._rope_index).parameters
        positions, delta = self._rope_index(
            inputs["input_ids"], **{name: part for name, part in given.items() if name in known}
        )
        for row, shift in zip(rows, delta[:, 0].tolist(), strict=True):
            row.shift = int(shift)
        found: Tensor = positions
        return found

    def _later_parts(
        self, rows: Sequence[TokenSequence], pads: Sequence[int], start: int, seen: int
    ) -> Tensor:
        """The same behind a prompt, where the three parts count on together."""
        first = torch.tensor(
            [row.shift - pad for row, pad in zip(rows, pads, strict=True)], device=self.device
        )
        later = torch.arange(start, seen, device=self.device) + first[:, None]  # [row, position]
        return later.expand(3, -1, -1)
