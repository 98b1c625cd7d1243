"""How rows were joined is said, and ids or an order alone give no headline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headbench.cli import app
from headbench.errors import ConfigError, DataError
from headbench.families.chair.rescore_chair import rescore_chair
from headbench.families.needles.rescore_needles import rescore_niah
from headbench.families.pope.rescore_pope import rescore_pope
from headbench.families.walls.rescore_walls import rescore_walls
from headbench.results.fields import Fields
from headbench.results.joins import Vouched


def save(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


def asked(count: int, word: str = "dog") -> list[dict[str, object]]:
    return [
        {"question_id": at, "image": f"{word}{at}.jpg", "text": f"Is there a {word} in the image?",
         "label": "yes" if at % 3 else "no"}
        for at in range(count)
    ]  # fmt: skip


def answers(count: int, *kept: str) -> list[dict[str, object]]:
    return [
        {key: row[key] for key in kept}
        | ({"prompt": row["text"]} if "prompt" in kept else {})
        | {"answer": "Yes" if at % 3 else "No"}
        for at, row in enumerate(
            {**row, "prompt": row["text"]} for row in asked(count)
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kept", "how", "vouch"),
    [
        (("image", "prompt"), "image and question", None),
        (("question_id", "prompt"), "id and question", None),
        (("question_id", "image"), "id and image", None),
        (("question_id",), "id only", "id"),
        (("prompt",), "order", "order"),
        ((), "order only", "order"),
    ],
)
def test_the_result_says_how_and_weak_joins_need_a_word(
    tmp_path: Path, kept: tuple[str, ...], how: str, vouch: Vouched | None
) -> None:
    questions = save(tmp_path / "q.json", asked(60))
    log = save(tmp_path / "a.json", answers(60, *kept))
    found = rescore_pope(log, questions)
    assert found.result.source["joined by"] == how
    assert (found.value("n"), found.value("accuracy")) == (60, 1.0)
    assert found.result.status == "ok"
    if vouch is None:
        assert found.result.headline == "f1"
        return
    assert found.result.headline is None
    assert f"--join {vouch}" in found.result.source["no_headline"]
    vouched = rescore_pope(log, questions, join=vouch)
    assert vouched.result.headline == "f1"
    assert vouched.result.source["joined by"] == how
    assert vouched.result.id != found.result.id


def test_ids_of_another_set_join_and_get_no_headline(tmp_path: Path) -> None:
    other = save(tmp_path / "q.json", asked(60, "boat"))
    log = save(tmp_path / "a.json", answers(60, "question_id"))
    assert rescore_pope(log, other).result.headline is None
    log = save(tmp_path / "b.json", answers(60, "question_id", "image"))
    found = rescore_pope(log, other)
    assert (found.value("n"), found.result.source["joined by"]) == (0, "nothing")
    assert "60 ask something else" in found.result.reason
    assert rescore_pope(log, other, join="id").value("n") == 0
    assert rescore_pope(log, other, join="order").value("n") == 0


def test_rows_that_name_nothing_are_no_repeats_of_each_other(tmp_path: Path) -> None:
    questions = save(tmp_path / "q.json", asked(60))
    bare = answers(60)
    assert len({json.dumps(row) for row in bare}) == 2
    found = rescore_pope(save(tmp_path / "a.json", bare), questions, join="order")
    assert (found.value("n"), found.value("accuracy")) == (60, 1.0)
    assert "repeated rows" not in found.result.source
    short = rescore_pope(save(tmp_path / "b.json", bare[:-1]), questions, join="order")
    assert short.value("n") == 0


def test_an_order_that_a_question_contradicts_is_not_taken(tmp_path: Path) -> None:
    questions = asked(60)
    questions[7]["text"] = "Is there a boat in the image?"
    asked_file = save(tmp_path / "q.json", questions)
    log = save(tmp_path / "a.json", answers(60, "prompt"))
    assert rescore_pope(log, asked_file, join="order").value("n") == 0


def test_part_of_the_ids_is_taken_where_the_user_vouches(tmp_path: Path) -> None:
    questions = save(tmp_path / "q.json", asked(60))
    log = save(tmp_path / "a.json", answers(60, "question_id")[:30])
    assert rescore_pope(log, questions).value("n") == 0
    found = rescore_pope(log, questions, join="id")
    assert (found.value("n"), found.result.headline) == (30, None)
    assert found.result.status == "partial"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"text": " "}, "has no text"),
        ({"label": "maybe"}, "a label is yes or no, not 'maybe'"),
        ({"label": ""}, "a label is yes or no, not ''"),
        ({"image": "dog1.png"}, "two images would be one"),
        ({"image": "dog1.jpg"}, "one question has two labels"),
    ],
)
def test_questions_are_refused_by_row(
    tmp_path: Path, change: dict[str, object], problem: str
) -> None:
    questions = asked(6)
    questions[3] |= change
    log = save(tmp_path / "a.json", answers(6, "image", "prompt"))
    with pytest.raises(DataError, match=problem) as caught:
        rescore_pope(log, save(tmp_path / "q.json", questions))
    assert "q.json" in str(caught.value)


def test_a_question_that_stands_twice_keeps_two_records(tmp_path: Path) -> None:
    questions = save(tmp_path / "q.json", [*asked(3), asked(3)[0]])
    log = save(tmp_path / "a.json", answers(3, "image", "prompt"))
    found = rescore_pope(log, questions)
    assert [record.document for record in found.records] == [
        "dog0/0",
        "dog1/1",
        "dog2/2",
        "dog0/0-2",
    ]


def test_a_prompt_of_several_questions_is_refused(tmp_path: Path) -> None:
    questions = [
        {"image": 1, "text": f"Is there a {word} in the image?", "label": "yes"}
        for word in ("dog", "cat")
    ]
    log = [{"image": 1, "answer": "Yes", "prompt": " ".join(str(q["text"]) for q in questions)}]
    with pytest.raises(DataError, match="several of the questions"):
        rescore_pope(save(tmp_path / "a.json", log), save(tmp_path / "q.json", questions))


def test_a_question_is_not_found_within_longer_words(tmp_path: Path) -> None:
    questions = save(tmp_path / "q.json", [{"image": 1, "text": "Is it a car", "label": "yes"}])
    log = save(tmp_path / "a.json", [{"image": 1, "prompt": "Is it a carpet", "answer": "Yes"}])
    assert rescore_pope(log, questions).value("n") == 0


# ------------------------------------------------------------------ the other families

WALLS = [
    {"wall_id": name, "groups": [[f"{name}{kind}{at}" for at in range(4)] for kind in "abcd"]}
    for name in ("x", "y", "z")
]


def grouped(wall: dict[str, object]) -> str:
    groups = wall["groups"]
    assert isinstance(groups, list)
    return "\n".join(", ".join(group) for group in groups)


def test_walls_are_joined_by_what_their_answers_name(tmp_path: Path) -> None:
    walls = save(tmp_path / "w.json", WALLS)
    said = [{"wall_id": wall["wall_id"], "answer": grouped(wall)} for wall in WALLS]
    by_id = rescore_walls(save(tmp_path / "a.json", said), walls)
    assert by_id.result.source["joined by"] == "id and clues"
    assert by_id.result.headline == "group_rate"
    bare = rescore_walls(save(tmp_path / "b.json", [{"answer": grouped(w)} for w in WALLS]), walls)
    assert (bare.result.source["joined by"], bare.result.headline) == (
        "order and clues", "group_rate",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("keyed", "how", "vouch"), [(True, "id only", "id"), (False, "order only", "order")]
)
def test_answers_about_other_walls_give_no_headline(
    tmp_path: Path, keyed: bool, how: str, vouch: Vouched
) -> None:
    walls = save(tmp_path / "w.json", WALLS)
    other = [
        {**({"wall_id": wall["wall_id"]} if keyed else {}), "answer": "one, two, three, four"}
        for wall in WALLS
    ]
    log = save(tmp_path / "a.json", other)
    found = rescore_walls(log, walls)
    assert (found.result.source["joined by"], found.result.headline) == (how, None)
    assert rescore_walls(log, walls, join=vouch).result.headline == "group_rate"


def test_walls_that_rows_name_are_joined_by_name_whatever_their_order(tmp_path: Path) -> None:
    numbered = [{**wall, "wall_id": str(len(WALLS) - at)} for at, wall in enumerate(WALLS)]
    said = [{"wall_id": wall["wall_id"], "answer": grouped(wall)} for wall in numbered[::-1]]
    walls, log = save(tmp_path / "w.json", numbered), save(tmp_path / "a.json", said)
    found = rescore_walls(log, walls)
    assert found.result.source["joined by"] == "id and clues"
    assert found.value("solved_walls") == len(WALLS)
    with pytest.raises(DataError, match="stands in the place of wall"):
        rescore_walls(log, walls, join="order")


def test_walls_need_ids_of_their_own(tmp_path: Path) -> None:
    said = save(tmp_path / "a.json", [{"answer": grouped(wall)} for wall in WALLS])
    twice = save(tmp_path / "w.json", [*WALLS, WALLS[0]])
    with pytest.raises(DataError, match="two walls have the id 'x'"):
        rescore_walls(said, twice)
    some = save(tmp_path / "v.json", [WALLS[0], {"groups": WALLS[1]["groups"]}])
    with pytest.raises(DataError, match="a wall has no id"):
        rescore_walls(said, some)
    none = save(tmp_path / "u.json", [{"groups": wall["groups"]} for wall in WALLS])
    found = rescore_walls(said, none)
    assert (found.value("solved_walls"), found.value("n")) == (3, 3)


def test_connections_of_a_solution_are_not_read_as_an_answer(tmp_path: Path) -> None:
    names = ["a", "b", "c", "d"]
    solved = [{**wall, "connections": names} for wall in WALLS]
    said = [{**wall, "prediction": grouped(wall)} for wall in solved]
    log, walls = save(tmp_path / "a.json", said), save(tmp_path / "w.json", solved)
    with pytest.raises(DataError, match="could be the groups: groups, prediction"):
        rescore_walls(log, walls)
    found = rescore_walls(log, walls, fields=Fields({"groups": "prediction"}))
    assert found.value("solved_walls") == 3
    assert found.value("connection_rate") is None
    assert "may be the solution's" in found.result.source["connections"]
    told = Fields({"groups": "prediction", "connections": "connections"})
    assert rescore_walls(log, walls, fields=told).value("connections") == 12


def test_chair_and_needles_say_how_and_from_what(tmp_path: Path) -> None:
    truth = save(tmp_path / "t.json", {"img.1": ["dog"], "img.2": ["cat"]})
    captions = save(tmp_path / "c.json", [{"image_id": "img.1", "caption": "A dog."}])
    found = rescore_chair(captions, [truth])
    assert found.value("hallucinated_captions") == 0
    assert found.result.source["joined by"] == "image"
    assert found.result.source["predictions.fields"] == "caption from caption, image from image_id"
    row = {"context_length": 1000, "depth_percent": 0, "model_response": "x", "answer": "y"}
    with pytest.raises(DataError, match="could be the response: answer, model_response"):
        rescore_niah(save(tmp_path / "n.json", [row]))
    named = rescore_niah(tmp_path / "n.json", Fields({"response": "model_response"}))
    assert named.result.source["joined by"] == "length and depth of each row"


def test_long_lengths_keep_apart(tmp_path: Path) -> None:
    rows = [
        {"context_length": length, "depth_percent": 0, "response": "x"}
        for length in (1_048_576, 1_048_577)
    ]
    found = rescore_niah(save(tmp_path / "n.json", rows))
    assert set(found.result.breakdowns["length"]) == {"1048576", "1048577"}
    assert found.result.headline == "keyphrase3"


def test_truth_files_never_overwrite_each_other(tmp_path: Path) -> None:
    captions = save(tmp_path / "c.json", [{"image_id": 1, "caption": "A dog."}])
    one, other = (
        save(tmp_path / "1.json", {"1": ["dog"]}),
        save(tmp_path / "2.json", {"1": ["cat"]}),
    )
    assert rescore_chair(captions, [one, one]).value("chair_i") == 0
    with pytest.raises(DataError, match="two lists of objects"):
        rescore_chair(captions, [one, other])
    (tmp_path / "3.json").write_text('{"1": ["dog"], "1": ["cat"]}')
    with pytest.raises(DataError, match="a key stands twice"):
        rescore_chair(captions, [tmp_path / "3.json"])


def test_a_log_is_named_after_its_whole_name(tmp_path: Path) -> None:
    truth = save(tmp_path / "t.json", {"1": ["dog"]})
    for name in ("llava-1.5", "llava-1.5.jsonl", "llava-1.5.json.gz"):
        captions = save(tmp_path / name, [{"image_id": 1, "caption": "A dog."}])
        assert rescore_chair(captions, [truth]).result.model.name == "llava-1.5"


def test_the_table_says_how_rows_were_joined(tmp_path: Path) -> None:
    questions = save(tmp_path / "q.json", asked(6))
    log = save(tmp_path / "a.json", answers(6, "question_id"))
    options = [
        "rescore",
        "--task",
        "pope",
        "--predictions",
        str(log),
        "--questions",
        str(questions),
    ]
    plain = CliRunner().invoke(app, options).stdout
    assert "joined by: id only" in plain and "no headline: joined by id only" in plain
    assert "predictions read: answer from answer, id from question_id" in plain
    assert "questions read: label from label" in plain
    vouched = CliRunner().invoke(app, [*options, "--join", "id"]).stdout
    assert "no headline" not in vouched
    options = ["rescore", "--task", "niah", "--predictions", str(log), "--join", "id"]
    refused = CliRunner().invoke(app, options)
    assert isinstance(refused.exception, ConfigError)
    assert "does not read --join" in str(refused.exception)
