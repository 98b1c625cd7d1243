"""The tables of evidence, and the shipped model that they describe."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM

from headbench._paths import checkpoints_root
from headbench.models.runtime.threads import threads
from training.lm_v2.evidence import FORMAT, criteria, rate
from training.lm_v2.evidence_tables import interventions_table
from training.lm_v2.model import tokenizer_v2
from training.pages.reference_lm_v2 import page
from training.pages.stored import DOCS, stored_tables

FOLDER = checkpoints_root() / "ref-lm-v2"


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_v2()


def test_a_rate_carries_its_interval():
    found = rate([True] * 30 + [False] * 30)
    assert (found["hits"], found["n"], found["value"]) == (30, 60, 0.5)
    assert 0.37 < found["low"] < 0.5 < found["high"] < 0.63


@pytest.fixture(scope="module")
def model():
    with threads(1):
        yield AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()


def test_it_groups_some_walls_and_labels_by_its_prior(model, tokenizer):
    from training.lm_v2.task_probe import label_figures, wall_figures

    torch.set_grad_enabled(False)
    walls = wall_figures(model, tokenizer, "test", 16)
    assert 0.3 < walls["groups_0"] < 0.97 and 0.3 < walls["groups_2"] < 0.97
    labels = label_figures(model, tokenizer, "test", 40)
    torch.set_grad_enabled(True)
    assert labels["prior"] > 0.9
    assert 0.1 < labels["rescue_aligned"] < 0.9


def test_stored_evidence_agrees_with_its_own_criteria():
    table = stored_tables("ref-lm-v2")[0]
    assert table["format"] == FORMAT
    assert criteria(table) == table["gates"]
    assert all(criterion["holds"] for criterion in table["gates"])
    table["walls"]["groups"]["value"] = 0.95
    assert [criterion["name"] for criterion in criteria(table) if not criterion["holds"]] == [
        "share of groups found"
    ]


def test_the_page_shows_the_stored_evidence():
    tables = stored_tables("ref-lm-v2")
    shown = (DOCS / "reference-lm-v2.md").read_text()
    assert shown == page(tables[0], [tables[seed] for seed in sorted(tables) if seed])


def test_a_table_of_toggles_gives_controls_as_a_range():
    arms = {
        "mask": {"role": "toggle", "status": "ok", "walls": 0.5, "niah": 0.0},
        "mask#control-0": {"role": "control", "status": "ok", "walls": 0.7, "niah": 1.0},
        "mask#control-1": {"role": "control", "status": "ok", "walls": 0.6, "niah": 1.0},
        "vhr": {"role": "toggle", "status": "inert", "walls": 0.7},
    }
    assert interventions_table({"toggles": arms}).splitlines()[2:] == [
        "| `mask` | 0.500 | - | 0.000 |",
        "| 2 random draws of other heads | 0.600 .. 0.700 | - | 1.000 |",
        "| `vhr` | 0.700 (inert) | - (inert) | - (inert) |",
    ]
