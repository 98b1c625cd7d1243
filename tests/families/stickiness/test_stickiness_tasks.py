from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from headbench.nouns import Document, Record
from headbench.tasks.loader import load
from headbench.worlds.labels import DEFINITIONS, LabelWorld, prompt

CONDITIONS = (
    "zero_shot",
    "aligned",
    "misaligned",
    "few_shot",
    "few_shot_definition",
    "turn_1",
    "turn_2",
    "turn_3",
)


def answered(document: Document, **answers: str) -> Record:
    """A record in which every condition but the named ones is answered rightly."""
    right = str(document.target)
    outputs = tuple(answers.get(name, right) for name in CONDITIONS)
    return load("stickiness").record(document, outputs)


def test_steps_are_the_conditions_of_the_scorer() -> None:
    for name in ("stickiness", "stickiness_foxnews"):
        task = load(name)
        steps = [step.name for step in task.steps]
        assert steps == list(CONDITIONS) == task.config.scorer_options["conditions"]


def test_the_prior_is_wrong_about_half_of_the_items() -> None:
    documents = load("stickiness").documents()
    wrong = sum(document.fields["prior"] != document.target for document in documents)
    assert 0.35 * len(documents) < wrong < 0.65 * len(documents)
    assert wrong >= 30
    counts = Counter(document.target for document in documents)
    assert min(counts.values()) > 0.35 * len(documents)


def test_rescue_is_read_from_one_record_of_all_conditions() -> None:
    document = load("stickiness").documents(limit=1)[0]
    wrong = "no" if document.target == "yes" else "yes"
    record = answered(document, zero_shot=wrong, few_shot=wrong)
    assert record.parts["z"] == 1
    assert record.parts["tried"] == 6
    assert record.parts["rescued"] == 5
    assert answered(document).parts["c"] == 1


def test_turns_carry_the_earlier_answers() -> None:
    task = load("stickiness")
    document = task.documents(limit=1)[0]
    earlier = {name: (f"answer to {name}",) for name in CONDITIONS}
    (request,) = task.requests(document, "turn_3", earlier, 0)
    said = [m["content"] for m in request.messages if m["role"] == "assistant"]
    assert said == ["answer to zero_shot", "answer to turn_1", "answer to turn_2"]
    assert request.messages[-1]["content"].startswith("Is that so?")


def test_examples_are_balanced_and_come_from_another_split() -> None:
    task = load("stickiness")
    (request,) = task.requests(task.documents(limit=1)[0], "few_shot", {}, 0)
    text = request.messages[0]["content"]
    assert text.count("Answer: yes.") == 2
    assert text.count("Answer: no.") == 2
    asked = {str(document.fields["text"]) for document in task.documents()}
    assert not any(
        sentence in text for sentence in asked - {str(task.documents()[0].fields["text"])}
    )


def test_the_packaged_prompts_are_the_worlds_own() -> None:
    task = load("stickiness")
    document = task.documents(limit=1)[0]
    message = LabelWorld("test").message(0)
    own, other = DEFINITIONS["animal"], DEFINITIONS["food"]
    calibration = {(m := LabelWorld("calibration").message(seed)).text: m for seed in range(120)}

    def said(step: str) -> str:
        (request,) = task.requests(document, step, {}, 0)
        return request.messages[0]["content"]

    assert said("zero_shot") == prompt(message)
    assert said("aligned") == prompt(message, own)
    assert said("misaligned") == prompt(message, other)
    shown = [calibration[text] for text in calibration if text in said("few_shot")]
    shown.sort(key=lambda m: said("few_shot").index(m.text))
    assert said("few_shot") == prompt(message, None, [(m, own.holds(m)) for m in shown])
    assert said("few_shot_definition") == prompt(message, own, [(m, own.holds(m)) for m in shown])


def test_definitions_reach_the_prompts_that_have_them() -> None:
    task = load("stickiness")
    document = task.documents(limit=1)[0]
    earlier = {name: ("yes",) for name in CONDITIONS}
    holds = {}
    for name in CONDITIONS:
        (request,) = task.requests(document, name, earlier, 0)
        last = request.messages[-1]["content"]
        holds[name] = (
            str(document.fields["definition"]) in last,
            str(document.fields["misaligned_definition"]) in last,
        )
    assert [name for name, (own, _) in holds.items() if own] == [
        "aligned",
        "few_shot_definition",
        "turn_2",
    ]
    assert [name for name, (_, other) in holds.items() if other] == ["misaligned"]


@pytest.mark.real
@pytest.mark.parametrize("name", ["foxnews", "hatecheck", "wikipedia"])
def test_real_data_sets_load_and_examples_are_not_asked(
    name: str, real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADBENCH_DATA", str(real_data))
    task = load(f"stickiness_{name}")
    assert task.config.sensitive
    documents = task.documents()
    count = len(documents)  # a failing assertion must not print the texts
    assert count == 296
    assert set(Counter(document.target for document in documents)) == {"yes", "no"}
    (request,) = task.requests(documents[0], "few_shot", {}, 0)
    labels = request.messages[0]["content"].count("Label: not ")
    del request, documents
    assert labels == 2, "two of the four examples are negative"
