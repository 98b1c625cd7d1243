"""The checkpoints that ship: their bytes, and what plain library classes make of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from headbench._paths import checkpoints_root
from headbench.heads.headmap import HeadMap
from headbench.models.runtime.threads import threads
from headbench.reference.shipped import LATEST, RETIRED, changed_files, read_pins
from headbench.worlds.needles import NeedleWorld

ROOT = checkpoints_root()
PINS = read_pins(ROOT)
SHIPPED = {
    "ref-lm-v1/chat_template.jinja": "95726d222c313fdf",
    "ref-lm-v1/config.json": "6cc28b2c72e9598c",
    "ref-lm-v1/generation_config.json": "e9c42bd8c4e08af1",
    "ref-lm-v1/heads-retrieval.json": "9e3975009dd6f8d8",
    "ref-lm-v1/model.safetensors": "4ee20a9d6cf6d0d3",
    "ref-lm-v1/tokenizer.json": "6497ef8e2c16162e",
    "ref-lm-v1/tokenizer_config.json": "1aba8bcd18adf422",
    "ref-lm-v2/chat_template.jinja": "95726d222c313fdf",
    "ref-lm-v2/config.json": "2db32633d47827ec",
    "ref-lm-v2/generation_config.json": "e9c42bd8c4e08af1",
    "ref-lm-v2/heads-retrieval.json": "585a30ae48c0e28b",
    "ref-lm-v2/model.safetensors": "e74c40235dad57ec",
    "ref-lm-v2/tokenizer.json": "64888d287f329cb0",
    "ref-lm-v2/tokenizer_config.json": "1aba8bcd18adf422",
    "ref-vlm-v2/chat_template.jinja": "a192b464c565d422",
    "ref-vlm-v2/config.json": "ee15832d8b98a5f4",
    "ref-vlm-v2/generation_config.json": "2f9d5d22e48c73b0",
    "ref-vlm-v2/heads-retrieval.json": "c4311c744b6dfc07",
    "ref-vlm-v2/heads-vhd.json": "9060225bacf4ac36",
    "ref-vlm-v2/model.safetensors": "5be3c1d3e9746878",
    "ref-vlm-v2/processor_config.json": "ced71595afd6b4c8",
    "ref-vlm-v2/tokenizer.json": "6497ef8e2c16162e",
    "ref-vlm-v2/tokenizer_config.json": "216248ee86f675d0",
}
"""Model and file -> first digits of SHA-256. A model never changes under its name; its card may be
reworded."""


def test_every_byte_is_what_it_was_when_the_model_was_released() -> None:
    found = {
        f"{path.parent.name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in ROOT.glob("*/*")
        if path.name != "README.md"
    }
    assert found == SHIPPED


@pytest.mark.parametrize("name", sorted(PINS))
def test_files_are_those_that_were_pinned(name: str) -> None:
    assert changed_files(ROOT / name, PINS[name]) == []


def test_every_folder_is_pinned_and_small() -> None:
    assert {path.name for path in ROOT.iterdir() if path.is_dir()} == set(PINS)
    assert sum(path.stat().st_size for path in ROOT.rglob("*") if path.is_file()) < 7_000_000


def test_short_names_stand_for_models_that_ship_and_retired_ones_do_not() -> None:
    assert set(LATEST.values()) <= set(PINS)
    assert not set(RETIRED) & set(PINS)
    assert {retired.successor for retired in RETIRED.values()} <= set(PINS)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ref-lm-v1", "LlamaForCausalLM"),
        ("ref-lm-v2", "LlamaForCausalLM"),
        ("ref-vlm-v2", "LlavaForConditionalGeneration"),
    ],
)
def test_it_is_a_standard_class_stored_in_half_precision(name: str, kind: str) -> None:
    settings = json.loads((ROOT / name / "config.json").read_text())
    assert settings["architectures"] == [kind]
    assert settings["dtype"] == "float16"


def test_the_language_model_generates_the_hidden_words_from_a_chat() -> None:
    folder = ROOT / "ref-lm-v1"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    document = NeedleWorld("test").document(77, 200, 0.3)
    told = tokenizer.apply_chat_template(
        [{"role": "user", "content": document.prompt()}], return_dict=True, return_tensors="pt"
    )
    with threads(1):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        said = model.generate(**told, max_new_tokens=4, do_sample=False)
    assert type(model).__module__.startswith("transformers.")
    answer = tokenizer.decode(said[0, told["input_ids"].size(1) :])
    assert answer == document.questions[0].answer + "."


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("*/heads-*.json")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_a_shipped_map_loads_as_any_users_map_does(path: Path) -> None:
    shipped = HeadMap.load(path)
    layers = json.loads((path.parent / "config.json").read_text())
    layers = layers.get("text_config", layers)["num_hidden_layers"]
    assert (shipped.layers, shipped.heads) == (layers, 8)
    assert shipped.data["split"] == "calibration"
