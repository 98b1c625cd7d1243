"""The shipped language model: loads by itself, is what was pinned, and does what its card says."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from headbench._paths import checkpoints_root
from headbench.heads.headmap import HeadMap
from headbench.models.hf.threads import threads
from headbench.reference import lm_probe
from headbench.reference.checkpoint import changed_files
from headbench.reference.lm_evidence import FORMAT, gates
from headbench.reference.vocabulary import vocabulary
from headbench.worlds.needles import NeedleWorld

NAME = "ref-lm-v1"
FOLDER = checkpoints_root() / NAME


@pytest.fixture(scope="module")
def model():
    with threads(1):
        yield AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def asked():
    return lm_probe.documents("test", 256, (0.0, 0.5, 1.0), 12, first_seed=1000)


@pytest.fixture(scope="module")
def heads():
    return HeadMap.load(FOLDER / "heads-retrieval.json")


def test_files_are_those_that_were_pinned():
    assert changed_files(NAME) == []


def test_the_folder_is_small():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 8_000_000


def test_ids_of_the_shipped_tokenizer_are_those_of_the_code(tokenizer):
    assert tokenizer.get_vocab() == vocabulary()


def test_it_is_a_standard_class_stored_in_half_precision(model):
    assert type(model).__module__.startswith("transformers.")
    settings = json.loads((FOLDER / "config.json").read_text())
    assert settings["architectures"] == ["LlamaForCausalLM"]
    assert settings["dtype"] == "float16"


def test_it_generates_the_hidden_words_from_a_chat(model, tokenizer):
    document = NeedleWorld("test").document(77, 200, 0.3)
    told = tokenizer.apply_chat_template(
        [{"role": "user", "content": document.prompt()}], return_dict=True, return_tensors="pt"
    )
    said = model.generate(**told, max_new_tokens=4, do_sample=False)[0, told["input_ids"].size(1) :]
    assert tokenizer.decode(said) == document.questions[0].answer + "."


def test_it_recalls_until_its_retrieval_heads_are_masked(model, tokenizer, asked, heads):
    order = lm_probe.ranked(torch.tensor(heads.scores))
    assert lm_probe.recall(model, tokenizer, asked) >= 0.95
    with lm_probe.masked_heads(model, order[:2]):
        assert lm_probe.recall(model, tokenizer, asked) < 0.2
    detected = [at for at in order if heads.scores[at[0]][at[1]] >= (heads.threshold or 0)]
    others = [at for at in order if at[0] in {layer for layer, _ in detected} - {0}]
    with lm_probe.masked_heads(model, [at for at in others if at not in detected][:6]):
        assert lm_probe.recall(model, tokenizer, asked) >= 0.9


def test_its_head_map_can_be_measured_again(model, tokenizer, heads):
    again, trials = lm_probe.copy_scores(
        model, tokenizer, lm_probe.documents("calibration", 256, (0.2, 0.8), 8)
    )
    assert trials >= 7
    assert torch.allclose(again, torch.tensor(heads.scores), atol=0.2)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("evidence-seed*.json")), ids=lambda p: p.stem)
def test_stored_evidence_agrees_with_its_own_gates(path):
    table = json.loads(path.read_text())
    assert table["format"] == FORMAT
    assert path.stem == f"evidence-seed{table['seed']}"
    assert gates(table) == table["gates"]


def test_gates_notice_a_model_whose_recall_survives_masking():
    table = json.loads((FOLDER / "evidence-seed0.json").read_text())
    assert all(gate["holds"] for gate in gates(table))
    table["masking"]["top"]["2"] = 0.91
    failed = [gate["name"] for gate in gates(table) if not gate["holds"]]
    assert failed == ["recall after masking the top 2"]
