from __future__ import annotations

from pathlib import Path

import pytest

from headbench.errors import ConfigError, DataError, HeadbenchError
from headbench.tasks.loader import load_file
from headbench.tasks.steps import _around_images, request_seed
from helpers_tasks import write_task


def test_documents_keep_order_and_limit(tmp_path: Path) -> None:
    task = load_file(write_task(tmp_path))
    assert [document.id for document in task.documents()] == ["a", "b", "c"]
    assert [document.id for document in task.documents(limit=2)] == ["a", "b"]


def test_a_generate_request(tmp_path: Path) -> None:
    more = "generation_kwargs: {max_gen_toks: 9, until: '.'}\nsystem: Be brief.\n"
    task = load_file(write_task(tmp_path, more))
    (request,) = task.requests(task.documents()[1], "answer", {}, 7)
    assert request.messages == (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Q: two? A:"},
    )
    assert request.ask == {"max_new_tokens": 9, "until": (".",)}
    assert (request.document, request.step, request.index, request.kind) == (
        "b",
        "answer",
        0,
        "generate",
    )


def test_a_step_is_asked_for_by_name_or_as_it_is(tmp_path: Path) -> None:
    task = load_file(write_task(tmp_path))
    document = task.documents()[0]
    named = task.requests(document, "answer", {}, 7)
    assert task.requests(document, task.steps[0], {}, 7) == named
    (tmp_path / "other").mkdir()
    other = load_file(write_task(tmp_path / "other", "system: Be brief.\n"))
    with pytest.raises(ConfigError, match="belongs to another task"):
        task.requests(document, other.steps[0], {}, 7)
    with pytest.raises(ConfigError, match="by its name, not by 0"):
        task.requests(document, 0, {}, 7)  # type: ignore[arg-type]


def test_choices_become_continuations_with_the_delimiter(tmp_path: Path) -> None:
    more = "output_type: multiple_choice\ndoc_to_choice: ['yes', 'not {{ target }}']\n"
    task = load_file(write_task(tmp_path, more))
    (request,) = task.requests(task.documents()[0], "answer", {}, 0)
    assert request.kind == "score"
    assert request.ask == {"continuations": (" yes", " not 1")}


def test_choices_from_a_field_and_loglikelihood_of_the_target(tmp_path: Path) -> None:
    rows = [{"id": "a", "question": "?", "target": "1", "options": ["1", "2"]}]
    more = "output_type: multiple_choice\ndoc_to_choice: options\n"
    task = load_file(write_task(tmp_path, more, rows=rows))
    (request,) = task.requests(task.documents()[0], "answer", {}, 0)
    assert request.ask == {"continuations": (" 1", " 2")}
    task = load_file(write_task(tmp_path, "output_type: loglikelihood\n", rows=rows))
    (request,) = task.requests(task.documents()[0], "answer", {}, 0)
    assert request.ask == {"continuations": (" 1",)}


def test_spans_of_later_turns_name_their_message(tmp_path: Path) -> None:
    more = """
steps:
  - name: first
    doc_to_text: '{{ question | span("question") }}'
  - name: second
    system: Think.
    history: first
    doc_to_text: 'Sure about {{ earlier.first[0] | span("said") }}?'
"""
    task = load_file(write_task(tmp_path, more))
    document = task.documents()[0]
    (request,) = task.requests(document, "second", {"first": ("maybe",)}, 0)
    assert [message["role"] for message in request.messages] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    assert request.messages[2]["content"] == "maybe"
    assert request.spans == {"question": ((1, 0, 4),), "said": ((3, 11, 16),)}
    with pytest.raises(ConfigError, match="no answer yet"):
        task.requests(document, "second", {}, 0)


def test_content_is_what_the_task_writes_apart_from_images(tmp_path: Path) -> None:
    asked = "output_type: represent\ncaptures: [{site: z, layers: [0], rows: content}]\n"
    task = load_file(write_task(tmp_path, asked))
    (request,) = task.requests(task.documents()[0], "answer", {}, 0)
    (place,) = request.spans["content"]
    assert place == (0, 0, len(request.messages[0]["content"]))
    assert _around_images("<image>\nis it red? <image>") == [(7, 19)]
    plain = load_file(write_task(tmp_path, asked.replace("content", "all")))
    (request,) = plain.requests(plain.documents()[0], "answer", {}, 0)
    assert "content" not in request.spans


def test_for_each_asks_about_every_item(tmp_path: Path) -> None:
    rows = [{"id": "w", "words": ["x", "y", "z"], "target": "1"}]
    more = "doc_to_text: 'word {{ item }}'\nfor_each: words\n"
    task = load_file(write_task(tmp_path, more, rows=rows, drop=["doc_to_text"]))
    requests = task.requests(task.documents()[0], "answer", {}, 0)
    assert [request.messages[0]["content"] for request in requests] == [
        "word x",
        "word y",
        "word z",
    ]
    assert [request.index for request in requests] == [0, 1, 2]
    assert len({request.seed for request in requests}) == 3


