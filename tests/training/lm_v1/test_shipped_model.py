"""The recipe and the model that it made: the vocabulary, the figures and the tables agree."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from headbench._paths import checkpoints_root
from headbench.heads.headmap import HeadMap
from headbench.models.runtime.threads import threads
from training.lm_v1 import needle_probe
from training.lm_v1.evidence import FORMAT, criteria
from training.lm_v1.vocabulary import vocabulary
from training.pages.stored import stored_tables

NAME = "ref-lm-v1"
FOLDER = checkpoints_root() / NAME
TABLES = stored_tables(NAME)


@pytest.fixture(scope="module")
def model():
    with threads(1):
        yield AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def asked():
    return needle_probe.documents("test", 256, (0.0, 0.5, 1.0), 12, first_seed=1000)


@pytest.fixture(scope="module")
def heads():
    return HeadMap.load(FOLDER / "heads-retrieval.json")


def test_ids_of_the_shipped_tokenizer_are_those_of_the_code(tokenizer):
    assert tokenizer.get_vocab() == vocabulary()


def test_it_recalls_until_its_retrieval_heads_are_masked(model, tokenizer, asked, heads):
    order = needle_probe.ranked(torch.tensor(heads.scores))
    assert needle_probe.recall(model, tokenizer, asked) >= 0.95
    with needle_probe.masked_heads(model, order[:2]):
        assert needle_probe.recall(model, tokenizer, asked) < 0.2
    detected = [at for at in order if heads.scores[at[0]][at[1]] >= (heads.threshold or 0)]
    others = [at for at in order if at[0] in {layer for layer, _ in detected} - {0}]
    with needle_probe.masked_heads(model, [at for at in others if at not in detected][:6]):
        assert needle_probe.recall(model, tokenizer, asked) >= 0.9


def test_its_head_map_can_be_measured_again(model, tokenizer, heads):
    again, trials = needle_probe.copy_scores(
        model, tokenizer, needle_probe.documents("calibration", 256, (0.2, 0.8), 8)
    )
    assert trials >= 7
    assert torch.allclose(again, torch.tensor(heads.scores), atol=0.2)


@pytest.mark.parametrize("seed", sorted(TABLES))
def test_stored_evidence_agrees_with_its_own_criteria(seed):
    table = TABLES[seed]
    assert table["format"] == FORMAT
    assert table["seed"] == seed
    assert criteria(table) == table["gates"]


def test_criteria_notice_a_model_whose_recall_survives_masking():
    table = json.loads(json.dumps(TABLES[0]))
    assert all(criterion["holds"] for criterion in criteria(table))
    table["masking"]["top"]["2"] = 0.91
    failed = [criterion["name"] for criterion in criteria(table) if not criterion["holds"]]
    assert failed == ["recall after masking the top 2"]
