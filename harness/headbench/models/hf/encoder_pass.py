"""Prompts and forward passes of a sentence encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from headbench.errors import HeadbenchError, RefusedError
from headbench.models.hf.prompts import Prompt
from headbench.nouns import Positions, Request

if TYPE_CHECKING:
    from torch import Tensor

    from headbench.models.runtime.sequence import TokenSequence


KEPT = 8192
"""Prompts that stay tokenised."""


class EncoderPrompter:
    """Tokenises requests: the contents of their turns, joined by a line break.

    Args:
        tokenizer: The encoder's, special tokens included.
    """

    image_ids: frozenset[int] = frozenset()

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._kept: dict[object, Prompt] = {}

    def resolve(self, request: Request) -> Prompt:
        """Token ids and spans of a request; the latest are kept, since planning asks often.

        Raises:
            RefusedError: The request names spans, and the tokenizer reports no offsets.
        """
        contents = tuple(turn["content"] for turn in request.messages)
        key = contents, tuple(sorted(request.spans.items()))
        if key not in self._kept:
            if len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = self._resolve(request)
        return self._kept[key]

    def _resolve(self, request: Request) -> Prompt:
        contents = [turn["content"] for turn in request.messages]
        text = "\n".join(contents)
        fast = bool(getattr(self._tokenizer, "is_fast", False))
        if request.spans and not fast:
            raise RefusedError(
                "spans need a tokenizer that reports offsets (a fast one)",
                where=f"{type(self._tokenizer).__name__}, document {request.document!r}",
                hint="use a checkpoint with a tokenizer.json",
            )
        out = self._tokenizer(text, return_offsets_mapping=bool(request.spans))
        tokens: list[int] = out["input_ids"]
        # Where each turn begins in the joined text.
        starts = [sum(len(one) + 1 for one in contents[:turn]) for turn in range(len(contents))]
        spans: dict[str, Positions] = {}
        for name, ranges in request.spans.items():
            at = [(starts[turn] + low, starts[turn] + high) for turn, low, high in ranges]
            spans[name] = tuple(
                place
                for place, (low, high) in enumerate(out["offset_mapping"])
                # Special tokens stand for no characters.
                if high > low and any(low < end and high > start for start, end in at)
            )
        spans = {name: found for name, found in spans.items() if found}
        return Prompt(
            tokens=tuple(tokens),
            spans={**spans, "first": (0,), "last": (len(tokens) - 1,)},
            images=(),
            text=text,
            specials=True,
        )

    def unknown_share(self, request: Request) -> float:
        """Share of the text's tokens that are the unknown token, in [0, 1]."""
        tokens = self.resolve(request).tokens
        unknown = self._tokenizer.unk_token_id
        return tokens.count(unknown) / len(tokens) if unknown is not None and tokens else 0.0


class EncoderBackend:
    """An encoder as the runtime drives it: whole texts of one length, no cache and no logits.

    Texts of several lengths never share a pass, because encoders count positions in ways of their
    own, and padding would have to be undone in each of them.

    Args:
        model: An encoder in evaluation mode.

    Attributes:
        keep_states: Whether :attr:`states` is filled.
        states: Embeddings and outputs of all layers of the latest pass,
            ``[row, position, width]`` each.
    """

    joins = extends = False

    def __init__(self, model: Any) -> None:
        self.model = model
        self.keep_states = False
        self.states: tuple[Tensor, ...] = ()

    @property
    def name(self) -> str:
        """The model's class."""
        return type(self.model).__name__

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        found: torch.device = self.model.device
        return found

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        found: torch.dtype = self.model.dtype
        return found

    def forward(
        self, rows: Sequence[TokenSequence], start: int, seen: int, cache: Any | None, keep: int
    ) -> Tensor:
        """Read whole texts; an encoder has no logits, so ``[row, 1, 0]``.

        Raises:
            HeadbenchError: Texts of several lengths.
        """
        if start or len({len(row.tokens) for row in rows}) != 1:
            raise HeadbenchError(
                "an encoder reads whole texts of one length per pass",
                hint="plan the jobs with the adapter's plan()",
            )
        ids = torch.tensor([row.tokens for row in rows], device=self.device)
        more = {"output_hidden_states": True} if self.keep_states else {}
        out = self.model(input_ids=ids, attention_mask=torch.ones_like(ids), **more)
        self.states = out.hidden_states if self.keep_states else ()
        return torch.empty(len(rows), 1, 0, device=self.device)

    def new_cache(self) -> Any:
        """Nothing follows a text.

        Raises:
            RefusedError: Always.
        """
        raise RefusedError(f"{self.name} is an encoder: nothing follows a text")

    def take_rows(self, cache: Any, index: Sequence[int]) -> Any:
        """As :meth:`new_cache`."""
        return self.new_cache()

    def join_caches(self, caches: Sequence[Any], seen: Sequence[int]) -> Any:
        """As :meth:`new_cache`."""
        return self.new_cache()


def final_norm(model: Any, blocks: Sequence[torch.nn.Module], short: dict[str, Tensor]) -> bool:
    """Whether something follows the last layer, so that its output is not the last hidden state."""
    seen: list[Tensor] = []

    def note(_module: Any, _given: Any, output: Any) -> None:
        seen.append(output[0] if isinstance(output, tuple) else output)

    handle = blocks[-1].register_forward_hook(note)
    try:
        with torch.no_grad():
            out = model(**short)
    finally:
        handle.remove()
    return not torch.equal(seen[-1], out.last_hidden_state)
