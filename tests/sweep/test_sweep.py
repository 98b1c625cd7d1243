"""One class per implementation of attention, every time; all classes by ``make sweep``."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from transformers import PretrainedConfig

from headbench.nouns import Answer
from sweep import classes, configs
from sweep.checks import Found, Said, Wrong, compare
from sweep.page import page

ROOT = Path(__file__).parents[2]
RIGHT = {
    "llama": "grouped heads",
    "gpt2": "one projection for queries, keys and values",
    "mistral": "a sliding window",
    "gemma2": "soft caps, no sdpa",
    "gpt_oss": "learned sinks, no sdpa",
    "deepseek_v3": "latent keys and values",
    "llama4_text": "chunks",
    "opt": "learned positions",
    "mixtral": "experts",
    "gemma3n_text": "layers that share keys",
    "qwen2_vl": "rotary positions of three parts",
    "lfm2": "attention among convolutions",
    "jamba": "attention among states",
    "qwen3_5_text": "attention among gated delta rules",
    "falcon_h1": "attention beside states",
}
MIXED = {"lfm2": [1, 3], "jamba": [1, 3], "qwen3_5_text": [1, 3]}
"""Layers with attention, where not all four have it."""
REFUSED = {
    "bloom": "does not use transformers' attention interface",
    "diffllama": "runs one attention module several times",
    "bitnet": "normalises the outputs of all heads together",
    "jetmoe": "chooses its heads for each token by a router",
    "gemma4_text": "layers of different head shapes",
    "roberta": "counts positions in its own way",
    "paligemma": "a later token changes its logits at an earlier one",
    "recurrent_gemma": "its cache does not hold its state",
    "minimax": "uses cache of its own",
    "deepseek_v4": "is of a kind that cannot be decoded with",
    "mamba": "names no number of attention heads",
}


@pytest.mark.parametrize("model_type", RIGHT)
def test_an_implementation_of_attention_is_right(model_type: str, tmp_path: Path) -> None:
    found = classes.outcome(model_type, tmp_path / model_type, count=6)
    assert (found.outcome, found.reason) == ("right", "")
    assert found.attention == MIXED.get(model_type, [0, 1, 2, 3])
    assert found.tokens > 60


@pytest.mark.parametrize("model_type", REFUSED)
def test_what_cannot_be_right_is_refused_by_name(model_type: str, tmp_path: Path) -> None:
    found = classes.outcome(model_type, tmp_path / model_type)
    assert found.outcome == "refused", found
    assert REFUSED[model_type] in found.reason


def test_the_page_tells_of_every_model_type_and_none_is_wrong() -> None:
    text = (ROOT / "docs" / "architectures.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)
    assert sorted(told) == list(configs.kinds())
    assert " 0 are wrong.**" in " ".join(text.split())
    for model_type in RIGHT:
        assert f"| `{model_type}` |" in text.partition("## Refused")[0]


def test_tiny_configurations_follow_the_classes_own_fields() -> None:
    config = configs.tiny("qwen3_next")
    assert (config.num_hidden_layers, config.hidden_size, config.num_experts) == (4, 64, 4)
    assert config.layer_types == ["linear_attention", "full_attention"] * 2
    whole = configs.tiny("llava")
    assert isinstance(whole.vision_config, PretrainedConfig)
    assert (whole.vision_config.num_hidden_layers, whole.vision_config.image_size) == (2, 32)
    assert whole.text_config.vocab_size == configs.VOCABULARY
    assert whole.image_token_id == configs.FIRST_MARK


SAID = [Said(7, -0.5, 2.0), Said(8, -1.0, 5e-4), Said(9, -1.0, 2.0)]


def answer(tokens: tuple[int, ...], logprobs: tuple[float, ...]) -> Answer:
    return Answer(text="", tokens=tokens, logprobs=logprobs)


def test_tokens_are_compared_up_to_a_tie_and_no_further() -> None:
    found = Found("right")
    compare([answer((7, 5, 5), (-0.50005, -9.0, -9.0))], [SAID], found, "x")
    assert (found.tokens, found.worst) == (1, pytest.approx(5e-5, rel=1e-3))
    with pytest.raises(Wrong, match="x: prompt 0 says another token 1"):
        compare([answer((6,), (-0.5,))], [SAID], found, "x")
    with pytest.raises(Wrong, match=r"x: prompt 0, token 1: off by 0\.0002"):
        compare([answer((7,), (-0.5002,))], [SAID], found, "x")
    with pytest.raises(Wrong, match="does not end where it should"):
        compare([answer((7, 3), (-0.5, -1.0))], [[SAID[0], Said(2, 0.0, 3.0)]], found, "x")


def test_a_class_that_kills_its_process_is_an_outcome_and_the_sweep_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stub(model_type: str, folder: Path) -> Found:
        if model_type == "opt":
            os._exit(9)
        return Found("right", layers=4, attention=[0, 1, 2, 3])

    monkeypatch.setattr(classes, "outcome", stub)
    rows = classes.sweep(["llama", "opt", "gpt2"], tmp_path, say=lambda _: None)
    assert [row["outcome"] for row in rows] == ["right", "wrong", "right"]
    assert "its process ended with 9" in str(rows[1]["reason"])
    assert classes.summary(rows) == {"right": 2, "refused": 0, "unbuilt": 0, "wrong": 1}
    monkeypatch.setattr(classes, "_apart", None)  # nothing runs again
    assert classes.sweep(["llama", "opt", "gpt2"], tmp_path, say=lambda _: None) == rows
    stale = json.loads((tmp_path / "llama.json").read_text()) | {"source": "other"}
    (tmp_path / "llama.json").write_text(json.dumps(stale))
    with pytest.raises(TypeError, match="not callable"):
        classes.sweep(["llama"], tmp_path, say=lambda _: None)
    text = page(rows)
    assert "| `opt` | OPTForCausalLM | its process ended with 9" in text.partition("## Wrong")[2]
