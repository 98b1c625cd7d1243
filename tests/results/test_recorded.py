"""Loaders against the containers, encodings and joins that real logs use."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headbench.errors import ConfigError, DataError
from headbench.families.pope.answer_join import join_answers, questions_of, version_of
from headbench.results.fields import Fields, as_text
from headbench.results.recorded import read_rows
from headbench.scoring.binary_labels import as_flag

ROWS = [{"image_id": 1, "text": "a dog {[,]}"}, {"image_id": 2, "text": "Käse, “cheese”\n\nmore"}]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "log.json"


@pytest.mark.parametrize(
    ("text", "container"),
    [
        ("\n".join(json.dumps(row) for row in ROWS), "lines"),
        ("\n\n".join(json.dumps(row) for row in ROWS) + "\n", "lines"),
        (json.dumps(ROWS, indent=4), "array"),
        ("".join(json.dumps(row, indent=2) for row in ROWS), "objects"),
        (",\n".join(json.dumps(row, indent=2, ensure_ascii=False) for row in ROWS), "objects"),
        (json.dumps({"info": {}, "dataset": ROWS}), "wrapped"),
    ],
)
def test_every_container_gives_the_same_rows(place: Path, text: str, container: str) -> None:
    place.write_text(text, encoding="utf-8")
    read = read_rows(place)
    assert list(read.rows) == ROWS
    assert (read.container, read.encoding) == (container, "utf-8")


def test_objects_by_image_become_rows(place: Path) -> None:
    place.write_text(json.dumps({"7": "a dog", "8": "a cat"}))
    assert [(row["image_id"], row["text"]) for row in read_rows(place).rows] == [
        ("7", "a dog"),
        ("8", "a cat"),
    ]
    place.write_text(json.dumps({"7": {"caption": "a dog"}, "8": {"caption": "a cat"}}))
    first = read_rows(place).rows[0]
    assert (first["id"], first["caption"]) == ("7", "a dog")


def test_tables_with_either_delimiter(place: Path) -> None:
    place.write_text('rev_id,comment,toxic\n1,"a, b",0.0\n2,"c\nd",1.0\n')
    rows = read_rows(place).rows
    assert [(row["comment"], as_flag(row["toxic"])) for row in rows] == [
        ("a, b", False),
        ("c\nd", True),
    ]
    place.write_text("id\ttext\n1\ta, b\n")
    assert read_rows(place).rows[0]["text"] == "a, b"


CONTAINERS: dict[str, Callable[[list[dict[str, object]], bool], str]] = {
    "lines": lambda rows, plain: "\n".join(json.dumps(row, ensure_ascii=plain) for row in rows),
    "array": lambda rows, plain: json.dumps(rows, ensure_ascii=plain),
    "pretty array": lambda rows, plain: json.dumps(rows, ensure_ascii=plain, indent=1),
    "objects": lambda rows, plain: "".join(
        json.dumps(row, ensure_ascii=plain, indent=3) for row in rows
    ),
    "objects, commas": lambda rows, plain: ",\n".join(
        json.dumps(row, ensure_ascii=plain, indent=3) for row in rows
    ),
    "wrapped": lambda rows, plain: json.dumps({"data": rows, "n": 3}, ensure_ascii=plain),
}
LOG_ROWS = st.lists(
    st.fixed_dictionaries(
        {"image_id": st.integers(0, 10**12), "text": st.text(max_size=30)},
        optional={"prompt": st.lists(st.text(max_size=9), max_size=3), "label": st.just("0.0")},
    ),
    min_size=2,
    max_size=5,
)


@given(
    LOG_ROWS,
    st.sampled_from(sorted(CONTAINERS)),
    st.booleans(),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.booleans(),
)
def test_no_container_and_no_encoding_changes_a_row(
    rows: list[dict[str, object]], container: str, plain: bool, encoding: str, packed: bool
) -> None:
    content = CONTAINERS[container](rows, plain).encode(encoding)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(gzip.compress(content) if packed else content)
        assert list(read_rows(path).rows) == rows


def test_half_a_character_becomes_the_replacement_character(place: Path) -> None:
    place.write_text(r'[{"text": "cut \ud83d", "k\udc00": ["\ud83d\ude00 whole", 1]}]')
    assert list(read_rows(place).rows) == [
        {"text": "cut \ufffd", "k\ufffd": ["\U0001f600 whole", 1]}
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(place: Path, encoding: str) -> None:
    place.write_bytes(json.dumps(ROWS, ensure_ascii=False).encode(encoding))
    assert list(read_rows(place).rows) == ROWS


def test_a_file_that_breaks_off_within_a_character_is_named(place: Path) -> None:
    place.write_bytes(json.dumps(ROWS).encode("utf-16")[:-1])
    with pytest.raises(DataError, match="breaks off within a character") as caught:
        read_rows(place)
    assert "log.json, byte" in str(caught.value)


def test_lines_of_mixed_encodings_are_each_read_in_their_own(place: Path) -> None:
    lines = ['{"text": "Käse"}'.encode(), '{"text": "Käse"}'.encode("cp1252")]
    place.write_bytes(b"\n".join(lines))
    read = read_rows(place)
    assert [row["text"] for row in read.rows] == ["Käse", "Käse"]
    assert read.encoding == "mixed"


def test_gzip_is_read_and_the_stored_bytes_are_hashed(place: Path) -> None:
    plain, packed = json.dumps(ROWS).encode(), gzip.compress(json.dumps(ROWS).encode(), mtime=0)
    place.write_bytes(packed)
    first = read_rows(place)
    place.write_bytes(plain)
    assert first.rows == read_rows(place).rows
    assert first.sha256 != read_rows(place).sha256
    place.write_bytes(packed[:-9])
    with pytest.raises(DataError, match="gzip"):
        read_rows(place)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "empty"),
        ("[]", "no rows"),
        ('{"a": 1}\n{"a": ', "ends within a value"),
        ('{"a": 1}\n{"a" 2}', "not valid JSON"),
        ("[" * 100_000, "no data"),
        (f'[{{"a": {"9" * 5000}}}]', "no data"),
        ("[1, 2]", "not an object"),
        ("a,b\n1,2,3\n", "more columns"),
    ],
)
def test_broken_files_are_refused_by_name(place: Path, content: str, problem: str) -> None:
    place.write_text(content)
    with pytest.raises(DataError, match=problem) as caught:
        read_rows(place)
    assert "log.json" in str(caught.value)


def test_a_cut_off_log_names_its_line(place: Path) -> None:
    place.write_text('{"a": 1}\n{"a": 2}\n{"a": "x')
    with pytest.raises(DataError, match=r"log\.json:3:"):
        read_rows(place)


def test_a_missing_file_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        read_rows(tmp_path / "absent.json")


def test_fields_are_found_under_common_names_or_the_given_one() -> None:
    row = {"image": "a.jpg", "text": "x", "mine": "y", "prompt": ["Is it", "so?"]}
    assert Fields().find(row, "caption") == "x"
    assert Fields.parse(["caption=mine"]).find(row, "caption") == "y"
    assert Fields.parse(["caption=none"]).find(row, "caption") is None
    assert Fields().text(row, "question", but="text") == "Is it so?"
    assert Fields().name(row, "answer", but="text") is None
    for wrong, problem in (
        ("caption", "role=name"),
        ("captoin=text", "did you mean 'caption'"),
        ("caption=", "role=name"),
        ("truth.caption=text", "no file"),
    ):
        with pytest.raises(ConfigError, match=problem):
            Fields.parse([wrong])
    with pytest.raises(ConfigError, match="given twice"):
        Fields.parse(["caption=a", "caption=b"])


@pytest.mark.parametrize("value", ["yes", "Yes ", 1, 1.0, "1.0", True, "TRUE", "hateful"])
def test_positive_labels_in_every_spelling(value: object) -> None:
    assert as_flag(value, positive="hateful") is True


@pytest.mark.parametrize("value", ["no", "NO", 0, 0.0, "0.0", False, "not hateful", "non-hateful"])
def test_negative_labels_in_every_spelling(value: object) -> None:
    assert as_flag(value, positive="hateful") is False


def test_a_strange_label_is_refused_without_being_shown() -> None:
    with pytest.raises(DataError, match="neither of two classes") as caught:
        as_flag("something vile")
    assert "vile" not in str(caught.value)
    assert as_text(["a", ["b", 1]]) == "a b 1"


# ------------------------------------------------------------------ joins


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def asked(count: int, word: str = "thing") -> list[dict[str, object]]:
    return [
        {"question_id": at + 1, "image": f"COCO_val2014_{at // 3:012}.jpg",
         "text": f"Is there a {word}{at} in the image?", "label": "yes" if at % 2 else "no"}
        for at in range(count)
    ]  # fmt: skip


def test_join_by_image_and_question_whatever_order_ids_and_suffix(tmp_path: Path) -> None:
    questions = asked(6)
    log = [
        {"question_id": 99 - at, "image": at // 3, "answer": f"A{at}",
         "prompt": [f"<image>\nIs there a thing{at} in the  image?", "Answer in one word."]}
        for at in range(6)
    ]  # fmt: skip
    log = [*log[::-1], log[0]]
    items = questions_of(read_rows(write(tmp_path / "q.json", questions)), Fields())
    joined = join_answers(read_rows(write(tmp_path / "a.json", log)), items, Fields())
    assert joined.answers == tuple(f"A{at}" for at in range(6))
    assert (joined.how, joined.repeated, joined.unused) == ("image and question", 1, 0)


def test_the_longest_contained_question_wins(tmp_path: Path) -> None:
    questions = [
        {"image": 1, "text": "Is there a dog", "label": "yes"},
        {"image": 1, "text": "Is there a dog bed", "label": "no"},
    ]
    log = [{"image": 1, "question": "Is there a dog bed?", "answer": "No"}]
    items = questions_of(read_rows(write(tmp_path / "q.json", questions)), Fields())
    joined = join_answers(read_rows(write(tmp_path / "a.json", log)), items, Fields())
    assert joined.answers == (None, "No")


def reply(at: int, key: int, word: str = "thing") -> dict[str, object]:
    return {
        "question_id": key,
        "prompt": f"Is there a {word}{at} in the image?\nBriefly.",
        "text": f"A{at}",
    }


def test_ids_join_only_where_every_question_in_common_reads_the_same(tmp_path: Path) -> None:
    items = questions_of(read_rows(write(tmp_path / "q.json", asked(8))), Fields())
    log = [reply(at, at + 1) for at in (4, 2, 0)]
    joined = join_answers(read_rows(write(tmp_path / "a.json", log)), items, Fields())
    assert joined.how == "id and question"
    assert joined.answers == ("A0", None, "A2", None, "A4", None, None, None)
    other = [*log, reply(1, 2, word="other")]
    joined = join_answers(read_rows(write(tmp_path / "b.json", other)), items, Fields())
    assert joined.how == "nothing"
    assert joined.answers == (None,) * 8
    assert "of 4 ids in common 1 ask something else" in joined.reason


def test_a_whole_run_joins_by_order_where_ids_mean_something_else(tmp_path: Path) -> None:
    items = questions_of(read_rows(write(tmp_path / "q.json", asked(80))), Fields())
    first = [reply(at, at + 1, word="older") for at in range(70)]
    run = [reply(at, 1000 + at) for at in range(60)]
    joined = join_answers(read_rows(write(tmp_path / "a.json", first + run)), items, Fields())
    assert joined.how == "order"
    assert joined.answers[:60] == tuple(f"A{at}" for at in range(60))
    assert set(joined.answers[60:]) == {None}
    short = first + run[:49]
    joined = join_answers(read_rows(write(tmp_path / "b.json", short)), items, Fields())
    assert joined.how == "nothing"
    torn = first + run[:30] + [reply(31, 5, word="x")] + run[31:]
    joined = join_answers(read_rows(write(tmp_path / "c.json", torn)), items, Fields())
    assert joined.how == "nothing"


def test_bare_ids_are_believed_only_for_a_whole_set(tmp_path: Path) -> None:
    items = questions_of(read_rows(write(tmp_path / "q.json", asked(4))), Fields())
    whole = [{"question_id": at + 1, "answer": f"A{at}"} for at in range(4)]
    joined = join_answers(read_rows(write(tmp_path / "a.json", whole)), items, Fields())
    assert joined.answers == ("A0", "A1", "A2", "A3") and joined.how == "id only"
    part = join_answers(read_rows(write(tmp_path / "b.json", whole[:3])), items, Fields())
    assert part.how == "nothing"


@given(st.sets(st.integers(0, 11), min_size=1, max_size=11), st.booleans())
def test_answers_to_another_version_are_never_joined_by_id(changed: set[int], other: bool) -> None:
    """Versions share ids and most questions; one that asks something else spoils the whole join."""
    with tempfile.TemporaryDirectory() as folder:
        items = questions_of(read_rows(write(Path(folder) / "q", asked(12))), Fields())
        log = [
            reply(at, at + 1, word="other" if at in changed and other else "thing")
            for at in range(12)
        ]
        joined = join_answers(read_rows(write(Path(folder) / "a", log)), items, Fields())
    if other:
        assert joined.how == "nothing" and set(joined.answers) == {None}
        assert f"{len(changed)} ask something else" in joined.reason
    else:
        assert joined.how == "id and question" and None not in joined.answers


def test_two_answers_to_one_question_are_refused(tmp_path: Path) -> None:
    items = questions_of(read_rows(write(tmp_path / "q.json", asked(2))), Fields())
    log = [reply(0, 1), {**reply(0, 1), "text": "B"}]
    with pytest.raises(DataError, match="two different answers"):
        join_answers(read_rows(write(tmp_path / "a.json", log)), items, Fields())


def test_the_version_of_a_question_set_ignores_order_and_ids(tmp_path: Path) -> None:
    rows = asked(5)
    one = questions_of(read_rows(write(tmp_path / "1.json", rows)), Fields())
    renamed = [
        {**row, "question_id": "x", "label": 1.0 if row["label"] == "yes" else "0.0"}
        for row in rows
    ]
    two = questions_of(read_rows(write(tmp_path / "2.json", renamed[::-1])), Fields())
    three = questions_of(read_rows(write(tmp_path / "3.json", asked(5, "other"))), Fields())
    assert version_of(one) == version_of(two) != version_of(three)
    with pytest.raises(DataError, match="needs an image"):
        questions_of(read_rows(write(tmp_path / "4.json", [{"text": "?"}])), Fields())
