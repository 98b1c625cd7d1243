"""What families need beyond the rules by field: path of the configuration -> fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def _sections(*parts: int) -> dict[str, Any]:
    """Rotary positions of several parts; half of the rotated width is shared among them."""
    rotary = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": list(parts)}
    return {"rope_parameters": rotary}


def _by_layer_type(*names: str, **further: Any) -> dict[str, Any]:
    """Rotary parameters that differ by the type of the layer."""
    return {
        "rope_parameters": {
            name: {"rope_type": "default", "rope_theta": 1e4, **further} for name in names
        }
    }


def _turns(*kinds: str) -> dict[str, Any]:
    """Four layers, the kinds in turn."""
    return {"layer_types": [kinds[number % len(kinds)] for number in range(4)]}


_WHOLE, _HALF = _sections(4, 2, 2), _sections(2, 1, 1)
_COMPASS = _by_layer_type("full_attention", "sliding_attention", mrope_section=[4, 2, 2])

_INDEXER = {
    "indexer_n_heads": 2, "indexer_kv_heads": 1, "indexer_head_dim": 16, "indexer_budget": 8,
    "indexer_compress_ratio": 2,
}  # fmt: skip

OVERRIDES: Mapping[str, Mapping[str, Any]] = {
    # which layers attend
    "bamba": {"attn_layer_indices": [1, 3]},
    "granitemoehybrid": _turns("mamba", "attention"),
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2": _turns("conv", "full_attention"),
    "lfm2_moe": _turns("conv", "full_attention"),
    "recurrent_gemma": {"block_types": ["recurrent", "attention"]},
    # parts of rotary positions
    "cohere_compass.text_config": _COMPASS,
    "cohere_compass_text": _COMPASS,
    "ernie4_5_vl_moe.text_config": _sections(3, 3, 2),
    "glm46v.text_config": _WHOLE,
    "glm4v.text_config": _WHOLE,
    "glm4v_moe.text_config": _HALF,
    "glm_ocr.text_config": _WHOLE,
    "glmga.text_config": _WHOLE,
    "paddleocr_vl.text_config": _WHOLE,
    "qwen2_5_omni_thinker.text_config": _WHOLE,
    "qwen2_5_vl.text_config": _WHOLE,
    "qwen2_vl.text_config": _WHOLE,
    # sizes under names of their own
    "blt": {"encoder_hash_byte_group_vocab": 64},
    "chameleon": {"vocabulary_map": {"<image>": 4}},
    "cohere2": {"sliding_window": 8},
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 1e4, "clip_qkv": 8},
        "ffn_config": {"ffn_hidden_size": 96, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "deepseek_ocr2.text_config": {"mlp_layer_types": ["dense", "sparse"] * 2},
    "dots1": {"n_shared_experts": 1},
    "dots3_note.text_config": {"num_key_value_heads": 4},
    "dots3_note_text": {"num_key_value_heads": 4},
    "emu3": {"vocabulary_map": {"<image>": 4}},
    "florence2.vision_config": {
        "embed_dim": [32] * 4, "num_heads": [2] * 4, "num_groups": [2] * 4, "depths": [1] * 4,
    },
    "gemma3n_text": {"num_kv_shared_layers": 2},
    "gemma4_assistant.text_config": {"hidden_size_per_layer_input": 0},
    "glm5_next.text_config": {"index_kpool": 2, "qk_rope_head_dim": 0},
    "gpt_neo": {
        "attention_types": [[["global", "local"], 2]], "attention_layers": ["global", "local"] * 2,
    },
    "granite4_vision": {"deepstack_layer_map": [[-1, 1]], "downsample_rate": "1/2"},
    "longcat_flash": {"head_dim": 8},
    "mamba2": {"num_heads": 8},
    "molmo2.adapter_config": {"vision_feature_layer": [1, 0]},
    "nemotron_h_omni.vision_config": {"video_temporal_patch_size": 2},
    "qwen2_5_omni_thinker": {"vision_start_token_id": 7, "audio_start_token_id": 10},
    "qwen3_omni_moe_thinker": {"vision_start_token_id": 7, "audio_start_token_id": 10},
    "qwen4_exp.text_config": _INDEXER,
    "qwen4_exp_text": _INDEXER,
    "reformer": {"axial_pos_embds_dim": [32, 32], "axial_pos_shape": [16, 16]},
    "step3p7.text_config": {"sliding_window": 8},
    "xlm": {"emb_dim": 64, "n_words": 160},
    "xmod": {"default_language": "en_XX"},
    "zaya": {"num_experts_per_tok": 1},
    "zamba": {"attention_hidden_size": 128, "attention_head_dim": 32},
}  # fmt: skip
