"""Runs of the shipped language model: what the README promises, on few documents."""

from __future__ import annotations

from pathlib import Path

import pytest

import headbench
from headbench.reference.shipped import checkpoint
from headbench.results.files import read_entries, read_result
from headbench.running.execute import RunOutcome

INTERVENTION = "mask_heads(map=retrieval, top=2)"


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> RunOutcome:
    out = tmp_path_factory.mktemp("shipped")
    return headbench.run("niah", INTERVENTION, limit=16, controls=2, batch_size=16, out=out)


def outputs(outcome: RunOutcome, place: int) -> list[tuple[str, ...]]:
    path = outcome.files[place]
    return [entry.record.outputs for entry in read_entries(path, read_result(path))]


def test_retrieval_heads_carry_the_needle_and_other_heads_do_not(outcome: RunOutcome) -> None:
    line = outcome.comparisons[0].main
    assert line.paired is not None and line.rank is not None
    assert line.paired.value_a > 0.8 and line.paired.value_b < 0.2
    assert line.paired.p is not None and line.paired.p < 0.001
    assert (line.rank.rank, line.rank.of, line.rank.end) == (1, 3, "low")
    assert line.rank.p == line.rank.least == pytest.approx(2 / 3)  # two draws show nothing
    assert line.against is not None and line.against.difference < -0.6
    (prose,) = outcome.comparisons[0].neutral
    assert prose.text == "prose" and prose.change.passages == 60
    assert -0.1 < prose.change.change < 0.5  # nats: the model still speaks
    assert [moved.passages for moved in prose.controls] == [8, 8]


@pytest.mark.parametrize("size", [1, 3])
def test_outputs_do_not_depend_on_the_batch_size(
    outcome: RunOutcome, size: int, tmp_path: Path
) -> None:
    other = headbench.run("niah", INTERVENTION, limit=16, controls=0, batch_size=size, out=tmp_path)
    for place in (0, 1):
        assert outputs(other, place) == outputs(outcome, place)


def test_intervene_gives_the_very_tokens_that_run_gives(outcome: RunOutcome) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from headbench.tasks.loader import load

    folder = checkpoint("ref-lm")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
    task = load("niah")
    path = outcome.files[1]
    maps = {"retrieval": str(folder / "heads-retrieval.json")}
    entries = read_entries(path, read_result(path))
    for document, entry in list(zip(task.documents(0, 16), entries, strict=True))[::5]:
        request = task.requests(document, "answer", {}, 0)[0]
        prompt = tokenizer(request.messages[0]["content"], return_tensors="pt")
        with headbench.intervene(model, INTERVENTION, maps=maps):
            made = model.generate(**prompt, max_new_tokens=5, do_sample=False)
        fresh = made[0, prompt["input_ids"].shape[1] :].tolist()
        recorded = list(entry.record.tokens[0])
        assert recorded and fresh[: len(recorded)] == recorded
