"""Loaders and joins on released logs: what is whole, what is partial, what is another version."""

from __future__ import annotations

from pathlib import Path

import pytest

from headbench.families.pope.answer_join import join_answers, questions_of, version_of
from headbench.results.fields import Fields
from headbench.results.recorded import read_rows

pytestmark = pytest.mark.real
FOLDER = "hallucination/pope_answers_llava15_7b"


@pytest.mark.parametrize(
    ("setting", "how", "answered", "expected"),
    [
        ("adversarial", "id and question", 3000, 3000),
        ("random", "order", 2712, 2910),
        ("popular", "nothing", 0, 3000),
    ],
)
def test_the_incomplete_llava_log(
    real_data: Path, setting: str, how: str, answered: int, expected: int
) -> None:
    log = read_rows(real_data / FOLDER / "llava-v1.5-7b.jsonl")
    labels = read_rows(real_data / FOLDER / "labels" / f"coco_pope_{setting}.json")
    joined = join_answers(log, questions_of(labels, Fields()), Fields())
    assert joined.how == how
    assert sum(answer is not None for answer in joined.answers) == answered
    assert len(joined.answers) == expected


@pytest.mark.parametrize("setting", ["adversarial", "random", "popular"])
def test_versions_of_pope_never_mix(real_data: Path, setting: str) -> None:
    name = f"coco_pope_{setting}.json"
    log = read_rows(real_data / FOLDER / "llava-v1.5-7b.jsonl")
    first = questions_of(read_rows(real_data / FOLDER / "labels" / name), Fields())
    second = questions_of(
        read_rows(real_data / "hallucination/pope_questions/coco" / name), Fields()
    )
    assert version_of(first) != version_of(second)
    joined = join_answers(log, second, Fields())
    assert joined.how == "nothing"
    assert "another set of questions" in joined.reason


def test_question_files_are_arrays_or_lines(real_data: Path) -> None:
    folder = real_data / "hallucination/pope_questions"
    lines = read_rows(folder / "coco/coco_pope_random.json")
    array = read_rows(folder / "aokvqa/aokvqa_pope_seem_random.json")
    assert (lines.container, array.container) == ("lines", "array")
    for recorded in (lines, array):
        questions = questions_of(recorded, Fields())
        assert (len(questions), sum(item.label for item in questions)) == (3000, 1500)
