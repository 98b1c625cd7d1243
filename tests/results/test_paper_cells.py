"""Printed cells: what was imported, what a file may hold, and when two figures compare."""

from __future__ import annotations

import copy
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headbench.errors import DataError
from headbench.results.paper_cells import (
    NOT_READ,
    NOT_STATED,
    PROTOCOL,
    PaperCell,
    PaperCells,
    load_paper_cells,
    read_paper,
)
from headbench.results.paper_comparable import comparable, difference, group, in_words

ROOT = Path(__file__).resolve().parents[2]

PROTOCOL_OF_ONE: dict[str, str | int] = {
    "n": 500,
    "image_set": "COCO val2014, seed 42",
    "prompt": "Describe the image.",
    "chat_template": "none",
    "decoding": "greedy",
    "max_new_tokens": 512,
    "parser": "not_applicable",
    "profile": "chair_ref",
    "judge": "not_applicable",
    "seeds": "mean of 5 seeds",
}


def cell(value: str = "49.68", **changes: Any) -> PaperCell:
    made = PaperCell(
        id="a/table-1/00000000",
        paper="A paper",
        slug="a",
        arxiv="2412.13949",
        table="Table 1",
        family="chair",
        task="chair",
        metric="chair_s",
        metric_printed="CHAIR_S",
        unit="percent",
        direction="lower",
        model="LLaVA-1.5-7B",
        role="baseline",
        value=value,
        grade="P",
        read_from="table",
        protocol=PROTOCOL_OF_ONE,
    )
    return replace(made, **changes)


@pytest.fixture(scope="module")
def imported() -> PaperCells:
    return load_paper_cells(ROOT / "results" / "published" / "cells")


def test_everything_was_imported(imported: PaperCells) -> None:
    assert imported.faults == ()
    assert len(imported.cells) == 3965
    assert len({one.slug for one in imported.cells}) == 44
    assert Counter(one.grade for one in imported.cells) == {"P": 2529, "C": 1436}
    families = Counter(one.family for one in imported.cells)
    assert {name: families[name] for name in ("mm_niah", "chair", "pope", "ruler")} == {
        "mm_niah": 804,
        "chair": 454,
        "pope": 323,
        "ruler": 307,
    }
    assert families["self_correction"] == 432
    assert families["passphrase_needle"] == 345
    roles = Counter(one.role for one in imported.cells)
    assert roles["baseline"] == 1918
    assert roles["human"] == 84
    papers = Counter(one.slug for one in imported.cells)
    assert papers["vhr"] == 154
    assert papers["var"] == 256
    assert len({one.id for one in imported.cells}) == 3965


def test_unknown_stays_unknown(imported: PaperCells) -> None:
    known = sum(
        not {NOT_READ, NOT_STATED} & {one.protocol[name] for name in ("n", "prompt", "decoding")}
        for one in imported.cells
    )
    assert known == 1192
    assert sum(one.protocol["n"] == NOT_READ for one in imported.cells) == 2299
    assert all(set(one.protocol) == set(PROTOCOL) for one in imported.cells)


def test_conditions_are_no_methods(imported: PaperCells) -> None:
    arms = [one.arm_printed for one in imported.cells]
    assert not [name for name in arms if name.startswith("context ") or ", iteration" in name]
    assert sum("iteration" in one.condition for one in imported.cells) == 432
    lengths = [one for one in imported.cells if one.slug in ("mm_niah", "ruler")]
    assert len(lengths) == 1099
    assert all("context_tokens" in one.condition for one in lengths)


def test_differences_to_the_own_baseline(imported: PaperCells) -> None:
    by_id = imported.by_id()
    linked = [one for one in imported.cells if one.baseline_id]
    counts = Counter(one.family for one in linked)
    assert counts["long_documents"] == 220
    assert counts["chair"] == 205
    assert counts["pope"] == 93
    assert len(linked) == 984
    for one in linked:
        base = by_id[str(one.baseline_id)]
        assert base.role == "baseline"
        assert comparable(one, base).differs == ()
    vhr = {
        one.model: difference(one, by_id[str(one.baseline_id)])
        for one in linked
        if (one.slug, one.task, one.arm_printed) == ("vhr", "pope", "VHR")
    }
    assert vhr == {"InstructBLIP-7B": "+0.16", "LLaVA-1.5-7B": "+0.49", "LLaVA-NeXT-7B": "+0.36"}
    opera = next(
        one for one in linked if (one.slug, one.arm_printed, one.task) == ("vhr", "OPERA", "chair")
    )
    assert by_id[str(opera.baseline_id)].arm_printed == "beam5"


