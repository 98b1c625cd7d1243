"""Rescoring small recorded files: figures, coverage, headlines, and what is never written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headbench.errors import DataError
from headbench.families.chair.rescore_chair import rescore_chair
from headbench.families.needles.rescore_needles import rescore_niah
from headbench.families.pope.rescore_pope import rescore_pope
from headbench.families.walls.rescore_walls import rescore_walls
from headbench.results.fields import Fields
from headbench.results.files import read_entries, read_result
from headbench.results.rescored import Log, Rescored, rescored
from headbench.scoring import lookup


def save(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


def values(found: Rescored, *names: str) -> tuple[object, ...]:
    return tuple(found.value(name) for name in names)


TRUTH = {"1": ["dog", "person"], "2": ["cat"], "3": ["car"]}
CAPTIONS = [
    {"image_id": 1, "caption": "A man with a dog and a cat."},
    {"image_id": "COCO_val2014_000000000002.jpg", "caption": "Two cats."},
]


def test_chair_counts_and_metrics(tmp_path: Path) -> None:
    found = rescore_chair(save(tmp_path / "c.json", CAPTIONS), [save(tmp_path / "t.json", TRUTH)])
    names = ("hallucinated_captions", "hallucinated_mentions", "mentions", "n", "coverage")
    assert values(found, *names) == (1, 1, 4, 2, 1.0)
    assert values(found, "chair_s", "chair_i", "recall", "len") == (0.5, 0.25, 1.0, 5.0)
    assert found.result.task.profile == "chair-2018@2"
    assert found.result.headline == "chair_s"
    assert found.result.metrics["chair_s"].higher_is_better is False


def test_chair_is_partial_where_images_are_unknown_or_unnamed(tmp_path: Path) -> None:
    rows = [*CAPTIONS, CAPTIONS[0], {"caption": "no id"}, {"image_id": 99, "caption": "a dog"}]
    found = rescore_chair(save(tmp_path / "c.json", rows), [save(tmp_path / "t.json", TRUTH)])
    assert values(found, "n", "coverage") == (2, 0.5)
    assert found.result.status == "partial"
    assert found.result.headline is None
    assert "2 of 4 answered" in found.result.reason
    assert found.result.source["repeated rows"] == "1"
    assert found.result.source["rows without an image"] == "1"


def test_chair_takes_given_field_names_and_coco_files(tmp_path: Path) -> None:
    rows = [{"pic": 7, "said": "a dog", "text": "a cat"}]
    coco = {
        "annotations": [{"image_id": 7, "category_id": 1}],
        "categories": [{"id": 1, "name": "dog"}],
    }
    told = {"annotations": [{"image_id": 7, "caption": "a cat and a dog"}]}
    truth = [save(tmp_path / "i.json", coco), save(tmp_path / "k.json", told)]
    fields = Fields.parse(["image=pic", "caption=said"])
    found = rescore_chair(save(tmp_path / "c.json", rows), truth, "chair-clean", fields)
    assert values(found, "chair_i", "recall") == (0.0, 0.5)
    with pytest.raises(DataError, match="no caption"):
        rescore_chair(tmp_path / "c.json", truth, fields=Fields.parse(["caption=none"]))


def test_chair_refuses_two_captions_of_one_image(tmp_path: Path) -> None:
    rows = [*CAPTIONS, {"image_id": 1, "caption": "Something else."}]
    with pytest.raises(DataError, match="two different captions"):
        rescore_chair(save(tmp_path / "c.json", rows), [save(tmp_path / "t.json", TRUTH)])


QUESTIONS = [
    {"question_id": at, "image": f"{at // 2}.jpg", "text": f"Is there a t{at}?", "label": label}
    for at, label in enumerate(["yes", "no", "yes", "no"])
]


def answers(*texts: str) -> list[dict[str, object]]:
    return [
        {"question_id": at, "prompt": f"Is there a t{at}? Say yes or no.", "text": text}
        for at, text in enumerate(texts)
    ]


def test_pope_confusion_and_parser(tmp_path: Path) -> None:
    asked = save(tmp_path / "q.json", QUESTIONS)
    log = save(tmp_path / "a.json", answers("Yes", "Yes.", "No", "Perhaps"))
    found = rescore_pope(log, asked)
    assert values(found, "tp", "fp", "tn", "fn", "n") == (1, 2, 0, 1, 4)
    assert found.result.task.parser == "pope_ref@1"
    assert found.result.headline == "f1"
    robust = rescore_pope(log, asked, "pope_robust")
    assert values(robust, "tp", "fp", "tn", "fn", "unparsed_rate") == (1, 1, 0, 1, 0.25)
    assert robust.result.id != found.result.id


def test_partial_pope_gets_no_headline_and_absent_pope_no_figures(tmp_path: Path) -> None:
    asked = save(tmp_path / "q.json", QUESTIONS)
    part = rescore_pope(save(tmp_path / "a.json", answers("Yes", "No", "Yes")), asked)
    assert values(part, "n", "coverage", "accuracy") == (3, 0.75, 1.0)
    assert (part.result.headline, part.result.status) == (None, "partial")
    other = [{**row, "prompt": "Is there a unicorn?"} for row in answers("Yes", "No")]
    none = rescore_pope(save(tmp_path / "b.json", other), asked)
    assert values(none, "n", "coverage", "f1", "tp") == (0, 0.0, None, None)
    assert "another set of questions" in none.result.reason


WALLS = [
    {"wall_id": name, "groups": [[f"{name}{letter}{at}" for at in range(4)] for letter in "abcd"]}
    for name in ("x", "y")
]


def test_walls_from_text_and_from_lists(tmp_path: Path) -> None:
    asked = save(tmp_path / "w.json", WALLS)
    lists = [{"wall_id": row["wall_id"], "groups": row["groups"]} for row in WALLS[::-1]]
    text = [
        {"wall_id": row["wall_id"], "answer": "\n".join(", ".join(g) for g in row["groups"])}
        for row in WALLS
    ]
    for name, rows in (
        ("lists", lists),
        ("text", text),
        ("order", [{"answer": r["answer"]} for r in text]),
    ):
        found = rescore_walls(save(tmp_path / f"{name}.json", rows), asked)
        assert values(found, "solved_walls", "correct_groups", "wd", "ami", "n") == (2, 8, 0, 1, 2)
    mapped = save(tmp_path / "m.json", {row["wall_id"]: row["groups"] for row in WALLS})
    assert rescore_walls(mapped, asked).value("solved_walls") == 2


def test_walls_may_be_missing_but_not_unknown_or_twice(tmp_path: Path) -> None:
    asked = save(tmp_path / "w.json", WALLS)
    part = rescore_walls(save(tmp_path / "p.json", WALLS[:1]), asked)
    assert values(part, "n", "coverage", "solved_walls") == (1, 0.5, 1)
    assert part.result.headline is None
    with pytest.raises(DataError, match="0 of 1 rows name a wall of the walls file"):
        rescore_walls(save(tmp_path / "u.json", [{"wall_id": "z", "answer": "a, b"}]), asked)
    once = rescore_walls(save(tmp_path / "r.json", [WALLS[0], WALLS[0]]), asked)
    assert values(once, "n", "solved_walls") == (1, 1)
    other = {**WALLS[0], "groups": WALLS[1]["groups"]}
    with pytest.raises(DataError, match="twice"):
        rescore_walls(save(tmp_path / "d.json", [WALLS[0], other]), asked)
    with pytest.raises(DataError, match="nobody"):
        rescore_walls(None, asked)


def test_walls_of_another_version_are_never_joined_by_their_order(tmp_path: Path) -> None:
    asked = save(tmp_path / "w.json", WALLS)
    other = [{**row, "wall_id": f"{row['wall_id']}-2"} for row in WALLS]
    with pytest.raises(DataError, match="0 of 2 rows name a wall of the walls file"):
        rescore_walls(save(tmp_path / "o.json", other), asked)
    for first in (0, 1):
        counted = [{"index": at + first, "groups": row["groups"]} for at, row in enumerate(WALLS)]
        found = rescore_walls(save(tmp_path / f"{first}.json", counted), asked)
        assert found.value("solved_walls") == 2


def test_walls_take_the_form_of_the_authors_own_predictions(tmp_path: Path) -> None:
    solved = [{**row, "connections": ["a", "b", "c", "d"]} for row in WALLS]
    told = [
        {
            "wall_id": row["wall_id"],
            "predicted_groups": row["groups"],
            "predicted_connections": ["a", "b", "c", "x"],
        }
        for row in WALLS
    ]
    found = rescore_walls(save(tmp_path / "p.json", told), save(tmp_path / "w.json", solved))
    assert values(found, "solved_walls", "connections") == (2, 6)


NEEDLE = "Eat a SANDWICH and sit in Dolores Park on a sunny day"


def test_niah_by_length_and_depth(tmp_path: Path) -> None:
    rows = [
        {"context_length": length, "depth_percent": depth, "model_response": said}
        for length, depth, said in [(1000, 0, NEEDLE), (1000, 50, "a sandwich"), (2000, 0, NEEDLE)]
    ]
    found = rescore_niah(save(tmp_path / "r.json", rows))
    assert values(found, "keyphrase3", "keyphrase3_fraction", "n") == (
        pytest.approx(2 / 3),
        pytest.approx(7 / 9),
        3,
    )
    by_length = found.result.breakdowns["length"]
    assert {key: by_length[key]["keyphrase3"].value for key in by_length} == {
        "1000": 0.5,
        "2000": 1,
    }
    assert set(found.result.breakdowns["depth"]) == {"0", "50"}
    assert found.result.headline == "keyphrase3"


def test_repeated_needle_cells_get_no_headline(tmp_path: Path) -> None:
    row = {"context_length": 1000, "depth_percent": 0, "model_response": NEEDLE}
    found = rescore_niah(save(tmp_path / "r.json", [row, {**row, "version": 2}]))
    assert found.result.headline is None
    assert "repeats" in found.result.source["no_headline"]


@pytest.mark.parametrize("length", ['"long"', "NaN", "Infinity"])
def test_lengths_and_depths_are_finite_numbers(tmp_path: Path, length: str) -> None:
    (tmp_path / "n.json").write_text(f'[{{"response": "x", "length": {length}, "depth": 0}}]')
    with pytest.raises(DataError, match="length as a number"):
        rescore_niah(tmp_path / "n.json")


def test_half_a_character_is_scored_and_written(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(r'[{"image_id": 1, "caption": "A dog \ud83d"}]')
    found = rescore_chair(tmp_path / "c.json", [save(tmp_path / "t.json", {"1": ["dog"]})])
    assert found.value("mentions") == 1
    assert found.write(tmp_path / "out").is_file()


def test_judged_cells_and_folders(tmp_path: Path) -> None:
    folder = tmp_path / "cells"
    folder.mkdir()
    for at, score in enumerate((10, 3)):
        cell = {"token_limit": 1000 * (at + 1), "depth_percent": 0, "score": score}
        save(folder / f"{at}.json", cell)
    found = rescore_niah(folder)
    assert values(found, "judge", "n") == (6.5, 2)
    with pytest.raises(DataError, match="depth"):
        rescore_niah(save(tmp_path / "x.json", [{"context_length": 1, "response": "a"}]))


def test_written_records_hold_digests_and_no_text(tmp_path: Path) -> None:
    found = rescore_chair(save(tmp_path / "c.json", CAPTIONS), [save(tmp_path / "t.json", TRUTH)])
    path = found.write(tmp_path / "out")
    assert path.parent == tmp_path / "out/rescored/c/chair"
    result = read_result(path)
    assert result.kind == "rescored"
    assert len(result.source["predictions.sha256"]) == 64
    entries = read_entries(path, result)
    assert [entry.record.document for entry in entries] == ["1", "2"]
    for entry in entries:
        assert entry.record.target is None
        assert all(output.startswith("sha256:") for output in entry.record.outputs)
    again = rescore_chair(tmp_path / "c.json", [tmp_path / "t.json"])
    assert again.result.id == found.result.id


def test_a_log_without_an_answer_is_not_whole() -> None:
    """Nothing of nothing: no headline, and no figure but their number."""
    metrics = {name: lookup.metric(name) for name in ("pope.accuracy", "pope.f1")}
    empty = Log(
        task="pope", scorer="pope@1", parser="pope_ref@1", metrics=metrics, records=(),
        expected=0, inputs={}, name="nobody",
    )  # fmt: skip
    result = rescored(empty).result
    assert (result.status, result.headline) == ("partial", None)
    assert "0 of 0 answered" in result.reason
    assert {name: one.value for name, one in result.metrics.items()} == {
        "accuracy": None, "f1": None, "n": 0, "coverage": 0.0,
    }  # fmt: skip
