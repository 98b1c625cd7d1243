"""The page of effects says what its stored figures say, and the figures can be measured again."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from headbench.interventions.grammar import canonical, parse
from headbench.interventions.resolve import sweep
from headbench.reference.shipped import LATEST
from training.pages.effects.__main__ import FIGURES, PAGE, STORED, TOLERANCE, read
from training.pages.effects.cells import PARTS, Part, run
from training.pages.effects.page import page
from training.pages.effects.rows import differences, rows, short
from training.pages.effects.sentences import Effect


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    return read(STORED)


def test_the_page_is_what_the_stored_figures_give(table: dict[str, Any]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(table) == text
    for name in ("masking", "rotary", "captions", "redistribution"):
        assert f"(figures/effects-{name}.svg)" in text
        assert (FIGURES / f"effects-{name}.svg").is_file()


def test_the_figures_are_of_the_models_that_tasks_take_now(table: dict[str, Any]) -> None:
    assert set(table["models"].values()) == {LATEST["ref-lm"], LATEST["ref-vlm"]}


def test_every_condition_that_is_asked_for_is_stored(table: dict[str, Any]) -> None:
    asked = {
        (
            part.section,
            task,
            short(canonical(intervention).replace("VECTORS", "'there.safetensors'")),
        )
        for part in PARTS
        for task in part.tasks
        for text in part.interventions
        for intervention in sweep(parse(text))
    }
    assert asked == {(row["section"], row["task"], row["arm"]) for row in table["rows"]}


def test_sentences_follow_the_figures(table: dict[str, Any]) -> None:
    other = copy.deepcopy(table)
    for row in other["rows"]:
        main = row["metrics"].get("recall") if row["task"] == "niah" else None
        if main:
            main |= {"value": main["base"], "difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
        if row["arm"] == "gift(alpha=5)" and row["task"] == "pope":
            row["metrics"]["accuracy"] |= {
                **{"difference": 0.05, "low": 0.03, "high": 0.07, "p": 1e-6},
                "less_controls": {"difference": 0.05, "low": 0.02, "high": 0.08},
            }
    text = " ".join(page(other).split())
    assert "beyond the mean of the controls: `zero` never, `uniform` never" in text
    assert "takes half of the recall: `lowest` never" in text
    assert "shows a gain (better, beyond the mean of the controls: `gift(alpha=5)`" in text
    before = " ".join(page(table).split())
    assert "`zero` never" not in before
    assert "`lowest` never" not in before


@pytest.mark.parametrize(
    ("rank", "less", "verdict"),
    [
        # The lowest of 40, with p .05: beyond controls. The lowest of 4 is not: p .5.
        ((1, 40, "low", 0.05), (-0.05, -0.07, -0.03), "better, beyond controls"),
        ((1, 4, "low", 0.5), (-0.05, -0.07, -0.03), "better, beyond their mean"),
        ((1, 4, "low", 0.5), (-0.05, -0.12, 0.02), "better, as its controls"),
        # Better than the baseline, and less so than every control.
        ((1, 40, "high", 0.05), (0.02, 0.01, 0.03), "better, as its controls"),
        ((4, 40, "low", 0.2), (-0.01, -0.03, 0.01), "better, as its controls"),
        ((1, 40, "low", None), (-0.05, -0.07, -0.03), "better, beyond their mean"),  # a contrast
    ],
)
def test_beyond_controls_takes_an_attainable_p(
    rank: tuple[int, int, str, float | None], less: tuple[float, float, float], verdict: str
) -> None:
    main = {
        **{"base": 0.2, "value": 0.15, "difference": -0.05, "low": -0.07, "high": -0.03},
        **{"p": 1e-6, "higher_is_better": False},
        "rank": dict(zip(("rank", "of", "end", "p"), rank, strict=True)),
        "less_controls": dict(zip(("difference", "low", "high"), less, strict=True)),
    }
    controls = [{"chair_i": 0.2}] * (rank[1] - 1)
    row = {"task": "chair", "status": "ok", "metrics": {"chair_i": main}, "controls": controls}
    assert Effect(row, 1e-6).verdict == verdict


def test_the_page_says_how_often_chance_alone_gives_a_rank(table: dict[str, Any]) -> None:
    text = " ".join(page(table).split())
    assert "67 % of the time with two, 50 % with three and 5 % with 39" in text
    for row in table["rows"]:
        for figures in row["metrics"].values():
            if figures["rank"] and figures["rank"]["p"] is not None:
                assert figures["rank"]["p"] == pytest.approx(
                    min(1.0, 2 * figures["rank"]["rank"] / figures["rank"]["of"]), abs=1e-4
                )


def test_a_changed_figure_and_a_lost_condition_are_found(table: dict[str, Any]) -> None:
    assert differences(table["rows"], table["rows"], TOLERANCE) == []
    other = copy.deepcopy(table["rows"])
    del other[3]
    other[0]["metrics"]["recall"]["value"] += 2 * TOLERANCE
    found = differences(table["rows"], other, TOLERANCE)
    assert len(found) == 2
    assert any("stored, not measured" in line for line in found)
    assert any("recall value" in line for line in found)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(
            Part("masking", ("niah",), ("mask_heads(map=retrieval,top=2,mode=zero)",)),
            marks=pytest.mark.slow,
        ),
        Part(
            "redistribution",
            ("chair",),
            ("pai(alpha=0.2)", "scale_values(map=vhd,fraction=0.5,alpha=1.5)"),
        ),
    ],
    ids=lambda part: part.section,
)
def test_cells_measured_again_give_the_stored_figures(
    table: dict[str, Any], part: Part, tmp_path: Path
) -> None:
    now = rows(part.section, run(part, tmp_path, tmp_path))
    names = {row["arm"] for row in now}
    stored = [
        row
        for row in table["rows"]
        if (row["section"], row["task"]) == (part.section, part.tasks[0]) and row["arm"] in names
    ]
    assert len(stored) == len(now) >= 1
    assert differences(stored, now, TOLERANCE) == []
