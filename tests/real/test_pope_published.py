"""The incomplete log of LLaVA-1.5-7B on POPE, scored with the labels of its own version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headbench.nouns import Document, Record
from headbench.scoring import lookup
from headbench.scoring.coverage import Coverage, headline

pytestmark = pytest.mark.real


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def folder(real_data: Path) -> Path:
    return real_data / "hallucination" / "pope_answers_llava15_7b"


def scored(folder: Path, setting: str, parser: str) -> tuple[list[Record], Coverage]:
    """Join answers to labels by image and question: ids restart in every label file."""
    labels = {
        (row["image"], row["text"]): row["label"]
        for row in lines(folder / "labels" / f"coco_pope_{setting}.json")
    }
    answers = {row["question_id"]: row["text"] for row in lines(folder / "llava-v1.5-7b.jsonl")}
    records, asked = [], 0
    for row in lines(folder / "llava_pope_test.jsonl"):
        if row["category"] != setting:
            continue
        asked += 1
        question = str(row["text"]).partition("\n")[0]
        label = labels[row["image"], question]
        if row["question_id"] in answers:
            document = Document(str(row["question_id"]), str(row["image"]), {}, label)
            answer = str(answers[row["question_id"]])
            reader = lookup.parser(parser)
            records.append(lookup.scorer("pope").record(document, (answer,), reader))
    assert asked == len(labels)
    return records, Coverage(len(records), asked)


def counts(records: list[Record]) -> list[float]:
    return [lookup.metric(f"pope.{name}").of(records) for name in ("tp", "fp", "tn", "fn")]


@pytest.mark.parametrize("parser", ["pope_ref", "pope_strict", "pope_robust"])
def test_adversarial_answers_are_complete_and_score_as_counted(folder: Path, parser: str) -> None:
    records, coverage = scored(folder, "adversarial", parser)
    assert coverage.complete
    assert counts(records) == [1187, 133, 1367, 313]
    assert f"{lookup.metric('pope.f1').of(records):.4f}" == "0.8418"
    assert headline(lookup.metric("pope.f1"), records, coverage.expected) is not None


def test_random_answers_are_partial_and_get_no_headline(folder: Path) -> None:
    records, coverage = scored(folder, "random", "pope_ref")
    assert (coverage.answered, coverage.expected) == (2712, 2910)
    assert counts(records) == [1104, 29, 1285, 294]
    assert headline(lookup.metric("pope.f1"), records, coverage.expected) is None


def test_popular_answers_are_absent(folder: Path) -> None:
    records, coverage = scored(folder, "popular", "pope_ref")
    assert (len(records), coverage.expected, coverage.complete) == (0, 3000, False)
