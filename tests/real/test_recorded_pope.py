"""POPE's figures of the released LLaVA-1.5 log."""

from __future__ import annotations

from pathlib import Path

import pytest

from headbench.families.needles.rescore_needles import rescore_niah
from headbench.families.pope.rescore_pope import rescore_pope
from headbench.families.walls.rescore_walls import rescore_walls
from headbench.results.figures import Sampling

FEW = Sampling(draws=50)
pytestmark = pytest.mark.real
FOLDER = "hallucination/pope_answers_llava15_7b"


@pytest.mark.parametrize("parser", ["pope_ref", "pope_strict", "pope_robust"])
@pytest.mark.parametrize(
    ("setting", "counts", "n", "expected"),
    [
        ("adversarial", (1187, 133, 1367, 313), 3000, 3000),
        ("random", (1104, 29, 1285, 294), 2712, 2910),
    ],
)
def test_llava_answers(
    real_data: Path, setting: str, counts: tuple[int, ...], n: int, expected: int, parser: str
) -> None:
    found = rescore_pope(
        real_data / FOLDER / "llava-v1.5-7b.jsonl",
        real_data / FOLDER / f"labels/coco_pope_{setting}.json",
        parser,
        sampling=FEW,
    )
    assert tuple(found.value(name) for name in ("tp", "fp", "tn", "fn")) == counts
    assert (found.value("n"), found.value("coverage")) == (n, n / expected)
    assert found.result.headline == ("f1" if n == expected else None)
    if setting == "adversarial":
        assert found.value("f1") == pytest.approx(0.8418, abs=5e-5)


def test_humans_on_the_walls(real_data: Path) -> None:
    found = rescore_walls(
        None, real_data / "grouping/ocw_walls/walls_seasons_1_6.json", sampling=FEW
    )
    names = ("solved_walls", "correct_groups", "connections", "n")
    assert tuple(found.value(name) for name in names) == (94, 477, 545, 172)
    assert found.value("wd") is None


@pytest.mark.parametrize(
    ("file", "n", "mean"),
    [("OpenAI_OriginalResults.json", 225, 9.44), ("OpenAI_OriginalResults_2.json", 105, 8.6667)],
)
def test_judged_needle_cells(real_data: Path, file: str, n: int, mean: float) -> None:
    found = rescore_niah(real_data / "niah/gkamradt_gpt4" / file, sampling=FEW)
    assert found.value("n") == n
    assert found.value("judge") == pytest.approx(mean, abs=5e-5)
