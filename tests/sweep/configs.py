"""Tiny configurations of every decoder class, by shrinking the fields of the class's own defaults.

A configuration is walked field by field: sizes, counts of layers, heads and experts, windows and
token ids get small values by their names; a list with one entry per layer keeps each kind of entry
that it has. What a family needs beyond that stands in ``OVERRIDES``.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import CONFIG_MAPPING, PretrainedConfig
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)

from sweep.overrides import OVERRIDES

FAULTS = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError,
    OSError, RuntimeError, TypeError, ValueError, StrictDataclassError,
)  # fmt: skip
"""What a class that does not work may raise; anything else ends its process."""

VOCABULARY = 160
WIDTH, HEADS, KV_HEADS, HEAD_DIM, LAYERS, LENGTH = 64, 4, 2, 16, 4, 256

SIZES: Mapping[str, object] = {
    "vocab_size": VOCABULARY, "unpadded_vocab_size": VOCABULARY,
    "vocab_size_per_layer_input": VOCABULARY,
    **dict.fromkeys(
        (
            "hidden_size", "d_model", "n_embd", "embed_dim", "word_embed_proj_dim",
            "embedding_size",
            "input_embedding_size", "output_embedding_size", "encoder_hidden_size", "lru_width",
            "out_hidden_size", "text_hidden_size", "projection_dim", "projector_hidden_size",
            "d_inner", "attention_hidden_size", "cross_attention_hidden_size", "mm_hidden_size",
            "decoder_hidden_size", "vision_output_dim", "output_dim", "adapter_out_dim",
            "projector_output_dim", "projector_input_dim", "image_text_hidden_size",
            "hidden_size_global",
        ),
        WIDTH,
    ),
    **dict.fromkeys(
        (
            "intermediate_size", "ffn_dim", "n_inner", "d_ff", "dff", "encoder_ffn_dim", "mlp_dim",
            "decoder_ffn_dim", "ffn_hidden_size", "feed_forward_size", "intermediate_size_mlp",
            "dense_intermediate_size", "projection_intermediate_size",
        ),
        96,
    ),
    **dict.fromkeys(
        (
            "moe_intermediate_size", "shared_expert_intermediate_size", "expert_ffn_hidden_size",
            "shared_intermediate_size", "shared_experts_intermediate_size", "expert_ffn_size",
            "moe_shared_expert_intermediate_size",
        ),
        32,
    ),
    **dict.fromkeys(
        (
            "num_hidden_layers", "n_layer", "n_layers", "num_layers", "layers", "encoder_layers",
            "decoder_layers", "num_decoder_layers", "num_blocks",
        ),
        LAYERS,
    ),
    **dict.fromkeys(
        (
            "num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads",
            "decoder_attention_heads", "attention_heads", "swa_num_attention_heads",
        ),
        HEADS,
    ),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads", "swa_num_key_value_heads"), KV_HEADS),
    **dict.fromkeys(
        ("head_dim", "kv_channels", "attention_head_dim", "attention_head_size", "d_kv", "d_head",
         "swa_head_dim", "global_head_dim", "query_pre_attn_scalar"),
        HEAD_DIM,
    ),
    **dict.fromkeys(
        (
            "max_position_embeddings", "n_positions", "max_seq_len", "context_length", "n_ctx",
            "max_source_positions", "max_target_positions", "model_max_length",
            "max_sequence_length",
        ),
        LENGTH,
    ),
    **dict.fromkeys(
        ("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts"), 4
    ),
    **dict.fromkeys(
        ("num_experts_per_tok", "moe_topk", "moe_k", "num_experts_per_token", "top_k_experts"), 2
    ),
    **dict.fromkeys(("n_group", "topk_group", "num_expert_group"), 1),
    "sliding_window": 8, "sliding_window_size": 8, "attention_window_size": 8, "window_size": 8,
    "attention_chunk_size": 8,
    "first_k_dense_replace": 1,
    "kv_lora_rank": 16, "q_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8,
    "qk_head_dim": 16, "v_head_dim": 16,
    "index_head_dim": 16, "index_n_heads": 2, "index_topk": 4,
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8,
    "linear_value_head_dim": 8, "linear_head_dim": 8, "linear_num_heads": 4,
    "mamba_d_state": 8, "mamba_n_heads": 4, "mamba_d_head": 32, "mamba_n_groups": 1,
    "mamba_num_heads": 4, "mamba_head_dim": 32, "mamba_d_ssm": 128, "mamba_dt_rank": 4,
    "mamba_chunk_size": 8, "chunk_size": 8, "state_size": 8, "ssm_state_size": 8,
    "time_step_rank": 4, "n_groups": 1,
    "rotary_dim": 8,
    "image_size": 32, "patch_size": 8, "num_channels": 3,
    "hidden_size_per_layer_input": 8, "base_channels": 32, "latent_channels": 32,
    "num_embeddings": 64, "n_shared_experts": 1,
    "initializer_range": 0.2, "init_std": 0.2,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
}  # fmt: skip
"""Field -> tiny value, for any configuration that has the field with a value."""
VISION: Mapping[str, object] = {
    "depth": 2, "num_hidden_layers": 2, "num_layers": 2, "num_attention_heads": 4, "num_heads": 4,
    "head_dim": HEAD_DIM, "num_key_value_heads": 4, "initializer_range": 0.2,
}  # fmt: skip
"""Further values for configurations of towers."""
ABSENT = (
    "head_dim", "num_key_value_heads", "num_kv_heads", "n_routed_experts", "num_experts_per_tok",
    "num_local_experts", "n_group", "topk_group", "moe_intermediate_size", "sliding_window_size",
)  # fmt: skip
"""Fields that get a value even where the class's default is none."""
MARKS = (
    "image", "video", "audio", "vision_start", "vision_end", "image_start", "image_end",
    "video_start", "video_end", "boi", "eoi", "boa", "eoa", "img", "sep", "mask",
)  # fmt: skip
FIRST_MARK = 4
"""Ids 4 and up stand for placeholders, one for each of :data:`MARKS`; the rest are words."""


