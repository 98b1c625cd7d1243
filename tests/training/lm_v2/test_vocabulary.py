"""The longer vocabulary knows every word of the tasks, and old words keep their ids."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from headbench._paths import checkpoints_root
from headbench.tasks.loader import load
from headbench.worlds.walls import CATEGORIES
from training.lm_v2.model import SIZE, tokenizer_v2, vocabulary_v2
from training.lm_v2.vocabulary import vocabulary

FOLDER = checkpoints_root() / "ref-lm-v2"


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_v2()


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


def test_ids_of_the_shipped_tokenizer_are_those_of_the_code():
    assert AutoTokenizer.from_pretrained(FOLDER).get_vocab() == vocabulary_v2()
