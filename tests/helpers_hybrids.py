"""Tiny random models that mix layers with and without attention, made from configurations alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as t
from torch import nn
from transformers import PreTrainedModel

from helpers_tiny import tiny_tokenizer

BASE: dict[str, Any] = {
    "vocab_size": len(tiny_tokenizer()),
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
MAMBA = {
    "mamba_n_heads": 4,
    "mamba_d_head": 16,
    "mamba_n_groups": 1,
    "mamba_d_state": 8,
    "mamba_chunk_size": 16,
}
DELTA = {
    "head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"] * 2,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}

HYBRIDS: dict[str, tuple[Callable[[], PreTrainedModel], tuple[int, ...]]] = {
    "LFM2": (
        lambda: t.Lfm2ForCausalLM(t.Lfm2Config(**BASE, full_attn_idxs=[1, 3])),
        (1, 3),
    ),
    "Jamba": (
        lambda: t.JambaForCausalLM(
            t.JambaConfig(
                **BASE,
                attn_layer_period=2,
                attn_layer_offset=1,
                num_experts=2,
                use_mamba_kernels=False,
                mamba_d_state=8,
            )
        ),
        (1, 3),
    ),
    "Bamba": (
        lambda: t.BambaForCausalLM(t.BambaConfig(**BASE, **MAMBA, attn_layer_indices=[1, 3])),
        (1, 3),
    ),
    "Granite hybrid": (
        lambda: t.GraniteMoeHybridForCausalLM(
            t.GraniteMoeHybridConfig(
                **BASE,
                **MAMBA,
                layer_types=["mamba", "attention"] * 2,
                num_local_experts=2,
                num_experts_per_tok=1,
                shared_intermediate_size=32,
            )
        ),
        (1, 3),
    ),
    "MiniMax": (
        lambda: t.MiniMaxForCausalLM(
            t.MiniMaxConfig(
                **BASE,
                head_dim=8,
                num_local_experts=2,
                layer_types=["linear_attention", "full_attention"] * 2,
            )
        ),
        (1, 3),
    ),
    "Qwen3-Next": (
        lambda: t.Qwen3NextForCausalLM(
            t.Qwen3NextConfig(**BASE, **DELTA, **EXPERTS, shared_expert_intermediate_size=32)
        ),
        (1, 3),
    ),
    "Qwen3.5": (
        lambda: t.Qwen3_5ForCausalLM(t.Qwen3_5TextConfig(**BASE, **DELTA)),
        (1, 3),
    ),
    "RecurrentGemma": (
        lambda: t.RecurrentGemmaForCausalLM(
            t.RecurrentGemmaConfig(**BASE, lru_width=32, attention_window_size=8, head_dim=8)
        ),
        (2,),
    ),
    "Falcon-H1": (
        lambda: t.FalconH1ForCausalLM(t.FalconH1Config(**BASE, **MAMBA, mamba_d_ssm=64)),
        (0, 1, 2, 3),
    ),
}
"""Name -> how to make it, and the layers with attention."""


def hybrid(name: str) -> PreTrainedModel:
    """A model of the family, seeded, in evaluation mode."""
    torch.manual_seed(0)
    return HYBRIDS[name][0]().eval()


def saved(model: PreTrainedModel, folder: Path) -> Path:
    """The model and the tiny tokenizer in Hugging Face format."""
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def output_projection(model: PreTrainedModel, layer: int) -> nn.Linear:
    """The output projection of a layer's attention, found by the layer's own number."""
    found = [
        module
        for name, module in model.named_modules()
        if (f".layers.{layer}." in f".{name}" and name.endswith(("attn.o_proj", "attn.out_proj")))
        or (f".layers.{layer}." in f".{name}" and name.endswith("temporal_block.o_proj"))
    ]  # fmt: skip
    assert len(found) == 1
    return found[0]


def silence(projection: nn.Linear, head: int, width: int) -> Any:
    """Zero one head's columns of what enters an output projection, by a plain hook."""

    def zeroed(_module: nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        x = given[0].clone()
        x[..., head * width : (head + 1) * width] = 0
        return (x, *given[1:])

    return projection.register_forward_pre_hook(zeroed)
