from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from headbench.errors import DataError
from headbench.nouns import CapturedArrays
from headbench.tasks.loader import load, load_file
from headbench.worlds.walls import answer, naming_prompt, prompt


def test_walls_are_shown_shuffled_and_asked_about_in_two_steps() -> None:
    task = load("walls")
    document = task.documents(limit=1)[0]
    clues, groups = document.fields["clues"], document.fields["groups"]
    assert isinstance(clues, list)
    assert isinstance(groups, list)
    assert sorted(clues) == sorted(word for group in groups for word in group)
    assert clues != [word for group in groups for word in group]
    (grouping,) = task.requests(document, "grouping", {}, 0)
    assert grouping.messages[0]["content"] == prompt(clues)
    naming = task.requests(document, "naming", {"grouping": ("",)}, 0)
    assert [request.messages[0]["content"] for request in naming] == [
        naming_prompt(group) for group in groups
    ]


def test_a_perfect_player_solves_every_wall() -> None:
    task = load("walls")
    for document in task.documents(limit=6):
        target = document.target
        assert isinstance(target, dict)
        groups = answer(target["groups"][::-1])
        record = task.record(document, (groups, *target["connections"]))
        assert record.parts["solved"] == 1
        assert record.parts["connections_exact"] == 4
        assert len(record.outputs) == 2


def test_walls_with_and_without_red_herrings_take_turns() -> None:
    counts = Counter(document.fields["herrings"] for document in load("walls").documents())
    assert counts == {0: 30, 2: 30}


WALL = {
    "wall_id": "w1",
    "groups": {
        f"group_{n}": {"gt_words": [f"{c}{i}" for i in range(4)], "gt_connection": f"is {c}"}
        for n, c in enumerate("abcd", 1)
    },
}


def wall_file(folder: Path, walls: list[object]) -> Path:
    (folder / "walls.json").write_text(json.dumps({"dataset": walls}))
    path = folder / "mine.yaml"
    source = load("walls_ocw").merged.path
    kwargs = "{data_files: walls.json, field: dataset, seed: 0}"
    path.write_text(f"include: {source}\ntask: mine\nnum_fewshot: 1\ndataset_kwargs: {kwargs}\n")
    return path


def test_solved_order_is_never_shown_and_examples_are_not_asked(tmp_path: Path) -> None:
    walls: list[object] = [WALL | {"wall_id": f"w{n}"} for n in range(5)]
    task = load_file(wall_file(tmp_path, walls))
    documents = task.documents()
    assert len(documents) == 4
    solved = [f"{c}{i}" for c in "abcd" for i in range(4)]
    assert all(document.fields["clues"] != solved for document in documents)
    assert len({str(document.fields["clues"]) for document in documents}) > 1
    (request,) = task.requests(documents[0], "grouping", {}, 0)
    text = request.messages[1]["content"]
    assert "Groups: a0, a1, a2, a3\nb0" in text
    (request,) = task.requests(documents[0], "naming", {"grouping": ("",)}, 0)
    assert request.messages[1]["content"].startswith("Group 1: a0, a1, a2, a3\nGroup 2:")


def test_a_row_that_is_no_wall(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no wall"):
        load_file(wall_file(tmp_path, [WALL, {"words": ["a"]}])).documents()


def test_embeddings_are_clustered_into_groups() -> None:
    task = load("walls_embedding")
    document = task.documents(limit=1)[0]
    requests = task.requests(document, "answer", {}, 0)
    assert len(requests) == 16
    groups = document.fields["groups"]
    assert isinstance(groups, list)
    home = {word: number for number, group in enumerate(groups) for word in group}
    vectors = []
    for request in requests:
        number = home[request.messages[0]["content"]]
        values = np.array([[[float(number == axis) for axis in range(4)]]], dtype=np.float32)
        vectors.append(CapturedArrays.of(lambda values=values: (values,)))
    record = task.record(document, tuple(vectors))
    assert record.parts["solved"] == 1
    with pytest.raises(DataError, match="holds no vectors"):
        task.record(document, ("not a vector",) * 16)
    with pytest.raises(DataError, match="asked 16 requests and has 15"):
        task.record(document, tuple(vectors[:15]))


@pytest.mark.real
def test_the_released_walls_load(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADBENCH_DATA", str(real_data))
    documents = load("walls_ocw").documents()
    assert len(documents) == 172 - 3  # three serve as examples
    for document in documents:
        clues = document.fields["clues"]
        assert isinstance(clues, list)
        assert len(clues) == 16
