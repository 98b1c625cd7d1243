from __future__ import annotations

import json

import pytest
import torch

from training.lm_v1 import evidence as evidence_module
from training.lm_v1.evidence import EvidenceSettings, evidence
from training.lm_v1.model import build_model
from training.lm_v1.model_card import card
from training.lm_v1.release import head_map, release
from training.lm_v1.vocabulary import build_tokenizer

SMALL = EvidenceSettings(
    lengths=(96,),
    trials=4,
    trials_longest=2,
    edited_length=96,
    edited_trials=2,
    detection_length=96,
    detection_trials=4,
    draws=2,
    rotary_draws=1,
    filler_length=48,
)


@pytest.fixture(scope="module")
def scores():
    given = torch.zeros(3, 8)
    given[1, 6], given[1, 2], given[0, 0] = 0.9, 0.4, 0.2
    return given


@pytest.fixture(scope="module")
def table(scores):
    return evidence(build_model(0).eval(), build_tokenizer(), settings=SMALL, scores=scores)


def test_heads_are_those_of_the_given_scores(table):
    assert table["retrieval_heads"] == [[1, 6], [1, 2], [0, 0]]
    assert table["strong_heads"] == [[1, 6]]


def test_controls_avoid_retrieval_heads_and_the_planted_layer(table):
    drawn = table["masking"]["drawn"]
    assert set(drawn) == {"2", "3", "4", "6"}
    for size, draws in drawn.items():
        assert len(draws) == len({json.dumps(heads) for heads in draws})
        for heads in draws:
            assert len(heads) == int(size)
            assert all(layer == 1 and head not in (2, 6) for layer, head in heads)
    busiest = table["masking"]["busiest_heads"]
    assert all(layer > 0 and [layer, head] not in ([1, 6], [1, 2]) for layer, head in busiest)


def test_six_of_six_other_heads_can_be_drawn_once_only(table):
    assert len(table["masking"]["drawn"]["6"]) == 1
    assert len(table["masking"]["random"]["6"]) == 1


def test_the_table_is_json_and_an_untrained_model_fails_its_criteria(table):
    assert json.loads(json.dumps(table))["split"] == "test"
    held = {criterion["name"]: criterion["holds"] for criterion in table["gates"]}
    assert not held["worst recall after masking 2-6 random heads of the same layers"]
    assert held["recall after masking the top 2"]


def test_a_rising_dose_response_fails_its_criterion(table):
    risen = json.loads(json.dumps(table))
    risen["rotary"]["lowest"] = {"4": 0.5, "6": 0.6, "8": 0.2, "12": 0.1, "16": 0.0}
    (criterion,) = [g for g in evidence_module.criteria(risen) if "rise" in g["name"]]
    assert criterion["value"] == 0.1
    assert not criterion["holds"]


def test_the_card_tells_what_failed(table):
    facts = {
        "parameters": 1,
        "words": 2,
        "planted_heads": [0, 1],
        "kept_heads": {"1": [2, 6], "2": [0, 1]},
    }
    text = card({"model": "ref-lm-v1", "seed": 5, **table}, facts)
    assert "**does not hold**" in text
    assert "layer 1: 2, 6; layer 2: 0, 1" in text
    assert "(1, 6) 0.90" in text


def test_the_card_sets_other_seeds_beside_its_own(table):
    facts = {"parameters": 1, "words": 2, "planted_heads": [0], "kept_heads": {"1": [2]}}
    own, other = ({"model": "ref-lm-v1", "seed": seed, **table} for seed in (3, 1))
    text = card(own, facts, [other])
    assert "| quantity | seed 1 | seed 3 |" in text
    assert "seed 1" not in card(own, facts)


def test_a_head_map_says_what_made_it(scores):
    from headbench.heads.headmap import HeadMap

    asked = evidence_module.documents("calibration", 96, (0.5,), 2)
    made = HeadMap.model_validate(head_map(scores, 2, asked, seed=0))
    assert made.layers == 3
    assert made.data["split"] == "calibration"
    assert made.data["length"] == 96


def test_a_release_measures_the_exported_files(tmp_path):
    facts = {"seed": 4, "planted_heads": [0], "kept_heads": {"1": [0], "2": [1]}}
    (tmp_path / "final.json").write_text(json.dumps(facts))
    lines = release(build_model(0).eval(), 4, tmp_path, SMALL).splitlines()
    written = {file.name for file in (tmp_path / "ref-lm-v1").iterdir()}
    assert {"README.md", "heads-retrieval.json", "evidence-seed4.json"} <= written
    assert any(line.startswith("FAIL") for line in lines)
