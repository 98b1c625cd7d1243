"""Which field serves which role: the only one, a known format's, or the one that was named."""

from __future__ import annotations

import pytest

from headbench.errors import DataError
from headbench.results.fields import Fields, LogRow, follow, known_roles, log_formats

ROLES = ("answer", "image", "question", "id")


def rows(**fields: object) -> list[LogRow]:
    return [fields, fields]


@pytest.mark.parametrize("role", sorted(known_roles().outputs))
@pytest.mark.parametrize("other", ["answer", "prediction", "model_output"])
def test_two_fields_that_differ_are_never_chosen_between(role: str, other: str) -> None:
    both = rows(text="one", **{other: "two"})
    with pytest.raises(DataError, match=f"could be the {role}: ") as caught:
        Fields().reading(both, (role,), "log")
    assert "text" in str(caught.value) and other in str(caught.value)
    assert Fields({role: other}).reading(both, (role,), "log").names == {role: other}
    same = rows(text="one", **{other: "one"})
    assert Fields().reading(same, (role,), "log").text(same[0], role) == "one"


def test_a_field_that_some_rows_lack_does_not_fill_in_for_another() -> None:
    """A failed row has no answer; the question beside it is not one."""
    mixed: list[LogRow] = [{"id": 1, "answer": "yes"}, {"id": 2, "text": "Is there a dog?"}]
    with pytest.raises(DataError, match="could be the answer: answer, text"):
        Fields().reading(mixed, ("answer",), "log")


def test_a_field_serves_one_role() -> None:
    log = rows(question_id=1, prompt="Is there a dog? Briefly.", text="Yes")
    found = Fields().reading(log, ROLES, "log")
    assert found.names == {"answer": "text", "question": "prompt", "id": "question_id"}
    assert str(found) == "answer from text, question from prompt, id from question_id"


def test_a_named_field_is_out_of_the_question_for_other_roles() -> None:
    log = rows(text="Is there a dog?", response="No")
    with pytest.raises(DataError, match="text, response"):
        Fields().reading(log, ROLES, "log")
    assert Fields({"question": "text"}).reading(log, ROLES, "log").names["answer"] == "response"


def test_images_and_questions_may_stand_twice_where_they_agree() -> None:
    twice = rows(
        image_id=42, image="COCO_val2014_000000000042.jpg", answer="Yes",
        question="Is there a dog?", prompt="<image>\nIs there a DOG?  Briefly.",
    )  # fmt: skip
    found = Fields().reading(twice, ROLES, "log")
    assert (found.names["image"], found.names["question"]) == ("image_id", "question")
    other = rows(image_id=42, image="43.jpg", answer="Yes")
    with pytest.raises(DataError, match="could be the image: image_id, image"):
        Fields().reading(other, ROLES, "log")


VLMEVAL = {
    "index": 3, "question": "Is there a dog?", "answer": "Yes", "prediction": "No",
    "image_path": "a.jpg", "category": "popular",
}  # fmt: skip
LM_EVAL = {
    "doc_id": 3, "target": "yes", "resps": [["No"]], "filtered_resps": ["no"],
    "doc": {"question_id": 7, "question": "Is there a dog?", "image_source": "a", "answer": "yes"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "form", "read"),
    [
        (VLMEVAL, "VLMEvalKit", ["No", "a.jpg", "Is there a dog?", "3", "Yes", "popular"]),
        (LM_EVAL, "lm-eval", ["No", "a", "Is there a dog?", "7", "yes", None]),
    ],
)
def test_known_formats_define_their_fields(row: LogRow, form: str, read: list[object]) -> None:
    found = Fields().reading([row, row], (*ROLES, "label", "setting"), "log")
    assert found.form == form
    assert [found.text(row, role) for role in (*ROLES, "label", "setting")] == read


def test_several_responses_of_one_document_are_not_read_as_one() -> None:
    twice = {**LM_EVAL, "resps": [["No", "Yes"]]}
    with pytest.raises(DataError, match="not one response of text"):
        Fields().reading([LM_EVAL, twice], ROLES, "log")
    scored = {**LM_EVAL, "resps": [[[-1.5, True]]]}
    with pytest.raises(DataError, match="not one response of text"):
        Fields().reading([scored], ROLES, "log")
    named = Fields.parse(["answer=resps[0][1]"]).reading([twice], ROLES, "log")
    assert named.text(twice, "answer") == "Yes"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("resps[0][0]", "No"),
        ("doc.question", "Is there a dog?"),
        ("doc.question.text", None),
        ("resps[0][4]", None),
        ("resps.first", None),
        ("target[0]", None),
        ("absent", None),
    ],
)
def test_paths_reach_into_rows(path: str, value: object) -> None:
    assert follow(LM_EVAL, path) == value


def test_a_field_whose_name_looks_like_a_path_is_itself() -> None:
    assert follow({"doc.question": "x", "doc": {"question": "y"}}, "doc.question") == "x"


def test_files_may_be_told_apart() -> None:
    fields = Fields.parse(["question=q", "questions.question=text", "predictions.answer=said"])
    asked, log = rows(text="Is it?", q="other"), rows(q="Is it?", said="Yes", answer="No")
    assert fields.of("questions").reading(asked, ("question",), "q").names == {"question": "text"}
    found = fields.of("predictions").reading(log, ROLES, "log")
    assert found.names == {"answer": "said", "question": "q"}


def test_a_named_field_that_no_row_has_is_an_error() -> None:
    with pytest.raises(DataError, match="no row has the field 'pic'") as caught:
        Fields.parse(["image=pic"]).of("questions").reading(rows(image="a"), ("image",), "q.json")
    assert "questions.image" in str(caught.value)


def test_formats_name_known_roles() -> None:
    for form in log_formats():
        assert set(form.roles) <= set(known_roles().names)
