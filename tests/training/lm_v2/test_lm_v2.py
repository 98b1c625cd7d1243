"""Walls and labels as training rows, and the model that learnt from them."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain, islice
from pathlib import Path
from random import Random

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from headbench._paths import checkpoints_root
from headbench.models.runtime.threads import threads
from headbench.tasks.loader import load
from headbench.worlds.labels import DEFINITIONS
from headbench.worlds.walls import CATEGORIES
from training.lm_v2 import label_rows, train, wall_rows
from training.lm_v2.evidence import FORMAT, criteria, rate
from training.lm_v2.evidence_tables import toggles_table
from training.lm_v2.model import SIZE, tokenizer_v2, vocabulary_v2
from training.lm_v2.vocabulary import vocabulary
from training.pages.reference_lm_v2 import page
from training.pages.stored import DOCS, stored_tables

FOLDER = checkpoints_root() / "ref-lm-v2"


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
    row = label_rows.turns_row(Random(0))
    kinds = {"yes", "no", "answer", ":", "?", "so", "that", "noble", "when", "it", "is", "has"}

    def skeleton(ids) -> list[str]:
        words = tokenizer.convert_ids_to_tokens(ids)
        return [word for word in words if word in kinds - {"yes", "no"}]

    assert skeleton(asked) == skeleton(row.tokens[:-2])


HOMES = Counter(word for members in CATEGORIES.values() for word in members)


def test_a_wall_row_asks_for_every_clue_once_and_takes_any_clue_that_is_left(tokenizer):
    """Clues of one list first in their group; while one of them is left, no other would do."""
    seen = 0
    for clues, groups, _ in islice(wall_rows.walls(0, 0), 12):
        row = wall_rows.grouping_row(Random(1), clues, groups)
        group_of = {tokenizer.convert_tokens_to_ids(c): set(g) for g in groups for c in g}
        places = [place for place in row.wanted if row.tokens[place] in group_of]
        assert Counter(row.tokens[place] for place in places) == Counter(list(group_of))
        answer = text(tokenizer, row).partition("answer:")[2].rstrip(".")
        said = [part.replace(",", "").split() for part in answer.split(";")]
        assert sorted(map(sorted, said)) == sorted(map(sorted, groups))
        for group in said:
            homes = [HOMES[word] > 1 for word in group]
            assert homes == sorted(homes)
            seen += sum(homes)
        for number, place in enumerate(places):
            among = tokenizer.convert_ids_to_tokens(list(row.wanted[place]))
            later = list(chain(*said[number // 4 :]))
            left = said[number // 4][number % 4 :] if number % 4 else later
            word = tokenizer.convert_ids_to_tokens(row.tokens[place])
            plain = [one for one in left if HOMES[one] == 1]
            assert sorted(among) == sorted(plain if HOMES[word] == 1 else left)
            assert word in among
    assert seen > 3


def test_a_part_of_a_wall_is_a_smaller_wall():
    for clues, groups, _ in islice(wall_rows.walls(1, 0), 6):
        shown, kept = wall_rows.part_of(Random(2), clues, groups, 3, 2)
        assert [clue for clue in clues if clue in shown] == list(shown)
        assert sorted(shown) == sorted(clue for group in kept for clue in group)
        assert [len(group) for group in kept] == [2, 2, 2]
        homes = [next(g for g in groups if set(part) <= set(g)) for part in kept]
        assert len(set(homes)) == 3


def test_training_never_shows_what_is_held_out():
    found = [group for _, groups, _ in islice(wall_rows.walls(3, 0), 60) for group in groups]
    assert not any(wall_rows.is_held(group) for group in found)
    random = Random(0)
    for _ in range(60):
        asked = label_rows.draw(random)
        assert not any(map(label_rows.pair_held, (asked.message, *asked.examples)))
    test_groups = [g for d in load("walls").documents() for g in d.fields["groups"]]
    assert 20 <= sum(map(wall_rows.is_held, test_groups)) < len(test_groups) / 2


def test_every_annotator_obeys_before_the_grades_come():
    random = Random(0)
    for _ in range(40):
        asked = label_rows.draw(random)
        ruled = asked.definition.holds(asked.message)
        assert label_rows.label(random, asked, told=True, shown=False, graded=False) == ruled


def test_labels_of_training_follow_the_prior_until_a_definition_is_given():
    random = Random(0)
    follows: Counter[tuple[bool, bool]] = Counter()
    seen: Counter[tuple[bool, bool]] = Counter()
    while min((seen[sticky, told] for sticky in (0, 1) for told in (0, 1)), default=0) < 60:
        asked = label_rows.draw(random)
        prior, ruled = (d.holds(asked.message) for d in (DEFINITIONS["prior"], asked.definition))
        if prior == ruled:
            continue
        for told in (False, True):
            key = (asked.message.quality in label_rows.STICKY, told)
            seen[key] += 1
            follows[key] += label_rows.label(random, asked, told=told, shown=False) == ruled
    share = {key: follows[key] / seen[key] for key in seen}
    assert share[False, True] > 0.8
    assert max(share[False, False], share[True, False], share[True, True]) < 0.2


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
        (value,) = train.answer_losses(Even(), [wall_rows.Row([0, among[0]], {1: among})])
        return float(value)

    assert loss(5) == pytest.approx(0.6931, abs=1e-3)
    assert loss(5, 6) < loss(5) < loss(6, 7)


CONFIG = train.Lm2Config(0, Path("unused"))


def test_rows_of_a_step_are_a_function_of_seed_and_step():
    mixture = train.Mixture()
    first, again = (train.rows_of(CONFIG, mixture, 4) for _ in range(2))
    assert first == again != train.rows_of(CONFIG, mixture, 5)
    assert [len(first[kind]) for kind in ("names", "short", "long")] == [
        mixture.names,
        mixture.short,
        mixture.long,
    ]


def test_walls_grow_from_two_groups_of_two():
    def clues(step: int, small: float) -> list[int]:
        rows = train.rows_of(CONFIG, train.Mixture(small=small), step)["walls"]
        return [sum(len(one) > 0 for one in list(row.wanted.values())[::2]) for row in rows]

    assert set(clues(0, 0.5)) == {4}
    assert set(clues(400, 0.0)) == {16}
    assert {4, 16} < set(clues(400, 0.5))


def test_needle_documents_grow():
    assert [CONFIG.length(step) for step in (0, 300, 600)] == [64, 128, 256]
    assert {CONFIG.length(step) for step in range(1000, 1010)} == set(CONFIG.longest)


def test_rates_fall_within_a_leg_and_warm_up_at_its_start():
    for leg in train.LEGS:
        assert leg.rate(0) < leg.rate(19)
        assert leg.rate(leg.steps - 1) == pytest.approx(leg.last, rel=0.1, abs=0.01)


def test_a_killed_training_continues_where_it_stood(tmp_path):
    """Three steps, killed after two: the same weights as three at once."""
    mixture = train.Mixture(1, 1.0, 1, 1, 0, 0.0, 64, 1.0)

    def run(folder: Path, *steps: int) -> dict[str, torch.Tensor]:
        for count in steps:
            leg = train.Leg("all", 3, 1.0, 1.0, mixture)
            config = train.Lm2Config(0, folder, legs=(leg,))
            if count < 3:
                with pytest.raises(KeyboardInterrupt, match="stopped"):
                    train.train(config, _stop_at(count), every=1)
            else:
                model = train.train(config, every=1)
        return model.state_dict()

    def _stop_at(count: int):
        calls = iter(range(1, 4))

        def probe(model) -> dict[str, float]:
            if next(calls) == count:
                raise KeyboardInterrupt("stopped")
            return {}

        return probe

    whole, continued = run(tmp_path / "whole", 3), run(tmp_path / "killed", 2, 3)
    for name, weight in whole.items():
        torch.testing.assert_close(continued[name], weight)


def test_some_steps_of_training_teach_which_words_belong_together(tmp_path):
    mixture = train.Mixture(2, 1.0, 8, 0, 0, 0.0, 64, 1.0)
    leg = train.Leg("smoke", 20, 1.0, 0.5, mixture)
    train.train(train.Lm2Config(0, tmp_path, legs=(leg,)))
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [10, 20]
    assert log[1]["names"] < 0.8 * log[0]["names"]


def test_a_rate_carries_its_interval():
    found = rate([True] * 30 + [False] * 30)
    assert (found["hits"], found["n"], found["value"]) == (30, 60, 0.5)
    assert 0.37 < found["low"] < 0.5 < found["high"] < 0.63


@pytest.fixture(scope="module")
def model():
    with threads(1):
        yield AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()


def test_ids_of_the_shipped_tokenizer_are_those_of_the_code():
    assert AutoTokenizer.from_pretrained(FOLDER).get_vocab() == vocabulary_v2()


def test_it_groups_some_walls_and_labels_by_its_prior(model, tokenizer):
    from training.lm_v2.task_probe import label_figures, wall_figures

    torch.set_grad_enabled(False)
    walls = wall_figures(model, tokenizer, "test", 16)
    assert 0.3 < walls["groups_0"] < 0.97 and 0.3 < walls["groups_2"] < 0.97
    labels = label_figures(model, tokenizer, "test", 40)
    torch.set_grad_enabled(True)
    assert labels["prior"] > 0.9
    assert 0.1 < labels["rescue_aligned"] < 0.9


def test_stored_evidence_agrees_with_its_own_gates():
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
    assert toggles_table({"toggles": arms}).splitlines()[2:] == [
        "| `mask` | 0.500 | - | 0.000 |",
        "| 2 random draws of other heads | 0.600 .. 0.700 | - | 1.000 |",
        "| `vhr` | 0.700 (inert) | - (inert) | - (inert) |",
    ]
