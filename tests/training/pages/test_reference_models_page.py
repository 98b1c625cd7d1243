"""The page of the reference models says what the stored tables say, and names what fails."""

from __future__ import annotations

import copy
import json
import re

import pytest

from training.pages.reference_models.page import SECOND_WORLD, SETTINGS, _above_the_line, page
from training.pages.stored import DOCS, LM, SHIPPED_SEED, VLM, stored_tables
from training.vlm_v2.criteria import criteria

PAGE = DOCS / "reference-models.md"


@pytest.fixture(scope="module")
def stored():
    return {name: stored_tables(name) for name in (LM, VLM)}


def shipped(stored):
    return {name: stored[name][SHIPPED_SEED] for name in (LM, VLM)}


def test_the_page_was_written_from_figures_that_the_shipped_seeds_training_run_gave_too(stored):
    """Measured anew and stored may differ by the last printed digit of one machine or another."""
    figure = re.compile(r"-?\d+\.\d+")
    written, again = PAGE.read_text(), page(shipped(stored), stored)
    assert figure.sub("#", written) == figure.sub("#", again)
    for one, other in zip(figure.findall(written), figure.findall(again), strict=True):
        assert float(one) == pytest.approx(float(other), abs=0.012)


def test_every_criterion_of_the_shipped_seed_holds_in_the_stored_table(stored):
    table = stored[VLM][SHIPPED_SEED]
    assert all(criterion["holds"] for criterion in table["gates"])
    assert table["gates"] == criteria(table)
    assert len(stored[VLM]) == len(stored[LM]) == 3


def test_a_criterion_that_fails_is_named_with_its_figure(stored):
    now = copy.deepcopy(shipped(stored))
    now[VLM]["chair"]["fixed"]["chair_i"] = now[VLM]["chair"]["base"]["chair_i"] - 0.01
    now[VLM]["gates"] = criteria(now[VLM])
    text = page(now, stored)
    assert f"- `{VLM}` seed 0: fixed heads, change of CHAIR_i is -0.010 (at most -.03)." in text
    assert "**-0.010 (fails)**" in text


def test_the_page_says_how_many_random_halves_do_what_the_fixed_heads_do(stored):
    now = copy.deepcopy(shipped(stored))
    now[VLM]["chair"]["fixed"]["chair_i"] = 0.0
    assert "None of them lowers it as much as `fixed`." in page(now, stored)


def test_halves_are_compared_with_fixed_heads_of_the_same_recall(stored):
    table = copy.deepcopy(stored[VLM][SHIPPED_SEED])
    line = {"1": (0.9, 0.2), "2": (0.7, 0.1)}
    table["chair_by_strength"] = {at: dict(zip(("recall", "chair_i"), pair, strict=True))
                                  for at, pair in line.items()}  # fmt: skip
    halves = [(0.8, 0.151), (0.8, 0.149), (0.95, 0.21), (0.95, 0.19)]
    table["chair_random_halves"] = {
        str(draw): {"recall": recall, "chair_i": invented}
        for draw, (recall, invented) in enumerate(halves)
    }
    assert _above_the_line(table) == 2


def test_the_verdict_on_the_two_worlds_is_what_their_tables_show():
    worlds = json.loads(SECOND_WORLD.read_text())["worlds"]
    gain = {
        (name, condition): {
            setting: score["accuracy"] - world["pope"]["base"][setting]["accuracy"]
            for setting, score in scores.items()
        }
        for name, world in worlds.items()
        for condition, scores in world["pope"].items()
    }
    assert all(
        change < 0.0075
        for (name, _), changes in gain.items()
        if name == "picture"
        for change in changes.values()
    )
    assert worlds["text"]["pope"]["fixed"]["hinted"]["change_95"][0] > 0.1
    assert all(0.03 < gain["text", "fixed"][kind] < 0.061 for kind in SETTINGS)
    drawn = [gain["text", f"fixed-random-{draw}"]["hinted"] for draw in range(5)]
    assert gain["text", "fixed-low"]["hinted"] < min(drawn) and max(drawn) < 0.1
    drawn = [gain["text", f"vhr-2-random-{draw}"]["hinted"] for draw in range(3)]
    assert max(map(abs, drawn)) < 0.005 < 0.06 < gain["text", "vhr-2"]["hinted"]