def test_vhr_on_pope_has_no_recorded_prompt(imported: PaperCells) -> None:
    found = [
        one for one in imported.cells if (one.slug, one.task, one.arm) == ("vhr", "pope", "vhr")
    ]
    assert [one.value for one in found] == ["85.52", "85.47", "88.87"]
    assert {one.table for one in found} == {"Table 2"}
    assert {in_words(one.protocol["prompt"]) for one in found} == {"not recorded"}
    assert {one.protocol["n"] for one in found} == {9000}


def test_no_two_papers_compare(imported: PaperCells) -> None:
    assert {group(one) for one in imported.cells} == {""}
    unedited = [
        one
        for one in imported.cells
        if (one.model, one.metric, one.role) == ("LLaVA-1.5-7B", "chair_s", "baseline")
    ]
    values = [one.number for one in unedited]
    assert (min(values), max(values)) == (24.4, 54.6)
    assert len({one.slug for one in unedited}) >= 5
    for one in unedited:
        for other in unedited:
            if one.slug != other.slug:
                assert comparable(one, other).verdict != "same"


def test_contradictions_are_listed(imported: PaperCells) -> None:
    known = imported.by_id()
    kinds = Counter(one.kind for one in imported.contradictions)
    assert kinds == {
        "noted while reading": 17,
        "one key, two values": 10,
        "one figure, collected twice": 5,
        "a mean that its parts do not give": 1,
    }
    assert all(name in known for one in imported.contradictions for name in one.cells)
    # Seven keys were measured on a second machine; six others hold two token limits, and are two.
    assert sum(bool(one.repeats) for one in imported.cells) == 14
    limits = {
        one.protocol["max_new_tokens"]
        for one in imported.cells
        if (one.slug, one.role, one.metric) == ("sevi", "baseline", "chair_s")
    }
    assert limits == {64, 512}


def test_units_meet_only_where_they_are_certain(imported: PaperCells) -> None:
    accuracy = [one for one in imported.cells if one.metric == "accuracy"]
    assert {one.unit for one in accuracy} == {"fraction", "percent"}
    assert cell("0.4968", unit="fraction").quantity == (pytest.approx(49.68), "percent")
    assert {one.unit for one in imported.cells if one.metric == "length"} == {"unknown"}


def test_comparable() -> None:
    one = cell()
    assert comparable(one, cell("20.0")).verdict == "same"
    assert group(one) == group(cell("1.0", arm="vhr", role="method"))
    sampled = cell(protocol={**PROTOCOL_OF_ONE, "decoding": "sampling", "prompt": NOT_READ})
    found = comparable(one, sampled)
    assert found.verdict == "differs"
    assert found.differs == ("decoding",)
    assert found.unknown == ("prompt",)
    assert comparable(sampled, one) == found
    silent = cell(protocol={**PROTOCOL_OF_ONE, "parser": NOT_STATED})
    assert comparable(silent, silent).verdict == "unknown"  # two silences may hide two parsers
    assert group(silent) == ""
    assert comparable(one, cell(model="LLaVA-1.5-13B")).differs == ("model",)
    assert comparable(one, cell(condition={"context_tokens": "4K"})).differs == ("context_tokens",)
    assert comparable(one, cell("0.5", unit="fraction")).verdict == "same"
    assert comparable(one, cell(unit="unknown")).unknown == ("unit",)


def test_a_difference_has_the_digits_of_its_figures() -> None:
    assert difference(cell("33.32"), cell("49.68")) == "-16.36"
    assert difference(cell("85.9"), cell("84.76")) == "+1.14"
    with pytest.raises(ValueError, match="is in percent"):
        difference(cell(), cell("0.5", unit="fraction"))


