"""Tiny random models of every family that the engine promises, made from configurations alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers as t
from transformers import PreTrainedModel

BASE: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
NO_KV = {key: value for key, value in BASE.items() if key != "num_key_value_heads"}
WINDOW = {"sliding_window": 12}
MIXED = {"layer_types": ["sliding_attention", "full_attention"], **WINDOW}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
    "initializer_range": 0.3,
}
QWEN_VISION = {"depth": 1, "embed_dim": 32, "hidden_size": 32, "num_heads": 4, "patch_size": 4}
QWEN_IDS = {
    "image_token_id": 4,
    "video_token_id": 5,
    "vision_start_token_id": 6,
    "vision_end_token_id": 7,
}


def _rope(section: list[int], **extra: Any) -> dict[str, Any]:
    return {
        "rope_parameters": {
            "rope_type": "default", "rope_theta": 1e4, "mrope_section": section, **extra,
        }
    }  # fmt: skip


def _mixture(**changes: Any) -> dict[str, Any]:
    return (
        BASE | {"moe_intermediate_size": 32, "num_experts": 4, "num_experts_per_tok": 2} | changes
    )


DECODERS: dict[str, Callable[[], PreTrainedModel]] = {
    "Llama": lambda: t.LlamaForCausalLM(t.LlamaConfig(**BASE)),
    "Qwen2": lambda: t.Qwen2ForCausalLM(t.Qwen2Config(**BASE)),
    "Qwen3": lambda: t.Qwen3ForCausalLM(t.Qwen3Config(**BASE, head_dim=8)),
    "Mistral": lambda: t.MistralForCausalLM(t.MistralConfig(**BASE, **WINDOW)),
    "Gemma2": lambda: t.Gemma2ForCausalLM(
        t.Gemma2Config(**BASE, **MIXED, head_dim=8, query_pre_attn_scalar=8)
    ),
    "Gemma3": lambda: t.Gemma3ForCausalLM(
        t.Gemma3TextConfig(**BASE, **MIXED, head_dim=8, query_pre_attn_scalar=8)
    ),
    "Phi3": lambda: t.Phi3ForCausalLM(t.Phi3Config(**BASE)),
    "OLMo2": lambda: t.Olmo2ForCausalLM(t.Olmo2Config(**BASE)),
    "GPT-2": lambda: t.GPT2LMHeadModel(
        t.GPT2Config(
            vocab_size=64,
            n_embd=32,
            n_layer=2,
            n_head=4,
            n_positions=256,
            initializer_range=0.3,
            bos_token_id=1,
            eos_token_id=2,
        )
    ),
    "GPT-NeoX": lambda: t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**NO_KV)),
    "OPT": lambda: t.OPTForCausalLM(
        t.OPTConfig(
            vocab_size=64,
            hidden_size=32,
            ffn_dim=48,
            num_hidden_layers=2,
            word_embed_proj_dim=32,
            num_attention_heads=4,
            max_position_embeddings=256,
            init_std=0.3,
            pad_token_id=0,
        )
    ),
    "Mixtral": lambda: t.MixtralForCausalLM(
        t.MixtralConfig(**BASE, num_local_experts=4, num_experts_per_tok=2)
    ),
    "Qwen3-MoE": lambda: t.Qwen3MoeForCausalLM(t.Qwen3MoeConfig(**_mixture(), head_dim=8)),
    "GPT-OSS": lambda: t.GptOssForCausalLM(
        t.GptOssConfig(
            **BASE,
            **MIXED,
            head_dim=8,
            num_local_experts=4,
            num_experts_per_tok=2,
            rope_parameters={"rope_type": "default", "rope_theta": 1e4},
        )
    ),
    "DeepSeek-V3": lambda: t.DeepseekV3ForCausalLM(
        t.DeepseekV3Config(
            **{**BASE, "num_key_value_heads": 4},
            moe_intermediate_size=32,
            n_routed_experts=4,
            num_experts_per_tok=2,
            n_group=1,
            topk_group=1,
            n_shared_experts=1,
            q_lora_rank=16,
            kv_lora_rank=16,
            qk_rope_head_dim=4,
            qk_nope_head_dim=8,
            v_head_dim=8,
            first_k_dense_replace=1,
        )
    ),
    "LLaVA": lambda: t.LlavaForConditionalGeneration(
        t.LlavaConfig(
            vision_config=t.CLIPVisionConfig(**VISION),
            text_config=t.LlamaConfig(**BASE),
            image_token_id=4,
        )
    ),
    "LLaVA-NeXT": lambda: t.LlavaNextForConditionalGeneration(
        t.LlavaNextConfig(
            vision_config=t.CLIPVisionConfig(**VISION),
            text_config=t.LlamaConfig(**BASE),
            image_token_id=4,
        )
    ),
    "Qwen2-VL": lambda: t.Qwen2VLForConditionalGeneration(
        t.Qwen2VLConfig(
            text_config={**BASE, **_rope([1, 1, 2])}, vision_config=QWEN_VISION, **QWEN_IDS
        )
    ),
    "Qwen2.5-VL": lambda: t.Qwen2_5_VLForConditionalGeneration(
        t.Qwen2_5_VLConfig(
            text_config={**BASE, **_rope([1, 1, 2])},
            vision_config={
                "depth": 1,
                "hidden_size": 32,
                "out_hidden_size": 32,
                "num_heads": 4,
                "patch_size": 4,
                "intermediate_size": 48,
                "window_size": 16,
                "fullatt_block_indexes": [0],
            },
            **QWEN_IDS,
        )
    ),
    "Qwen3-VL": lambda: t.Qwen3VLForConditionalGeneration(
        t.Qwen3VLConfig(
            text_config={**BASE, "head_dim": 8, **_rope([2, 1, 1], mrope_interleaved=True)},
            vision_config={
                "depth": 1,
                "hidden_size": 32,
                "out_hidden_size": 32,
                "num_heads": 4,
                "patch_size": 4,
                "intermediate_size": 48,
                "deepstack_visual_indexes": [0],
            },
            **QWEN_IDS,
        )
    ),
}
ENCODERS: dict[str, Callable[[], PreTrainedModel]] = {
    "BERT": lambda: t.BertModel(t.BertConfig(**NO_KV)),
    "XLM-R": lambda: t.XLMRobertaModel(t.XLMRobertaConfig(**NO_KV)),
    "CLIP vision": lambda: t.CLIPVisionModel(t.CLIPVisionConfig(**VISION)),
}
REFUSED: dict[str, Callable[[], PreTrainedModel]] = {
    "Bloom": lambda: t.BloomForCausalLM(
        t.BloomConfig(vocab_size=64, hidden_size=32, n_layer=2, n_head=4)
    ),
    "Falcon": lambda: t.FalconForCausalLM(
        t.FalconConfig(
            vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, alibi=False
        )
    ),
    "GPT-J": lambda: t.GPTJForCausalLM(
        t.GPTJConfig(vocab_size=64, n_embd=32, n_layer=2, n_head=4, rotary_dim=8)
    ),
    "MPNet": lambda: t.MPNetModel(t.MPNetConfig(**NO_KV)),
    "T5": lambda: t.T5ForConditionalGeneration(
        t.T5Config(vocab_size=64, d_model=32, d_kv=8, d_ff=48, num_layers=1, num_heads=4)
    ),
}


def make(name: str) -> PreTrainedModel:
    """A model of the family, seeded, in evaluation mode, without ties to special tokens."""
    torch.manual_seed(0)
    model = {**DECODERS, **ENCODERS, **REFUSED}[name]().eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter_name.endswith("sinks"):
                parameter.normal_()
    return model
