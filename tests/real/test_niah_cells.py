"""The GPT-4 needle cells of gkamradt/LLMTest_NeedleInAHaystack: counts, means, lengths."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from headbench.families.needles.judged_cells import JUDGE, cell_records
from headbench.nouns import Record
from headbench.scoring.breakdown import by_part, effective_length, grid

pytestmark = pytest.mark.real


def cells(real_data: Path, name: str) -> tuple[Record, ...]:
    path = real_data / "niah" / "gkamradt_gpt4" / name
    return cell_records(json.loads(path.read_text(encoding="utf-8")))


def counts(records: tuple[Record, ...]) -> Counter[object]:
    return Counter(record.parts["score"] for record in records)


def test_the_first_gpt4_grid(real_data: Path) -> None:
    records = cells(real_data, "OpenAI_OriginalResults.json")
    assert counts(records) == {10: 207, 3: 13, 1: 3, 7: 1, 5: 1}
    assert f"{JUDGE.of(records):.4f}" == "9.4400"
    table = grid(JUDGE, records, "length", "depth")
    assert (len(table), {len(row) for row in table.values()}) == (15, {15})
    short = [record for record in records if record.parts["length"] <= 64_500]
    rest = [record for record in records if record.parts["length"] > 64_500]
    assert (len(short), JUDGE.of(short)) == (120, 10.0)
    assert (len(rest), f"{JUDGE.of(rest):.2f}") == (105, "8.80")
    lengths = by_part(JUDGE, records, "length")
    assert [f"{lengths[length].value:.2f}" for length in (73_571, 128_000)] == ["9.53", "7.07"]
    assert effective_length(JUDGE, records, 10.0) == max(record.parts["length"] for record in short)


def test_the_rerun_of_the_longest_lengths(real_data: Path) -> None:
    records = cells(real_data, "OpenAI_OriginalResults_2.json")
    assert counts(records) == {10: 87, 3: 9, 1: 8, 5: 1}
    assert f"{JUDGE.of(records):.4f}" == "8.6667"
