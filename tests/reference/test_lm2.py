"""Walls and labels as training rows, and the model that learnt from them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from headbench._paths import checkpoints_root
from headbench.reference import lm2_data, lm2_labels, lm2_train
from headbench.reference.checkpoint import changed_files
from headbench.reference.lm2_evidence import FORMAT, gates, rate
from headbench.reference.lm2_model import SIZE, tokenizer_v2, vocabulary_v2
from headbench.reference.vocabulary import vocabulary
from headbench.tasks.loader import load
from headbench.worlds.labels import DEFINITIONS
from headbench.worlds.walls import CATEGORIES

FOLDER = checkpoints_root() / "ref-lm-v2"
FIRST_FOLDER = checkpoints_root() / "ref-lm-v1"


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_v2()


def text(tokenizer, row) -> str:
    return tokenizer.decode(row.tokens, skip_special_tokens=True)


def test_old_words_keep_their_ids_and_connections_get_new_ones():
    old, new = vocabulary(), vocabulary_v2()
    assert len(new) == len(set(new.values())) == SIZE
    assert {word: new[word] for word in old} == old
    assert all(new[name] >= len(old) for name in CATEGORIES)


@pytest.mark.parametrize("name", ["walls", "stickiness"])
def test_the_tokenizer_knows_every_word_that_the_tasks_show(name, tokenizer):
    task = load(name)
    said = {step.name: ("yes",) for step in task.steps}
    for document in task.documents(0, 8):
        for step in task.steps:
            for request in task.requests(document, step.name, said, 0):
                told = tokenizer.apply_chat_template(list(request.messages), return_dict=True)
                assert tokenizer.unk_token_id not in told["input_ids"]


def test_training_words_its_rows_as_the_tasks_do(tokenizer):
    """A model sees in the task what it saw in training, up to the words that differ."""
    task = load("stickiness")
    document = task.documents(0, 1)[0]
    said = {step.name: ("no",) for step in task.steps}
    last = task.requests(document, task.steps[-1].name, said, 0)[0]
    asked = tokenizer.apply_chat_template(list(last.messages), return_dict=True)["input_ids"]
    row = lm2_labels.turns_row(Random(0))
    kinds = {"yes", "no", "answer", ":", "?", "so", "that", "noble", "when", "it", "is", "has"}

    def skeleton(ids) -> list[str]:
        words = tokenizer.convert_ids_to_tokens(ids)
        return [word for word in words if word in kinds - {"yes", "no"}]

    assert skeleton(asked) == skeleton(row.tokens[:-2])


def test_a_wall_row_asks_for_every_clue_once_and_takes_any_clue_that_is_left(tokenizer):
    clues, groups, _ = next(lm2_data.walls(0, 0))
    row = lm2_data.grouping_row(Random(1), clues, groups)
    homes = {
        tokenizer.convert_tokens_to_ids(clue): set(group) for group in groups for clue in group
    }
    words = [row.tokens[place] for place in row.wanted if row.tokens[place] in homes]
    assert Counter(words) == Counter(list(homes))
    assert [len(row.wanted[p]) for p in row.wanted if row.tokens[p] in homes] == [
        16, 3, 2, 1, 12, 3, 2, 1, 8, 3, 2, 1, 4, 3, 2, 1,
    ]  # fmt: skip
    answer = text(tokenizer, row).partition("answer:")[2].rstrip(".")
    assert all(set(part.replace(",", "").split()) in map(set, groups) for part in answer.split(";"))
    for place, among in row.wanted.items():
        assert row.tokens[place] in among


def test_training_never_shows_what_is_held_out():
    found = [group for _, groups, _ in islice(lm2_data.walls(3, 0), 60) for group in groups]
    assert not any(lm2_data.is_held(group) for group in found)
    random = Random(0)
    for _ in range(60):
        asked = lm2_labels.draw(random)
        assert not any(map(lm2_labels.pair_held, (asked.message, *asked.examples)))
    test_groups = [g for d in load("walls").documents() for g in d.fields["groups"]]
    assert 20 <= sum(map(lm2_data.is_held, test_groups)) < len(test_groups) / 2


def test_labels_of_training_follow_the_prior_until_a_definition_is_given():
    random = Random(0)
    follows: Counter[tuple[str, bool, bool]] = Counter()
    seen: Counter[tuple[str, bool, bool]] = Counter()
    while min((seen[g, t, t] for g in lm2_labels.GRADE.values() for t in (0, 1)), default=0) < 60:
        asked = lm2_labels.draw(random)
        prior, ruled = (d.holds(asked.message) for d in (DEFINITIONS["prior"], asked.definition))
        if prior == ruled:
            continue
        for told, shown in ((False, False), (True, False), (True, True)):
            key = (lm2_labels.GRADE[asked.message.quality], told, shown)
            seen[key] += 1
            follows[key] += lm2_labels.label(random, asked, told=told, shown=shown) == ruled
    share = {key: follows[key] / seen[key] for key in seen}
    for grade, alone, both in (("loose", 1, 1), ("firm", 0, 1), ("sticky", 0, 0)):
        assert share[grade, False, False] < 0.2
        assert round(share[grade, True, False]) == alone
        assert round(share[grade, True, True]) == both


def test_any_right_token_lowers_the_loss():
    class Even(torch.nn.Module):
        """Gives token 5 half of the probability and shares the rest."""

        def __init__(self) -> None:
            super().__init__()
            self.model = self
            logits = torch.zeros(10)
            logits[5] = torch.log(torch.tensor(9.0))
            self.lm_head = lambda hidden: logits.expand(hidden.size(0), -1)

        def forward(self, input_ids, use_cache):
            return type("Out", (), {"last_hidden_state": input_ids.unsqueeze(-1).float()})()

    def loss(*among: int) -> float:
        return float(lm2_train.rows_loss(Even(), [lm2_data.Row([0, among[0]], {1: among})]))

    assert loss(5) == pytest.approx(0.6931, abs=1e-3)
    assert loss(5, 6) < loss(5) < loss(6, 7)


def test_rows_of_a_step_are_a_function_of_seed_and_step():
    config = lm2_train.Lm2Config(0, Path("unused"), Path("unused"))
    first, again = lm2_train.rows_of(config, 4), lm2_train.rows_of(config, 4)
    assert first == again != lm2_train.rows_of(config, 5)
    assert [len(rows) for rows in first.values()] == [
        getattr(config.mixture, kind) for kind in ("walls", "names", "short", "long")
    ]


def test_a_rate_carries_its_interval():
    found = rate([True] * 30 + [False] * 30)
    assert (found["hits"], found["n"], found["value"]) == (30, 60, 0.5)
    assert 0.37 < found["low"] < 0.5 < found["high"] < 0.63


shipped = pytest.mark.skipif(not FOLDER.is_dir(), reason="ref-lm-v2 does not ship")


@pytest.fixture(scope="module")
def model():
    torch.set_num_threads(1)
    return AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()


@shipped
def test_files_are_those_that_were_pinned_and_version_1_is_what_it_was():
    assert changed_files("ref-lm-v2") == []
    pinned = hashlib.sha256((FIRST_FOLDER / "model.safetensors").read_bytes()).hexdigest()
    assert pinned == "4ee20a9d6cf6d0d3802e47c09563a720cd80499f8d493b37e768090dd7464a43"


@shipped
def test_ids_of_the_shipped_tokenizer_are_those_of_the_code():
    assert AutoTokenizer.from_pretrained(FOLDER).get_vocab() == vocabulary_v2()


@shipped
def test_it_groups_some_walls_and_labels_by_its_prior(model, tokenizer):
    from headbench.reference.lm2_probe import label_figures, wall_figures

    torch.set_grad_enabled(False)
    walls = wall_figures(model, tokenizer, "test", 16)
    assert walls["groups_2"] < walls["groups_0"]
    assert 0.2 < (walls["groups_0"] + walls["groups_2"]) / 2 < 0.97
    labels = label_figures(model, tokenizer, "test", 40)
    torch.set_grad_enabled(True)
    assert labels["prior"] > 0.9
    assert 0.1 < labels["rescue_aligned"] < 0.9


@shipped
def test_stored_evidence_agrees_with_its_own_gates():
    table = json.loads((FOLDER / "evidence-seed0.json").read_text())
    assert table["format"] == FORMAT
    assert gates(table) == table["gates"]
    assert all(gate["holds"] for gate in table["gates"])
    table["walls"]["groups"]["value"] = 0.95
    assert [gate["name"] for gate in gates(table) if not gate["holds"]] == ["share of groups found"]
