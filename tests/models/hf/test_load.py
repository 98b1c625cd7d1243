from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from headbench.errors import ConfigError, RefusedError
from headbench.models.adapter_catalogue import create
from headbench.models.hf.fingerprint import fingerprint_files
from helpers_models import answers, images, jobs, llama, llava, request
from helpers_tiny import (
    tiny_llama,
    tiny_llava,
    tiny_llava_processor,
    tiny_qwen2_vl,
    tiny_qwen2_vl_processor,
    tiny_tokenizer,
)

PLAIN = {"chat_template": "off", "attn": "sdpa"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The tiny Llama in Hugging Face format."""
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-llama"
    tiny_llama().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def copy(saved, target):
    target.mkdir()
    for path in saved.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def test_a_saved_model_answers_like_the_one_in_memory(saved):
    model = create("hf", {"pretrained": str(saved), **PLAIN})
    asked = jobs([request("what is the secret word of river? answer:")])
    assert answers(model, asked)[0].tokens == answers(llama(chat_template="off"), asked)[0].tokens
    info = model.info
    assert (info.name, info.family, info.images) == ("tiny-llama", "llama", False)
    assert (info.layers, info.heads, info.kv_heads, info.head_dim) == (3, 4, 2, 12)
    assert model.identity["dtype"] == "float32"
    assert model.identity["device"] == "cpu"
    assert model.identity["attention"] == "sdpa"


def test_half_precision_checkpoints_are_widened_on_a_cpu(tmp_path):
    tiny_llama().half().save_pretrained(tmp_path / "half")
    tiny_tokenizer().save_pretrained(tmp_path / "half")
    model = create("hf", {"pretrained": str(tmp_path / "half"), **PLAIN})
    assert model.model.dtype == torch.float32
    narrow = create("hf", {"pretrained": str(tmp_path / "half"), **PLAIN, "dtype": "bfloat16"})
    assert narrow.identity["dtype"] == "bfloat16"
    assert narrow.identity["weights"] == model.identity["weights"]


def test_one_changed_weight_changes_the_fingerprint(saved, tmp_path):
    other = copy(saved, tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    weights["lm_head.weight"][0, 0] += 1
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    first, second = (fingerprint_files([f / "model.safetensors"]) for f in (saved, other))
    assert first != second
    assert create("hf", {"pretrained": str(other), **PLAIN}).identity["weights"] == second


def test_one_changed_weight_in_memory_changes_the_fingerprint():
    first, second = llama(), llama()
    assert first.identity == second.identity
    from headbench.models.hf.fingerprint import fingerprint_tensors

    with torch.no_grad():
        second.model.lm_head.weight[0, 0] += 1
    assert fingerprint_tensors(second.model) != first.identity["weights"]


def test_pickled_weights_are_not_loaded(saved, tmp_path):
    folder = copy(saved, tmp_path / "pickled")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        create("hf", {"pretrained": str(folder), **PLAIN})


def test_a_checkpoint_with_missing_weights_is_refused(saved, tmp_path):
    folder = copy(saved, tmp_path / "partial")
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.self_attn.q_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RefusedError, match="lacks 1 weights") as caught:
        create("hf", {"pretrained": str(folder), **PLAIN})
    assert "q_proj" in caught.value.where


def test_a_truncated_weight_file_is_an_error_with_a_hint(saved, tmp_path):
    folder = copy(saved, tmp_path / "cut")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ConfigError, match="cannot be loaded"):
        create("hf", {"pretrained": str(folder), **PLAIN})


def test_quantised_weights_are_refused_by_name(saved, tmp_path):
    folder = copy(saved, tmp_path / "quantised")
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(RefusedError, match="quantised"):
        create("hf", {"pretrained": str(folder), **PLAIN})


@pytest.mark.parametrize(
    ("args", "word"),
    [
        ({}, "needs a checkpoint"),
        ({"pretrained": "no/such-model"}, "not in the local cache"),
        ({"pretrained": "x", "dtype": "int8"}, "dtype"),
        ({"pretrained": "x", "chat_template": "yes"}, "chat_template"),
        ({"pretrained": "x", "attn": "flash"}, "attn"),
    ],
)
def test_wrong_arguments_are_named(args, word):
    with pytest.raises(ConfigError, match=word):
        create("hf", args)


def test_a_device_that_is_not_there_is_named(saved):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigError, match="GPU"):
        create("hf", {"pretrained": str(saved), "device": "cuda"})


def test_head_maps_beside_a_checkpoint_are_found(saved, tmp_path):
    folder = copy(saved, tmp_path / "mapped")
    (folder / "heads-retrieval.json").write_text("{}")
    model = create("hf", {"pretrained": str(folder), **PLAIN})
    assert dict(model.info.maps) == {"retrieval": str(folder / "heads-retrieval.json")}


@pytest.mark.parametrize(
    ("build", "processor"),
    [(tiny_llava, tiny_llava_processor), (tiny_qwen2_vl, tiny_qwen2_vl_processor)],
)
def test_vision_language_models_load_through_the_auto_classes(tmp_path, build, processor):
    build().save_pretrained(tmp_path / "vlm")
    whole = processor(chat_template=True)
    whole.save_pretrained(tmp_path / "vlm")
    for path in (tmp_path / "vlm").glob("*.json"):  # as the hub's files name it
        path.write_text(path.read_text().replace("ImageOnlyQwen2VL", "Qwen2VL"))
    model = create("hf", {"pretrained": str(tmp_path / "vlm"), "attn": "sdpa"})
    store = images(1)
    model.bind(store.__getitem__)
    asked = jobs([request("<image> is there a cat?", images=tuple(store))])
    answer = answers(model, asked)[0]
    assert model.images
    assert model.info.images
    assert len(answer.first) == 20
    if build is tiny_llava:
        assert answer.tokens == answers(llava(store), asked)[0].tokens
