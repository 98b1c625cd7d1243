"""From lines of a collection to cells: what is moved, what is linked, and what is listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headbench.results.paper_cells import PaperCell, read_paper
from headbench.results.paper_comparable import comparable
from training.published_cells import names
from training.published_cells.__main__ import cells_of, documents, main, read_lines
from training.published_cells.links import contradictions

LINE: dict[str, Any] = {
    "paper": "VISTA",
    "arxiv": "2502.03628",
    "table": "Table 1",
    "model": "LLaVA-1.5-7B",
    "task": "chair",
    "metric": "CHAIR_S",
    "method": "none",
    "value": 46.4,
    "n": None,
    "prompt": None,
    "decoding": "greedy",
    "note": "table copied from the arXiv HTML with its caption; max 512 new tokens",
    "source": "P",
}


def imported(folder: Path, *changes: dict[str, Any]) -> list[PaperCell]:
    text = "".join(f"{json.dumps({**LINE, **change})}\n" for change in changes)
    (folder / "some.jsonl").write_text(text, encoding="utf-8")
    return cells_of(read_lines(folder))


def test_null_is_not_read_and_notes_become_fields(tmp_path: Path) -> None:
    (cell,) = imported(tmp_path, {})
    assert cell.protocol["n"] == cell.protocol["prompt"] == "not_read"
    assert cell.protocol["max_new_tokens"] == 512
    assert cell.protocol["parser"] == "not_applicable"  # captions are not parsed
    assert (cell.note, cell.read_from) == ("", "table")
    assert (cell.metric, cell.unit, cell.direction) == ("chair_s", "percent", "lower")
    assert cell.value == "46.4"


def test_digits_are_kept(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(LINE).replace("46.4", "46.40"), encoding="utf-8")
    assert cells_of(read_lines(tmp_path))[0].value == "46.40"


def test_a_context_and_an_iteration_are_no_methods(tmp_path: Path) -> None:
    context, mean, turn = imported(
        tmp_path,
        {"task": "mm_niah_overall", "metric": "accuracy (x100)", "method": "context 4K"},
        {"task": "ruler_13_tasks_average", "metric": "accuracy (x100)",
         "method": "mean over lengths"},
        {"metric": "accuracy", "method": "cot, iteration 3", "value": 0.5},
    )  # fmt: skip
    assert context.condition == {"context_tokens": "4K"}
    assert (context.arm_printed, context.role) == ("", "baseline")
    assert mean.condition == {"context_tokens": "mean over lengths"}
    assert turn.condition == {"iteration": 3}
    assert (turn.arm_printed, turn.role) == ("cot", "method")


def test_spread_and_seeds(tmp_path: Path) -> None:
    seeds, runs, error = imported(
        tmp_path,
        {"note": "mean of 5 seeds; sd 2.24"},
        {"method": "VCD", "note": "read in an image of the paper's table; mean of 5 runs, sd 0.35"},
        {"method": "PAI", "note": "stderr 0.0281"},
    )
    assert seeds.spread is not None
    assert (seeds.spread.kind, seeds.spread.value, seeds.spread.k) == ("sd", "2.24", 5)
    assert seeds.protocol["seeds"] == "mean of 5 seeds"
    assert runs.spread is not None
    assert (runs.spread.over, runs.read_from, runs.note) == ("runs", "image", "")
    assert error.spread is not None
    assert (error.spread.kind, error.spread.over) == ("se", "items")


def test_units_are_read_off_the_largest_figure_of_a_paper(tmp_path: Path) -> None:
    metric = {"task": "pope_coco_random", "metric": "accuracy"}
    small, large = imported(tmp_path, metric | {"value": 0.9}, metric | {"value": 83.2})
    assert small.unit == large.unit == "percent"
    (alone,) = imported(tmp_path, metric | {"value": 0.9})
    assert alone.unit == "fraction"
    assert alone.setting == "random"


def test_a_baseline_has_no_other_protocol(tmp_path: Path) -> None:
    greedy, beam, method, other, lone = imported(
        tmp_path,
        {},
        {"decoding": "beam", "value": 48.8},
        {"method": "VISTA", "value": 20.4},
        {"method": "VISTA", "value": 17.4, "decoding": "beam"},
        {"method": "VISTA", "value": 30.0, "decoding": "nucleus"},
    )
    assert method.baseline_id == greedy.id
    assert other.baseline_id == beam.id
    assert lone.baseline_id is None
    assert comparable(lone, greedy).differs == ("decoding",)


def test_one_baseline_of_another_decoding_is_none(tmp_path: Path) -> None:
    _, method = imported(tmp_path, {}, {"method": "VISTA", "value": 20.4, "decoding": "beam"})
    assert method.baseline_id is None


def test_two_possible_baselines_are_none(tmp_path: Path) -> None:
    greedy, beam, method = imported(
        tmp_path,
        {"method": "greedy"},
        {"method": "beam5", "value": 48.8, "decoding": None},
        {"method": "VISTA", "value": 20.4, "decoding": None},
    )
    assert method.baseline_id is None
    assert greedy.protocol["decoding"] == "greedy"
    assert beam.protocol["decoding"] == "beam search, 5 beams"  # the row's name says it


def test_two_values_are_listed_and_rounding_is_not(tmp_path: Path) -> None:
    cells = imported(
        tmp_path,
        {"method": "VISTA", "value": 20.4},
        {"method": "VISTA", "value": 21.9, "note": "second machine; max 512 new tokens"},
        {"method": "PAI", "value": 24.84, "table": "Table 1"},
        {"method": "PAI", "value": 24.8, "table": "Table 2"},
        {"method": "PAI", "value": 29.9, "table": "Table 3", "note": "max 64 new tokens"},
    )
    assert cells[0].repeats == (cells[1].id,)
    (found,) = contradictions(cells)
    assert found.kind == "one key, two values"
    assert set(found.cells) == {cells[0].id, cells[1].id}
    assert "20.4 and 21.9" in found.says


def test_files_read_back_as_they_were(tmp_path: Path) -> None:
    cells = imported(tmp_path, {}, {"method": "VISTA", "value": 20.4}, {"table": "text", "n": 5})
    out = tmp_path / "cells"
    main(tmp_path, out)
    files = {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()}
    assert files == documents(cells, [])
    assert list(read_paper(out / "vista.cells.json")) == cells
    main(tmp_path, out)  # the same collection gives the same bytes
    assert files == {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()}


def test_only_certain_spellings_meet() -> None:
    assert names.model("meta-llama/Meta-Llama-3.1-8B") == names.model("LLaMA-3.1-8B")
    assert names.model("llama-2-7b-80k") == names.model("Llama-2-7B-80K")
    assert names.model("InstructBLIP") != names.model("InstructBLIP-7B")
    assert names.model("GradientAI/Llama3 70B") == "GradientAI/Llama3 70B"
    assert names.model(None) == "no model named"
    with pytest.raises(ValueError, match="no canonical name for the metric 'vibes'"):
        names.metric("vibes", "chair")


def test_points_of_a_judge_are_no_accuracy() -> None:
    assert names.metric("accuracy", "llava_bench_wild")[:2] == ("judge_accuracy", "score")
    assert names.metric("mean retrieval score of head 14-12", "x")[3] == "14-12"
