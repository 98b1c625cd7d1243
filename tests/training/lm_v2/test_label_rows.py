"""Labels as training rows: worded as in the task, and sticky where they should be."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from headbench.tasks.loader import load
from headbench.worlds.labels import DEFINITIONS
from training.lm_v2 import label_rows
from training.lm_v2.model import tokenizer_v2


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_v2()


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