def kinds() -> dict[str, str]:
    """Model type -> name of the class that the adapter would load."""
    texts, images = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    return dict(sorted({**texts, **images}.items()))


def tiny(model_type: str) -> PretrainedConfig:
    """A tiny configuration of a model type."""
    return _shrunk(CONFIG_MAPPING[model_type], (model_type,))


def _shrunk(kind: type[PretrainedConfig], path: tuple[str, ...]) -> PretrainedConfig:
    """A configuration of one class; ``path`` is the model type and the names that lead here."""
    own = OVERRIDES.get(".".join(path), {})
    default = _default(kind, own)
    tower = len(path) > 1 and not path[-1].startswith(("text", "llm", "language", "decoder"))
    values: dict[str, Any] = {}
    layers = _read(default, "num_hidden_layers")
    for name in inspect.signature(kind.__init__).parameters:
        if name in ("self", "kwargs") or name in (kind.sub_configs or {}):
            continue
        found = _small(name, _read(default, name), layers, tower)
        if found is not None:
            values[name] = found
    for name, sub in (kind.sub_configs or {}).items():
        given = _read(default, name)
        chosen = type(given) if isinstance(given, PretrainedConfig) else sub
        wanted = given is not None or f"{'.'.join(path)}.{name}" in OVERRIDES
        if wanted and isinstance(chosen, type) and chosen.__name__ != "AutoConfig":
            values[name] = _shrunk(chosen, (*path, name))
    if "kv_lora_rank" in values:  # latent attention gives every query head keys of its own
        values["num_key_value_heads"] = HEADS
    values |= copy.deepcopy(own)
    return kind(**values)


def _read(config: PretrainedConfig, name: str) -> Any:
    """A field's value; ``None`` where it is not one for all layers."""
    try:
        return getattr(config, name, None)
    except RuntimeError:  # how transformers says that layers differ
        return None


def _default(kind: type[PretrainedConfig], own: Mapping[str, Any]) -> PretrainedConfig:
    try:
        return kind()
    except FAULTS:  # some classes have no valid default: what the family overrides completes it
        return kind(**copy.deepcopy(dict(own)))


def _small(name: str, given: Any, layers: int | None, tower: bool) -> Any:
    """The tiny value of one field; ``None`` leaves the class's own."""
    if name == "is_decoder" and given is False:
        return True
    if given is None and name in ABSENT:
        return SIZES[name]
    if given is None or isinstance(given, bool):
        return None
    if mark := _mark(name, given):
        return mark
    if tower and name in VISION and isinstance(given, int | float):
        return VISION[name]
    if name in SIZES and isinstance(given, int | float):
        return SIZES[name]
    if name in ("image_size", "patch_size") and isinstance(given, list | tuple):
        return type(given)([SIZES[name]] * len(given))
    if isinstance(given, list | tuple) and len(given) == layers and layers > LAYERS:
        return _every_kind(given, 2 if tower else LAYERS)
    if name == "rope_parameters" and isinstance(given, dict):
        return _rope(given)
    return None


def _mark(name: str, given: Any) -> int | None:
    """A placeholder's id; the text's own marks stand in ``SIZES``."""
    for ending in ("_token_id", "_token_index", "_id", "_index"):
        stem = name.removesuffix(ending)
        if stem != name and isinstance(given, int) and stem in MARKS:
            return FIRST_MARK + MARKS.index(stem)
    return None


def _every_kind(given: Any, count: int) -> Any:
    """The distinct entries of a list with one entry per layer, in turn."""
    distinct = list(dict.fromkeys(given)) if isinstance(given[0], str | int | float) else given[:1]
    if all(type(entry) is int and entry > 8 for entry in distinct):  # widths, or counts of heads
        distinct = [WIDTH if distinct[0] > 256 else HEADS]
    return type(given)(distinct[n % len(distinct)] for n in range(count))


def _rope(given: Mapping[str, Any]) -> dict[str, Any]:
    """Rotary parameters of a head of :data:`HEAD_DIM`."""
    found = {
        key: _rope(value) if isinstance(value, dict) else value for key, value in given.items()
    }
    if "partial_rotary_factor" in found and found["partial_rotary_factor"] < 0.5:
        found["partial_rotary_factor"] = 0.5
    if "mrope_section" in found:
        half = int(HEAD_DIM * found.get("partial_rotary_factor", 1.0)) // 2
        found["mrope_section"] = [half - 2 * (half // 3), half // 3, half // 3]
    return found
