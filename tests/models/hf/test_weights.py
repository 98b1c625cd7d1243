"""Weights that the model and the checkpoint do not share: refused, or asked for and recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    LlavaForConditionalGeneration,
)

from headbench.errors import RefusedError
from headbench.jobs import Job
from headbench.models.adapter_catalogue import create
from headbench.models.hf.weights import check_weights
from headbench.nouns import Capture
from headbench.results.keys import response_key
from helpers_models import BASELINE, answers, jobs, request
from helpers_tiny import (
    tiny_bert,
    tiny_llama,
    tiny_llava,
    tiny_llava_processor,
    tiny_tokenizer,
)

PLAIN = {"chat_template": "off", "attn": "sdpa"}
LAST = Capture("residual", (-1,), rows="all", pool="mean")
Weights = dict[str, torch.Tensor]


def saved(folder: Path, model: Any, change: Callable[[Weights], None] = lambda w: None) -> str:
    """A checkpoint whose weights were changed after they were saved."""
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return str(folder)


def add(*names: str) -> Callable[[Weights], None]:
    return lambda weights: weights.update({name: torch.ones(2, 2) for name in names})


def test_weights_that_the_model_does_not_use_are_refused_unless_asked(tmp_path: Path) -> None:
    extra = ("model.layers.3.self_attn.q_proj.weight", "model.layers.0.self_attn.q_norm.weight")
    folder = saved(tmp_path / "more", tiny_llama(), add(*extra))
    with pytest.raises(RefusedError, match="does not use 2 weights") as caught:
        create("hf", {"pretrained": folder, **PLAIN})
    assert "q_norm" in str(caught.value.where)
    assert "allow_unused_weights=true" in str(caught.value.hint)
    model = create("hf", {"pretrained": folder, **PLAIN, "allow_unused_weights": "true"})
    asked = jobs([request("what is the secret word of river? answer:")])
    plain = create("hf", {"pretrained": saved(tmp_path / "plain", tiny_llama()), **PLAIN})
    assert answers(model, asked)[0].tokens == answers(plain, asked)[0].tokens  # type: ignore[arg-type]
    assert model.identity["unused_weights"].startswith("2:")
    assert "unused_weights" not in plain.identity
    job = Job(request("who"), BASELINE)
    assert response_key(model.identity, {}, job) != response_key(plain.identity, {}, job)


def test_asked_for_without_need_changes_nothing(tmp_path: Path) -> None:
    folder = saved(tmp_path / "m", tiny_llama())
    plain, asked = (
        create("hf", {"pretrained": folder, **PLAIN, **more})
        for more in ({}, {"allow_unused_weights": "true"})
    )
    assert asked.identity == plain.identity


def test_tied_weights_are_neither_missing_nor_unused(tmp_path: Path) -> None:
    """A tied output layer may be in the file or not."""
    tied = tiny_llama(tie_word_embeddings=True)
    without = saved(tmp_path / "without", tied)
    assert "lm_head.weight" not in load_file(Path(without) / "model.safetensors")

    def repeat(weights: Weights) -> None:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()

    models = [
        create("hf", {"pretrained": folder, **PLAIN})
        for folder in (without, saved(tmp_path / "with", tied, repeat))
    ]
    asked = jobs([request("who")])
    first, second = (answers(model, asked)[0].tokens for model in models)  # type: ignore[arg-type]
    assert first == second


def test_buffers_of_old_checkpoints_and_what_the_library_ignores_are_let_pass(
    tmp_path: Path,
) -> None:
    config = GPT2Config(
        vocab_size=len(tiny_tokenizer()), n_embd=32, n_layer=2, n_head=4, n_positions=32
    )
    old = ("transformer.h.0.attn.bias", "transformer.h.1.attn.masked_bias")
    folder = saved(tmp_path / "gpt2", GPT2LMHeadModel(config).eval(), add(*old))
    create("hf", {"pretrained": folder, **PLAIN})
    rotary = "model.layers.0.self_attn.rotary_emb.inv_freq"
    create("hf", {"pretrained": saved(tmp_path / "llama", tiny_llama(), add(rotary)), **PLAIN})


def test_a_class_that_declares_more_layers_as_ignored_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As DeepSeek-V3 does with the layer that predicts a second token."""
    folder = saved(tmp_path / "m", tiny_llama(), add("model.layers.3.mlp.up_proj.weight"))
    monkeypatch.setattr(
        LlamaForCausalLM, "_keys_to_ignore_on_load_unexpected", [r"model\.layers\.3.*"]
    )
    create("hf", {"pretrained": folder, **PLAIN})


def test_a_vision_language_model_is_checked_too(tmp_path: Path) -> None:
    model = tiny_llava()
    assert isinstance(model, LlavaForConditionalGeneration)
    tiny_llava_processor(chat_template=True).save_pretrained(tmp_path / "vlm")
    folder = saved(tmp_path / "vlm", model, add("model.second_projector.weight"))
    with pytest.raises(RefusedError, match="does not use 1 weights"):
        create("hf", {"pretrained": folder, "attn": "sdpa"})


def test_weights_of_another_shape_are_an_error_in_words() -> None:
    report: dict[str, Any] = {
        "missing_keys": set(),
        "unexpected_keys": set(),
        "mismatched_keys": {("model.embed_tokens.weight", (9, 4), (8, 4))},
    }
    with pytest.raises(RefusedError, match="another shape"):
        check_weights(report, "here", allowed=True)


# ------------------------------------------------------------------ encoders


def encode(folder: str, **args: str) -> Any:
    model = create("encoder", {"pretrained": folder, **args})
    asked = jobs([request("a red lamp", "represent", ask={"captures": (LAST,)})])
    return model, answers(model, asked)[0].arrays[LAST]  # type: ignore[arg-type]


def test_an_encoder_without_a_layers_weights_is_refused(tmp_path: Path) -> None:
    """They stayed random before, and every run gave other vectors."""

    def drop(weights: Weights) -> None:
        del weights["encoder.layer.1.attention.self.query.weight"]

    with pytest.raises(RefusedError, match="lacks 1 weights"):
        encode(saved(tmp_path / "m", tiny_bert(), drop))


def test_what_stands_on_top_of_an_encoder_may_be_missing_or_unused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = BertForMaskedLM(tiny_bert().config).eval()
    model, vector = encode(saved(tmp_path / "masked", whole))
    assert "unused_weights" not in model.identity

    def drop(weights: Weights) -> None:
        for name in [name for name in weights if name.startswith("pooler")]:
            del weights[name]

    bare = tiny_bert()
    _, pooled = encode(saved(tmp_path / "pooled", bare))
    _, poolless = encode(saved(tmp_path / "poolless", bare, drop))
    assert torch.equal(pooled, poolless)
    assert vector.shape == pooled.shape


def test_an_encoders_unused_weights_are_refused_unless_asked(tmp_path: Path) -> None:
    folder = saved(tmp_path / "m", tiny_bert(), add("encoder.layer.2.output.dense.weight"))
    with pytest.raises(RefusedError, match="does not use 1 weights"):
        encode(folder)
    model, _ = encode(folder, allow_unused_weights="true")
    assert model.identity["unused_weights"].startswith("1:")
