"""Recorded needle responses are scored for their own needle, and judges' scores are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headbench.errors import DataError
from headbench.families.needles.rescore_needles import rescore_niah
from headbench.results.fields import Fields

HARBOUR = "The magic number for the harbour is 4711."
QUESTION = "What is the magic number for the harbour?"
BEST = (
    "The best thing to do in San Francisco is eat a sandwich and sit in Dolores Park on a sunny "
    "day."
)


def save(path: Path, *rows: dict[str, object]) -> Path:
    cells = [
        {"context_length": 1000 * (at + 1), "depth_percent": 0, **row}
        for at, row in enumerate(rows)
    ]
    path.write_text(json.dumps(cells))
    return path


def harbour(said: str, **more: object) -> dict[str, object]:
    return {
        "needle": HARBOUR,
        "retrieval_question": QUESTION,
        "model_response": said,
        **more,
    }


def test_rows_of_another_needle_are_scored_for_it(tmp_path: Path) -> None:
    rows = [harbour(HARBOUR), harbour("It is **4,711**."), harbour("It is 14711."), harbour("?")]
    found = rescore_niah(save(tmp_path / "r.json", *rows))
    assert (found.value("recall"), found.value("n")) == (0.5, 4)
    assert found.result.source["sought"] == "4711"
    assert "without those of its question" in found.result.source["sought by"]
    assert found.result.task.scorer == "niah@2"


def test_without_a_question_the_whole_needle_is_sought(tmp_path: Path) -> None:
    rows = [{"needle": HARBOUR, "response": said} for said in (HARBOUR, "4711")]
    found = rescore_niah(save(tmp_path / "r.json", *rows))
    assert (found.value("recall"), found.value("fraction")) == (0.5, pytest.approx(9 / 16))


def test_the_published_needle_keeps_its_three_phrases(tmp_path: Path) -> None:
    rows = [{"needle": f"\n{BEST}\n", "response": said} for said in (BEST, "Eat a sandwich.")]
    found = rescore_niah(save(tmp_path / "r.json", *rows))
    assert (found.value("keyphrase3"), found.value("keyphrase3_fraction")) == (
        0.5,
        pytest.approx(2 / 3),
    )
    unnamed = rescore_niah(save(tmp_path / "u.json", {"response": BEST}))
    assert unnamed.value("keyphrase3") == 1
    assert "no row names its needle" in unnamed.result.source["sought by"]


def test_given_phrases_are_sought_and_are_part_of_the_result(tmp_path: Path) -> None:
    path = save(tmp_path / "r.json", harbour("4711 it is"), harbour("the harbour"))
    found = rescore_niah(path, phrases=["4711"])
    both = rescore_niah(path, phrases=["4711", "harbour"])
    assert (found.value("keyphrase3"), both.value("keyphrase3_fraction")) == (0.5, 0.5)
    assert len({one.result.id for one in (found, both, rescore_niah(path))}) == 3


def test_rows_of_another_needle_than_the_phrases_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "r.json", harbour(HARBOUR))
    with pytest.raises(DataError, match=r"another needle: .* does not hold 'sandwich'"):
        rescore_niah(path, phrases=["4711", "sandwich"])
    mixed = save(tmp_path / "m.json", harbour(HARBOUR), harbour(BEST, needle=BEST))
    with pytest.raises(DataError, match="of 2 needles"):
        rescore_niah(mixed)
    empty = save(tmp_path / "e.json", harbour("x", needle="What is the number?"))
    with pytest.raises(DataError, match="nothing beyond its question"):
        rescore_niah(empty)


def test_scores_beside_responses_are_read(tmp_path: Path) -> None:
    rows = [harbour(HARBOUR, score=10), harbour("?", score="3"), harbour("?")]
    found = rescore_niah(save(tmp_path / "r.json", *rows))
    assert (found.value("judge"), found.value("recall")) == (6.5, pytest.approx(1 / 3))
    assert found.result.headline == "recall"
    strange = save(tmp_path / "s.json", harbour(HARBOUR, score=0.83))
    with pytest.raises(DataError, match=r"one of 1, 3, 5, 7, 10, not 0\.83"):
        rescore_niah(strange)
    with pytest.raises(DataError, match="no row has the field 'verdict'"):
        rescore_niah(strange, Fields.parse(["judge=verdict"]))


@pytest.mark.parametrize(
    ("length", "told"),
    [(10**400, "an integer of 401 digits"), (float("inf"), "needs its length as a number")],
    ids=["huge", "infinite"],
)
def test_a_length_that_no_number_holds_is_refused(tmp_path: Path, length: float, told: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps([{"context_length": length, "depth_percent": 0, "score": 1}]))
    with pytest.raises(DataError, match=told):
        rescore_niah(path)
    with pytest.raises(DataError, match=f"{told}|no row has one"):
        rescore_niah(path, phrases=["4711"])


def test_judged_cells_are_read_from_the_fields_that_were_named(tmp_path: Path) -> None:
    cells = [{"length": "1000", "depth": "0", "score": 10, "rating": "1"}]
    path = save(tmp_path / "c.json")
    path.write_text(json.dumps(cells))
    assert rescore_niah(path).value("judge") == 10
    assert rescore_niah(path, Fields.parse(["judge=rating"])).value("judge") == 1