def test_seeds_are_functions_of_their_coordinates() -> None:
    seed = request_seed(0, "a", "answer", 0)
    assert seed == request_seed(0, "a", "answer", 0)
    others = {
        request_seed(1, "a", "answer", 0),
        request_seed(0, "b", "answer", 0),
        request_seed(0, "a", "check", 0),
        request_seed(0, "a", "answer", 1),
    }
    assert len(others) == 4
    assert seed not in others
    assert 0 <= seed < 2**63


def test_image_marks_must_match_the_images(tmp_path: Path) -> None:
    task = load_file(write_task(tmp_path, "doc_to_image: picture\n"))
    with pytest.raises(DataError, match="no image 'picture'"):
        task.requests(task.documents()[0], "answer", {}, 0)
    rows = [{"id": "a", "question": "what is <image>?", "target": "1"}]
    task = load_file(write_task(tmp_path, rows=rows))
    with pytest.raises(ConfigError, match="1 <image> marks for 0 images"):
        task.requests(task.documents()[0], "answer", {}, 0)


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([{"id": "a", "question": "?"}], "no field 'target'"),
        ([{"id": "a", "question": "?", "target": "1"}] * 2, "two documents have the id 'a'"),
        ([{"id": "a", "question": "\ue000", "target": "1"}], "private-use"),
        (["text"], "row 0 is not an object"),
    ],
)
def test_wrong_rows(tmp_path: Path, rows: list[object], what: str) -> None:
    with pytest.raises(HeadbenchError, match=what):
        load_file(write_task(tmp_path, rows=rows)).documents()


def test_few_shot_examples_come_first_and_are_never_asked(tmp_path: Path) -> None:
    more = "num_fewshot: 1\nfewshot_split: train\nfewshot_config: {sampler: first_n}\n"
    task = load_file(write_task(tmp_path, more))
    documents = task.documents()
    assert [document.id for document in documents] == ["b", "c"]
    (request,) = task.requests(documents[0], "answer", {}, 0)
    assert request.messages[0]["content"] == "Q: one? A: 1\n\nQ: two? A:"


def test_few_shot_examples_in_the_file_balanced_and_placed_by_the_template(
    tmp_path: Path,
) -> None:
    more = """
num_fewshot: 4
fewshot_config:
  placement: template
  sampler: first_n
  balance: target
  samples:
    - {question: q1, target: x}
    - {question: q2, target: x}
    - {question: q3, target: y}
    - {question: q4, target: y}
doc_to_text: '{% for e in fewshot %}{{ e.question }}={{ e.target }} {% endfor %}{{ question }}='
"""
    task = load_file(write_task(tmp_path, more, drop=["doc_to_text"]))
    (request,) = task.requests(task.documents()[0], "answer", {}, 0)
    assert request.messages[0]["content"] == "q1=x q3=y q2=x q4=y one?="


def test_more_examples_than_exist(tmp_path: Path) -> None:
    more = "num_fewshot: 5\nfewshot_config: {samples: [{question: q, target: t}]}\n"
    with pytest.raises(DataError, match="5 examples are asked for, 1 exist"):
        load_file(write_task(tmp_path, more)).documents()
    with pytest.raises(ConfigError, match="none are given"):
        load_file(write_task(tmp_path, "num_fewshot: 1\n")).documents()


def test_the_prompt_hash_follows_the_prompt_and_nothing_else(tmp_path: Path) -> None:
    base = load_file(write_task(tmp_path)).prompt_hash
    assert load_file(write_task(tmp_path)).prompt_hash == base
    assert load_file(write_task(tmp_path, "parser: verbatim\n")).prompt_hash == base
    changed = write_task(tmp_path, "generation_kwargs: {max_gen_toks: 3}\n")
    assert load_file(changed).prompt_hash != base


def test_the_data_hash_follows_the_data(tmp_path: Path) -> None:
    base = load_file(write_task(tmp_path)).data_hash
    assert load_file(write_task(tmp_path, "system: Other prompt.\n")).data_hash == base
    rows = [{"id": "a", "question": "one?", "target": "2"}]
    assert load_file(write_task(tmp_path, rows=rows)).data_hash != base


def test_records_go_through_the_named_scorer(tmp_path: Path) -> None:
    task = load_file(write_task(tmp_path))
    record = task.record(task.documents()[0], ("it is 1",))
    assert record.parts["correct"] == 1
    assert record.document == "a"
    assert task.parser == "verbatim"


def test_an_unknown_step(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no step 'anser'") as caught:
        load_file(write_task(tmp_path)).step("anser")
    assert "'answer'" in caught.value.hint
