"""The three label sets read through one loader; no text of theirs is printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from headbench.results.fields import Fields
from headbench.results.recorded import read_rows
from headbench.scoring.binary_labels import as_flag

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("file", "positive", "label", "rows", "positives"),
    [
        ("foxnews2017/fox_news_comments.jsonl", "hateful", "label", 1528, 435),
        ("hatecheck2021/test_suite_cases.csv", "hateful", "label_gold", 3728, 2563),
        ("wikipedia_toxicity/toxicity_nonfuzzed_testset.csv", "toxic", "toxic", 1492, 248),
    ],
)
def test_labels_of_the_sets(
    real_data: Path, file: str, positive: str, label: str, rows: int, positives: int
) -> None:
    recorded = read_rows(real_data / "stickiness" / file)
    fields = Fields({"label": label})
    assert len(recorded.rows) == rows
    flags = [as_flag(fields.find(row, "label"), positive) for row in recorded.rows]
    assert sum(flags) == positives
    assert all(bool(Fields().text(row, "text")) for row in recorded.rows)
