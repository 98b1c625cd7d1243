"""How many positions a model has: what a prompt and its answer may not go beyond unless asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from torch import nn

from headbench.errors import ConfigError, RefusedError

TABLES = frozenset({"wpe", "embed_positions", "position_embedding", "position_embeddings"})
"""Names under which decoders and encoders keep a table of learned positions."""
STRETCHED = frozenset({"linear", "dynamic", "yarn"})
"""Rotary scalings whose factor multiplies a length that the configuration leaves as it was."""
HUGE = 10**9
"""What a tokenizer says when it knows no limit is far above this."""
ALLOW = "run with --allow-overrun, which the result records"


@dataclass(frozen=True)
class Room:
    """Positions of a model.

    Attributes:
        positions: What the configuration allows; ``None`` where it names no limit.
        table: Rows of its table of learned positions; ``None`` where positions are computed, so
            that more of them exist.
        allowed: Whether the user lets requests go beyond ``positions``.
        named: What names the limit, for errors.
    """

    positions: int | None
    table: int | None = None
    allowed: bool = False
    named: str = "its configuration"

    def beyond(self, length: int) -> bool:
        """Whether so many tokens are more than the configuration allows."""
        return self.positions is not None and length > self.positions

    def refuse(self, length: int, what: str, where: str) -> None:
        """Stop what is too long, before anything runs.

        Args:
            length: Tokens, those to be generated included.
            what: What they are, for the error.
            where: Document and step.

        Raises:
            RefusedError: They are more than allowed, or more than there are positions at all.
        """
        if not self.beyond(length):
            return
        if not self.allowed:
            raise RefusedError(
                f"{what}: {length:,} positions, and the model has {self.positions:,} by "
                f"{self.named}",
                where=where,
                hint=f"shorten them, choose a model with a longer context, or {ALLOW}",
            )
        if self.table is not None and length > self.table:
            raise RefusedError(
                f"{what}: {length:,} positions, and the model has learned {self.table:,}",
                where=where,
                hint="there is nothing to run beyond learned positions: shorten them, or choose "
                "another model",
            )


def room_of(model: Any, *, allowed: bool = False) -> Room:
    """Positions of a decoder."""
    text = model.config.get_text_config(decoder=True)
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else model
    return Room(positions_of(text), learned(decoder), allowed)


def positions_of(text: Any) -> int | None:
    """Positions that a text configuration allows, or ``None`` where it names no limit.

    A rotary scaling stretches them where the configuration keeps the length from before: by its
    factor times the original length. ALiBi has no limit.
    """
    limit = getattr(text, "max_position_embeddings", None)
    if getattr(text, "alibi", False) or not isinstance(limit, int) or limit < 1:
        return None
    rope = getattr(text, "rope_parameters", None)
    if not isinstance(rope, Mapping) or rope.get("rope_type") not in STRETCHED:
        return limit  # scalings for each kind of layer stand in a configuration that counts them
    original = rope.get("original_max_position_embeddings") or limit
    return max(limit, int(original * float(rope.get("factor") or 1.0)))


def learned(model: nn.Module) -> int | None:
    """Usable rows of a table of learned positions: those behind its padding row, if it has one."""
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in TABLES and isinstance(module, nn.Embedding):
            before = module.padding_idx if module.padding_idx is not None else -1
            offset = getattr(module, "offset", before + 1)
            return int(module.num_embeddings) - int(offset)
    return None


def encoder_room(
    model: Any, tokenizer: Any, sentence: Mapping[str, Any], given: int | None, *, allowed: bool
) -> Room:
    """Positions of a sentence encoder: the least of what its files and the user say.

    Args:
        model: The encoder.
        tokenizer: Its tokenizer; ``model_max_length`` counts where it is a limit.
        sentence: ``sentence_bert_config.json``; ``max_seq_length`` counts.
        given: The user's own limit.
        allowed: Whether the user lets texts go beyond.
    """
    table = learned(model)
    # Relative positions without a table go on for ever, whatever length they were trained on.
    relative = getattr(model.config, "relative_attention", False) and table is None
    named = {
        "max_length among its arguments": given,
        "max_seq_length in sentence_bert_config.json": sentence.get("max_seq_length"),
        "model_max_length of its tokenizer": getattr(tokenizer, "model_max_length", None),
        "its table of positions": table,
        "its configuration": None if relative else positions_of(model.config),
    }
    limits = {name: int(n) for name, n in named.items() if _is_limit(n)}
    if not limits:
        return Room(None, table, allowed)
    name = min(limits, key=lambda key: limits[key])
    return Room(limits[name], table, allowed, name)


def sentence_config(pretrained: str, revision: str | None) -> Mapping[str, Any]:
    """``sentence_bert_config.json`` of a checkpoint; empty where it has none.

    Raises:
        ConfigError: The file is no JSON object.
    """
    import json

    from transformers.utils import cached_file

    found = cached_file(
        pretrained,
        "sentence_bert_config.json",
        revision=revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
        _raise_exceptions_for_gated_repo=False,
    )
    if found is None:
        return {}
    try:
        loaded = json.loads(Path(found).read_text(encoding="utf-8"))
    except ValueError:
        loaded = None
    if not isinstance(loaded, dict):
        raise ConfigError(
            "sentence_bert_config.json is no JSON object", where=str(found), hint="fetch it again"
        )
    return loaded


def _is_limit(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < HUGE
