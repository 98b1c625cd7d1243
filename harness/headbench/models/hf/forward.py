"""Forward passes over left-padded rows: padding, masks, positions and the cache, in one place."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import pad

from headbench.errors import RefusedError
from headbench.models.hf.cache import is_plain, keep_rows, roomy_cache

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import DynamicCache

TYPED = ("gemma3",)
"""Families whose ``token_type_ids`` mark image tokens, which then see each other both ways."""
PREFILL_TOKENS = 1024
"""Rows x padded length of one prefill pass on a CPU.

Activations of a larger pass leave the processor's cache, and rows of one length need no padding:
a batch of 16 prompts of 400 tokens runs faster in several passes than in one.
"""


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
        pad_id: Id that fills the padding.

    Raises:
        RefusedError: A model that takes no cache, or one of a kind that is not known.

    Attributes:
        extends: Whether several tokens may follow a cache; what
            :func:`headbench.models.hf.state_check.check_state` found.
        passes: Forward passes so far.
    """

    def __init__(self, model: Any, pad_id: int) -> None:
        self.model = model
        self.pad_id = pad_id
        self.passes = 0
        self.extends = True
        self._takes = frozenset(inspect.signature(model.forward).parameters)
        if "past_key_values" not in self._takes:
            raise RefusedError(
                f"{type(model).__name__} takes no past_key_values: what it has read is kept in "
                "another way, which the decoding loop does not know",
                mend="use a model that decodes with transformers' cache",
            )
        inner = getattr(model, "model", model)
        self._rope_index: Any = getattr(inner, "get_rope_index", None)
        # windows and recurrent states do not pad to one length
        self._joins = all(is_plain(layer) for layer in roomy_cache(model.config).layers)

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
        ids = torch.full((len(lines), length), self.pad_id, dtype=torch.long)
        mask = torch.ones((len(lines), length), dtype=torch.long)
        types = torch.zeros((len(lines), length), dtype=torch.long)
        for at, (line, blank) in enumerate(zip(lines, pads, strict=True)):
            ids[at, blank:] = torch.tensor(line.tokens)
            mask[at, :blank] = 0
            if line.image:
                types[at, [blank + position for position in line.image]] = 1
        ids, mask, types = (part.to(self.device) for part in (ids, mask, types))
        padded = any(pads)
        inputs: dict[str, Any] = {"input_ids": ids, **self._pixels(lines)}
        shift = -torch.tensor(pads, device=self.device)
        if self._rope_index is not None:
            grids = {key: inputs[key] for key in ("image_grid_thw",) if key in inputs}
            positions, shift = self._multi_part(ids, mask, types, grids, pads)
            inputs["position_ids"] = positions
        elif "position_ids" in self._takes:
            # always: hybrids that are left to count for themselves count their cache's first layer
            inputs["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
        if any(line.pixels for line in lines) and "mm_token_type_ids" in self._takes:
            inputs["mm_token_type_ids"] = types
        if any(line.pixels for line in lines) and "token_type_ids" in self._takes:
            inputs["token_type_ids"] = self._typed(types)
        if padded or self._rope_index is not None:
            inputs["attention_mask"] = mask
        store = roomy_cache(self.model.config) if cache else None
        logits = self._forward(inputs, store, keep)
        return State(logits, store, mask if padded else None, shift, length)

    def parts(self, lines: Sequence[Line]) -> list[list[int]]:
        """Row numbers of each prefill pass of a batch; on an accelerator it is one pass."""
        order = sorted(range(len(lines)), key=lambda i: -len(lines[i].tokens))
        if self.device.type != "cpu" or not self._joins:
            return [list(range(len(lines)))]
        parts: list[list[int]] = []
        for index in order:
            longest = len(lines[parts[-1][0]].tokens) if parts else 0
            if parts and (len(parts[-1]) + 1) * longest <= PREFILL_TOKENS:
                parts[-1].append(index)
            else:
                parts.append([index])
        return parts

    @torch.inference_mode()
    def step(self, state: State, tokens: Tensor) -> None:
        """Feed more tokens to each row; ``state`` moves on in place.

        Args:
            state: The batch so far.
            tokens: One token per row, ``[row]``, or several, ``[row, token]``.

        Raises:
            RefusedError: Several tokens, and a model that forgets its state then.
        """
        fed = tokens.to(self.device).view(len(tokens), -1)
        count = fed.shape[1]
        if count > 1 and not self.extends:
            raise RefusedError(
                f"{type(self.model).__name__} forgets its state when several tokens follow a cache",
                mend="feed one token per step, or the whole prompt at once",
            )
        inputs: dict[str, Any] = {"input_ids": fed}
        if state.mask is not None:
            state.mask = torch.cat([state.mask, state.mask.new_ones(fed.shape)], dim=1)
            inputs["attention_mask"] = state.mask
        ahead = torch.arange(count, device=state.shift.device)
        positions = (state.shift + state.seen)[:, None] + ahead
        if self._rope_index is not None:
            inputs["position_ids"] = positions.expand(3, -1, -1)
        elif "position_ids" in self._takes:
            inputs["position_ids"] = positions
        state.logits = self._forward(inputs, state.cache, 1)
        state.seen += count

    def retire(self, state: State, kept: Sequence[int]) -> None:
        """Drop all rows but ``kept``, in this order."""
        index = torch.tensor(kept, device=self.device)
        if state.cache is not None:
            keep_rows(state.cache, index)
        if state.mask is not None:
            state.mask = state.mask[index]
        state.shift = state.shift[index]

    def _typed(self, types: Tensor) -> Tensor:
        """The types, where their meaning is known; else an image would be read another way."""
        family = str(self.model.config.model_type)
        if family not in TYPED:
            raise RefusedError(
                f"{family} reads token_type_ids beside images; what they mean there is not known",
                mend=f"use a family without them, or one of: {', '.join(TYPED)}",
            )
        return types

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
        given = {"mm_token_type_ids": types, "attention_mask": mask, **grids}
        known = inspect.signature(self._rope_index).parameters
        positions, delta = self._rope_index(
            ids, **{name: part for name, part in given.items() if name in known}
        )
        shift = delta[:, 0].to(self.device) - torch.tensor(pads, device=self.device)
        return positions, shift


@torch.inference_mode()
def join(states: Sequence[State], order: Sequence[int]) -> State:
    """One batch of several prefilled ones, padded on the left to one length.

    Args:
        states: The parts, each with a cache.
        order: Row number of each row, parts one after the other.
    """
    if len(states) == 1 and list(order) == list(range(len(order))):
        return states[0]
    longest = max(state.seen for state in states)
    extra = [longest - state.seen for state in states]
    place = torch.tensor(order, device=states[0].shift.device).argsort()
    masks = [
        pad(torch.ones_like(state.shift)[:, None].expand(-1, state.seen), (more, 0))
        if state.mask is None
        else pad(state.mask, (more, 0))
        for state, more in zip(states, extra, strict=True)
    ]
    mask = torch.cat(masks)[place]
    shift = torch.cat([state.shift - more for state, more in zip(states, extra, strict=True)])
    caches = [state.cache for state in states if state.cache is not None]
    for number, layer in enumerate(caches[0].layers):
        for name in ("keys", "values"):
            held = [getattr(cache.layers[number], name) for cache in caches]
            wide = [pad(part, (0, 0, more, 0)) for part, more in zip(held, extra, strict=True)]
            setattr(layer, name, torch.cat(wide)[place])
    return State(
        logits=torch.cat([state.logits for state in states])[place],
        cache=caches[0],
        mask=None if bool(mask.all()) else mask,
        shift=shift[place],
        seen=longest,
    )
