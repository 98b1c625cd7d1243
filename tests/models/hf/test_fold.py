from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import PhiConfig, PhiForCausalLM

from headbench.errors import ConfigError, RefusedError
from headbench.interventions.resolve import resolve
from headbench.models.hf.engine import Engine
from headbench.models.hf.fold import fold, foldable
from headbench.models.hf.intervene import intervene, model_info
from helpers_families import make
from helpers_tiny import tiny_llama, tiny_tokenizer

IDS = torch.tensor([[1, 10, 20, 30, 40, 50, 11, 12]])
SCALED = "scale_heads(heads=[[0,1],[1,3]],alpha=-0.5)"


def folded(model: Any, intervention: str) -> torch.Tensor:
    with Engine(model) as engine:
        (condition,) = resolve(intervention, model_info(engine, {}))
    fold(model, foldable(condition.interventions))
    with torch.no_grad():
        return model(IDS).logits


def edited(model: Any, intervention: str) -> torch.Tensor:
    with torch.no_grad(), intervene(model, intervention):
        return model(IDS).logits


@pytest.mark.parametrize("family", ["Llama", "Qwen3", "GPT-2", "GPT-NeoX", "OPT", "Gemma2", "Phi3"])
def test_folded_scales_equal_edits(family: str) -> None:
    model = make(family)
    expected = edited(model, SCALED + "+mask_heads(heads=[[1,2]])")
    plain = model(IDS).logits
    found = folded(model, SCALED + "+mask_heads(heads=[[1,2]])")
    assert (found - expected).abs().max() < 1e-4 * max(1, float(expected.detach().abs().max()))
    assert (found - plain).abs().max() > 1e-3


@pytest.mark.parametrize("family", ["Llama", "Qwen3", "OPT"])
def test_folded_uniform_heads_equal_edits(family: str) -> None:
    model, intervention = make(family), "mask_heads(heads=[[0,1],[1,0]],mode=uniform)"
    expected = edited(model, intervention)
    assert (folded(model, intervention) - expected).abs().max() < 1e-4


def test_a_folded_uniform_head_loses_its_queries_bias_too() -> None:
    """The tiny Llama's odd heads look for a sink by their bias alone."""
    model, intervention = tiny_llama(), "mask_heads(heads=[[0,1],[1,0],[2,3]],mode=uniform)"
    plain = model(IDS).logits
    expected = edited(model, intervention)
    found = folded(model, intervention)
    assert (found - expected).abs().max() < 1e-4
    assert (found - plain).abs().max() > 1e-2
    bias = model.model.layers[0].self_attn.q_proj.bias.view(4, -1)
    assert not bias[1].any() and bias[3].any()


def test_folded_offsets_equal_edits_where_there_is_a_bias(tmp_path: Path) -> None:
    path = str(tmp_path / "v.safetensors")
    save_file({"offset": torch.randn(3, 4, 12, generator=torch.Generator().manual_seed(1))}, path)
    model, intervention = tiny_llama(), f"offset_heads(file={path!r})"
    expected = edited(model, intervention)
    assert (folded(model, intervention) - expected).abs().max() < 2e-4
    save_file({"offset": torch.ones(2, 4, 8)}, path)
    with pytest.raises(RefusedError, match="no bias"):
        folded(make("Llama"), intervention)


@pytest.mark.parametrize(
    ("family", "intervention", "message"),
    [
        ("Llama", "mask_heads(heads=[[0,1]],phase=decode)", "phase=decode"),
        ("Llama", "zerotuning(gamma=2)", "Bias at 'scores'"),
        ("Llama", "softpag(heads=[[0,1]],u=0.5)", "Mix at 'z'"),
        ("Llama", "vhr", "no static plan"),
        ("OLMo2", "mask_heads(heads=[[0,1]],mode=uniform)", "all heads together"),
        ("Phi3", "mask_heads(heads=[[0,1]],mode=uniform)", "no query projection"),
    ],
)
def test_what_weights_cannot_hold_is_refused_by_name(
    family: str, intervention: str, message: str
) -> None:
    with pytest.raises(RefusedError, match=message):
        folded(make(family), intervention)


def test_a_query_norm_with_a_bias_holds_no_zero_query() -> None:
    """Folding zeroes what enters the norm; the edit zeroes what leaves it."""
    sizes = {"hidden_size": 32, "intermediate_size": 48, "vocab_size": 64, "num_hidden_layers": 2}
    config = PhiConfig(**sizes, num_attention_heads=4, qk_layernorm=True, pad_token_id=0)
    model = PhiForCausalLM(config).eval()
    uniform = "mask_heads(heads=[[0,1]],mode=uniform)"
    expected = edited(model, uniform)
    assert (folded(model, uniform) - expected).abs().max() < 1e-4
    with torch.no_grad():
        model.model.layers[0].self_attn.q_layernorm.bias.fill_(0.5)
    with pytest.raises(RefusedError, match="normalises queries with a bias"):
        folded(model, uniform)


def test_the_command_writes_a_checkpoint_that_loads(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    from headbench.cli.fold import fold as command

    model = tiny_llama()
    model.save_pretrained(tmp_path / "in")
    tiny_tokenizer().save_pretrained(tmp_path / "in")
    command(SCALED, str(tmp_path / "in"), tmp_path / "out")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    with torch.no_grad():
        assert (again(IDS).logits - edited(model, SCALED)).abs().max() < 1e-4
    with pytest.raises(ConfigError, match="this is no empty folder"):
        command(SCALED, str(tmp_path / "in"), tmp_path / "out")