def document() -> dict[str, Any]:
    shared = {
        "family": "chair", "task": "chair", "metric": "chair_s", "metric_printed": "CHAIR_S",
        "unit": "percent", "direction": "lower", "model": "LLaVA", "grade": "P",
        "read_from": "table", **PROTOCOL_OF_ONE,
    }  # fmt: skip
    return {
        "schema_version": 1,
        "paper": "A paper",
        "arxiv": "2412.13949",
        "tables": [
            {
                "table": "Table 1",
                "key": "table-1",
                "shared": shared,
                "columns": ["id", "arm_printed", "role", "value", "baseline_id"],
                "cells": [
                    ["00000001", "none", "baseline", "49.68", None],
                    ["00000002", "VHR", "method", "33.32", "00000001"],
                ],
            }
        ],
    }


def written(tmp_path: Path, changed: object) -> Path:
    path = tmp_path / "a.cells.json"
    path.write_text(json.dumps(changed), encoding="utf-8")
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    first, second = read_paper(written(tmp_path, document()))
    assert first.id == "a/table-1/00000001"
    assert second.baseline_id == first.id
    assert second.year == 2024
    assert first.condition == {}


def set_cell(row: int, column: int, value: object) -> Any:
    def change(found: dict[str, Any]) -> None:
        found["tables"][0]["cells"][row][column] = value

    return change


def set_shared(name: str, value: object) -> Any:
    def change(found: dict[str, Any]) -> None:
        found["tables"][0]["shared"][name] = value

    return change


def set_head(name: str, value: object) -> Any:
    def change(found: dict[str, Any]) -> None:
        found[name] = value

    return change


BROKEN = {
    "no number": (set_cell(0, 3, "n/a"), "no quoted, finite number"),
    "a bare number": (set_cell(0, 3, 49.68), "no value of a cell"),
    "infinite": (set_cell(0, 3, "1e999"), "no quoted, finite number"),
    "NaN": (set_cell(0, 3, "NaN"), "no quoted, finite number"),
    "impossible": (set_cell(0, 3, "149.68"), "which is impossible"),
    "one id twice": (set_cell(1, 0, "00000001"), "two cells have the id"),
    "an id that is a path": (set_cell(0, 0, "../../etc"), "not an id"),
    "no such baseline": (set_cell(1, 4, "00000009"), "which is not there"),
    "an edited baseline": (set_cell(0, 2, "method"), "which is a method"),
    "an unknown role": (set_cell(0, 2, "winner"), "role is 'winner'"),
    "too many values": (lambda found: found["tables"][0]["cells"][0].append(1), "does not fit"),
    "a text of 1 MB": (set_cell(0, 1, "x" * 1_000_000), "no value of a cell"),
    "a nested value": (set_cell(0, 1, {"__proto__": 1}), "no value of a cell"),
    "an unknown column": (set_shared("__proto__", "x"), "unknown or repeated columns"),
    "n below one": (set_shared("n", 0), "not a count of items"),
    "n in words": (set_shared("n", "many"), "not a count of items"),
    "an empty prompt": (set_shared("prompt", ""), "write not_stated, not_read or a value"),
    "no decoding": (lambda found: found["tables"][0]["shared"].pop("decoding"), "'decoding'"),
    "no tables": (set_head("tables", None), "names its paper and its tables"),
    "a table that is text": (set_head("tables", ["x"]), "a table has a name"),
    "an arXiv address": (set_head("arxiv", "https://arxiv.org/abs/2412.13949"), "not an arXiv"),
    "an arXiv version": (set_head("arxiv", "2412.13949v2"), "not an arXiv identifier"),
    "month 13": (set_head("arxiv", "2413.13949"), "not an arXiv identifier"),
    "another version": (set_head("schema_version", 2), "version 1"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_says_what_is_wrong(name: str, tmp_path: Path) -> None:
    change, words = BROKEN[name]
    found = copy.deepcopy(document())
    change(found)
    with pytest.raises(DataError, match=words):
        read_paper(written(tmp_path, found))


def test_a_broken_file_hides_no_other(tmp_path: Path) -> None:
    written(tmp_path, document())
    (tmp_path / "b.cells.json").write_text("{" * 5000, encoding="utf-8")
    (tmp_path / "c.cells.json").write_bytes(b"\xff\xfe")
    found = load_paper_cells(tmp_path)
    assert len(found.cells) == 2
    assert [path.name for path, _ in found.faults] == ["b.cells.json", "c.cells.json"]
    assert load_paper_cells(tmp_path / "absent").cells == ()
