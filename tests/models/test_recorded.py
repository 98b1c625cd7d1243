from __future__ import annotations

import gzip
import json

import pytest

from headbench.errors import ConfigError, DataError, RefusedError
from headbench.jobs import Job
from headbench.models.adapter_catalogue import create
from headbench.results.store import ResponseStore
from headbench.running.ask import Asker
from helpers_models import BASELINE, request


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_outputs_are_found_by_document(tmp_path):
    rows = [{"question_id": 7, "text": "Yes."}, {"question_id": 8, "text": "No."}]
    model = create("recorded", {"path": str(write(tmp_path / "log.jsonl", rows))})
    asked = [Job(request("x", document=name), BASELINE) for name in ("8", "7")]
    assert [answer.text for _, answer in model.answer(asked)] == ["No.", "Yes."]
    assert model.identity["name"] == "log"


def test_own_records_and_named_fields_are_read(tmp_path):
    path = tmp_path / "records.jsonl.gz"
    rows = [{"document": "a", "outputs": ["first", "second"]}]
    path.write_bytes(gzip.compress(json.dumps(rows[0]).encode()))
    model = create("recorded", {"path": str(path)})
    asked = [Job(request("x", document="a", index=i), BASELINE) for i in range(2)]
    assert [answer.text for _, answer in model.answer(asked)] == ["first", "second"]
    other = write(tmp_path / "own.jsonl", [{"key": k, "said": "hello"} for k in "ab"])
    named = create("recorded", {"path": str(other), "id": "key", "output": "said"})
    assert dict(named.answer(asked[:1]))[0].text == "hello"


def test_a_missing_document_is_named_before_anything_is_answered(tmp_path):
    model = create("recorded", {"path": str(write(tmp_path / "l.jsonl", [{"id": 1, "text": "a"}]))})
    with pytest.raises(DataError, match="'2'") as caught:
        model.plan([Job(request("x", document=name), BASELINE) for name in ("1", "2")])
    assert "rescore" in caught.value.hint
    assert model.has("1")
    assert not model.has("2")


def test_it_cannot_score(tmp_path):
    model = create("recorded", {"path": str(write(tmp_path / "l.jsonl", [{"id": 1, "text": "a"}]))})
    with pytest.raises(RefusedError, match="does not answer 'score'"):
        model.plan([Job(request("x", "score", document="1"), BASELINE)])


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([{"id": 1, "text": "a"}, {"id": 1, "text": "b"}], "twice"),
        ([{"id": 1, "answer_time": 3}], "no output"),
    ],
)
def test_broken_files_are_named(tmp_path, rows, word):
    with pytest.raises(DataError, match=word):
        create("recorded", {"path": str(write(tmp_path / "l.jsonl", rows))})


def test_the_path_is_needed():
    with pytest.raises(ConfigError, match="needs a file"):
        create("recorded", {})


# ------------------------------------------------------------------ fields and joins


def recorded(tmp_path, rows, **args):
    return create("recorded", {"path": str(write(tmp_path / "log-1.5.jsonl", rows)), **args})


def test_ids_alone_give_no_headline_unless_the_user_vouches(tmp_path):
    rows = [{"id": 1, "answer": "Yes"}, {"id": 2, "answer": "No"}]
    model = recorded(tmp_path, rows)
    assert model.source == {
        "joined by": "id only",
        "predictions.fields": "response from answer, id from id",
    }
    assert "join=id" in model.no_headline and model.no_headline in model.notes[0]
    assert model.name == "log-1.5"
    assert recorded(tmp_path, rows, join="id").no_headline == ""
    with pytest.raises(ConfigError, match="joined by id"):
        recorded(tmp_path, rows, join="order")


def test_a_row_that_says_what_was_asked_is_held_against_the_request(tmp_path):
    rows = [{"id": 1, "prompt": "Is there a dog?", "answer": "Yes"}]
    model = recorded(tmp_path, rows)
    assert (model.source["joined by"], model.no_headline) == ("id and question", "")
    model.plan([Job(request("Look. Is there a  DOG? Briefly.", document="1"), BASELINE)])
    with pytest.raises(DataError, match="answers another question"):
        model.plan([Job(request("Is there a boat?", document="1"), BASELINE)])


def test_gold_beside_the_output_is_never_taken_for_it(tmp_path):
    rows = [{"id": 1, "answer": "yes", "response": "No"}]
    with pytest.raises(DataError, match="could be the response: answer, response"):
        recorded(tmp_path, rows)
    model = recorded(tmp_path, rows, output="response")
    asked = [Job(request("x", document="1"), BASELINE)]
    assert [answer.text for _, answer in model.answer(asked)] == ["No"]
    assert model.identity["fields"] == "response from response, id from id"
    other = recorded(tmp_path, rows, output="answer")
    assert other.identity != model.identity


# ------------------------------------------------------------------ as a judge

VERDICTS = [{"id": "d1", "question": "Is there a dog? The answer: yes. Right?", "output": "10"}]


def judged(said, role="judge"):
    text = f"Is there a dog? The answer: {said}. Right?"
    spans = {"question": ((0, 0, 15),)}
    return Job(request(text, document="d1", spans=spans), BASELINE, role=role)


def test_a_recorded_verdict_is_that_of_its_whole_prompt(tmp_path):
    model = recorded(tmp_path, VERDICTS)
    model.plan([judged("yes")])
    with pytest.raises(DataError, match="the recorded judge of document 'd1' was asked something"):
        model.plan([judged("no")])
    subject = judged("no", "subject")  # whose row may hold the question alone, or more than that
    model.plan([subject])
    short = recorded(tmp_path, [{**VERDICTS[0], "question": "Is there a dog?"}])
    short.plan([subject])
    with pytest.raises(DataError, match="the whole prompt"):
        short.plan([judged("yes")])


def test_what_a_judge_was_asked_is_part_of_its_key_and_not_of_the_subjects(tmp_path):
    model = recorded(tmp_path, VERDICTS)
    assert model.key(judged("yes")) != model.key(judged("no"))
    for said in ("yes", "no"):
        assert model.key(judged(said, "subject")) == {"document": "d1", "index": 0}


@pytest.mark.parametrize("role", ["judge", "subject"])
def test_every_job_of_a_key_is_held_against_its_row(tmp_path, role):
    text = "Is there a dog? The answer: no. Right?"
    other = Job(request(text, document="d1"), BASELINE, role=role)  # no question is marked
    with ResponseStore(tmp_path / "store") as store:
        asker = Asker(recorded(tmp_path, VERDICTS), store)
        with pytest.raises(DataError, match=r"asked something else|answers another question"):
            asker.ask([judged("yes", role), other], "step 2")
        assert len(store) == 0
