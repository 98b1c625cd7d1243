"""Documents whose outputs differ: which, what is marked, what is withheld; and dose curves."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from headbench.leaderboard.cells import ShownCell, ShownRow, common_reach, rows
from headbench.leaderboard.intervention_pages import sweeps
from headbench.leaderboard.item_pages import (
    COLUMNS,
    OTHER_DATA,
    _shortened,
    _shown,
    item_parts,
    withheld,
)
from headbench.leaderboard.page import Asset, Page, Part, Shard
from headbench.leaderboard.sources import Sources, read_sources
from headbench.tasks.loader import load

GOLDEN = Path(__file__).parents[2] / "results" / "measured" / "golden" / "ref-vlm-v2"


@pytest.fixture(scope="module")
def sources() -> Sources:
    return read_sources([GOLDEN])


@pytest.fixture(scope="module")
def parts(sources: Sources) -> list[Part]:
    return list(item_parts(sources))


def cell_of(sources: Sources, task: str, condition: str) -> tuple[ShownRow, ShownCell]:
    (row,) = [one for one in rows(sources) if one.result.task.name == task]
    return row, row.cells[condition]


def test_documents_are_those_whose_outputs_differ(sources: Sources, parts: list[Part]) -> None:
    row, cell = cell_of(sources, "chair", "vhr(alpha=2)")
    files = {one.result.id: one for one in sources.cells}
    before = {record.document: record for record in files[row.result.id].records}
    after = {record.document: record for record in files[cell.result.id].records}
    differ = [name for name, record in after.items() if record.outputs != before[name].outputs]
    shard = next(
        part
        for part in parts
        if isinstance(part, Shard) and part.name.startswith(f"i-{cell.result.id[:12]}")
    )
    assert [line[0] for line in shard.rows] == differ
    assert cell.comparison is not None
    assert len(differ) / len(after) == pytest.approx(cell.comparison.changed_share)
    found = dict(zip(COLUMNS, shard.rows[0], strict=True))
    assert found["edited"] == list(after[differ[0]].outputs)
    wrong = after[differ[0]].parts["hallucinated"]
    assert isinstance(wrong, list | tuple)
    assert [mark[0] for mark in found["edited_marks"]] == list(dict.fromkeys(wrong))  # type: ignore[index, union-attr]
    pictures = {part.path for part in parts if isinstance(part, Asset)}
    assert {line[7] for line in shard.rows if line[7]} <= pictures


def test_every_shard_of_a_page_is_made(parts: list[Part]) -> None:
    made = {part.name for part in parts if isinstance(part, Shard)}
    pages = [part for part in parts if isinstance(part, Page) and part.template == "items.html"]
    assert pages
    for page in pages:
        for _, found in page.context["listed"]:  # type: ignore[attr-defined]
            assert {one.shard for one in found} <= made


def test_texts_are_withheld_where_the_licence_says_nothing() -> None:
    task = load("chair")
    assert withheld(task) == ""
    closed = task.config.metadata.model_copy(update={"licence": "ask the authors"})
    other = replace(task, config=task.config.model_copy(update={"metadata": closed}))
    assert "ask the authors" in withheld(other)
    assert "not part of this version" in withheld(None)


def test_prompts_of_other_data_are_not_shown(sources: Sources) -> None:
    """Ids of documents may be the same where the documents are not."""
    row, _ = cell_of(sources, "chair", "vhr(alpha=2)")
    task = sources.task(row.result)
    assert _shown(task, row).prompts
    facts = row.result.task.model_copy(update={"data_hash": "0" * 64})
    base = replace(row.baseline, result=row.result.model_copy(update={"task": facts}))
    other = _shown(task, replace(row, baseline=base))
    assert (other.texts, other.prompts, other.reason) == (False, {}, OTHER_DATA)


def test_doses_are_joined_where_all_else_is_equal(sources: Sources) -> None:
    row, cell = cell_of(sources, "chair", "vhr(alpha=2)")

    def named(condition: str) -> tuple[ShownRow, ShownCell]:
        arm = cell.result.arm.model_copy(update={"name": condition})
        return row, replace(cell, result=cell.result.model_copy(update={"arm": arm}))

    found = sweeps(
        [named(one) for one in ("a(x=2,y=1)", "a(x=1,y=1)", "a(x=1,y=3)", "a(x=9,m=b)", "a+b")]
    )
    told = [(one.parameter, one.fixed, [dose for dose, _ in one.cells]) for one in found]
    assert told == [("x", "y=1", [1.0, 2.0]), ("y", "x=1", [1.0, 3.0])]


@pytest.mark.parametrize("at", [0, 995, 1_005, 4_000, 12_995])
def test_a_long_prompt_says_what_is_left_out_and_keeps_its_needle(at: int) -> None:
    text = "a" * at + "bottle goblet dagger" + "b" * (13_000 - at)
    shown = _shortened(text, "bottle goblet dagger")
    assert "bottle goblet dagger" in shown
    cuts = re.findall(r" \[\.\.\. ([\d,]+) characters left out \.\.\.\] ", shown)
    kept = re.sub(r" \[\.\.\. [\d,]+ characters left out \.\.\.\] ", "", shown)
    assert sum(int(cut.replace(",", "")) for cut in cuts) + len(kept) == len(text)
    assert len(kept) < 3_100
    assert _shortened(kept[:50]) == kept[:50]


def test_the_axis_of_a_dose_curve_holds_intervals_that_are_not_far_wider(sources: Sources) -> None:
    row, cell = cell_of(sources, "chair", "vhr(alpha=2)")
    assert cell.comparison is not None

    def dosed(dose: int, low: float, high: float) -> tuple[ShownRow, ShownCell]:
        arm = cell.result.arm.model_copy(update={"name": f"a(x={dose})"})
        line = cell.comparison.main
        paired = replace(line.paired, difference=0.1 * dose, low=low, high=high, detectable=0.2)
        lines = tuple(
            replace(one, paired=paired) if one.main else one for one in cell.comparison.lines
        )
        return row, replace(
            cell,
            result=cell.result.model_copy(update={"arm": arm}),
            comparison=replace(cell.comparison, lines=lines),
            controls=(),
        )

    (found,) = sweeps([dosed(1, 0.05, 0.15), dosed(2, -9.0, 0.35)])
    low, high = found.ends
    assert -0.2 < low < 0  # the interval from -9 ends at the edge
    assert 0.35 < high < 0.5
    assert found.band == [(1.0, 0.2), (2.0, 0.2)]


def test_a_task_with_arguments_is_known_and_reads_no_file_that_they_name(
    sources: Sources, tmp_path: Path
) -> None:
    row, _ = cell_of(sources, "chair", "vhr(alpha=2)")

    def asked(name: str, args: dict[str, str], **loaded: str) -> ShownRow:
        task = row.result.task.model_copy(
            update={"name": name, "prompt_hash": load(name, args=loaded).prompt_hash}
        )
        run = row.result.run.model_copy(update={"spec": {"task_args": args}})
        result = row.result.model_copy(update={"task": task, "run": run})
        return replace(row, baseline=replace(row.baseline, result=result))

    known = asked("mknn_heads", {"layers": "1,2"}, layers="1,2")
    assert sources.task(known.result) is not None
    assert sources.task(asked("mknn_heads", {}, layers="1,2").result) is None
    table = tmp_path / "secret.csv"
    table.write_text("subject,stimulus\n")
    named = asked("norms_table", {"table": str(table)}, table=str(table))
    task = sources.task(named.result)
    assert task is not None
    opened = task.config.metadata.model_copy(update={"licence": "MIT"})
    open_task = replace(task, config=task.config.model_copy(update={"metadata": opened}))
    assert _shown(open_task, named).reason == OTHER_DATA
    broken = row.result.run.model_copy(update={"spec": {"task_args": ["layers"]}})
    assert sources.task(row.result.model_copy(update={"run": broken})) is not None


def test_one_wide_interval_does_not_shrink_the_other_bars(sources: Sources) -> None:
    _, cell = cell_of(sources, "chair", "vhr(alpha=2)")
    assert cell.comparison is not None
    comparison = cell.comparison

    def moved(difference: float, low: float, high: float) -> ShownCell:
        assert comparison.main.paired is not None
        paired = replace(comparison.main.paired, difference=difference, low=low, high=high)
        lines = tuple(replace(one, paired=paired) if one.main else one for one in comparison.lines)
        return replace(cell, comparison=replace(comparison, lines=lines))

    narrow, wide = moved(0.04, 0.03, 0.05), moved(0.02, -0.9, 0.9)
    assert common_reach([narrow, narrow, wide]) == 0.05
    assert common_reach([wide]) == 1.0  # its interval is the median one
    assert common_reach([]) == 1.0
