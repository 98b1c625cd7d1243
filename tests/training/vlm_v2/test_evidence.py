"""Gates can fail, tables have every condition with its controls, and the page prints them."""

from __future__ import annotations

import copy

import pytest
import torch

from headbench._paths import checkpoints_root
from headbench.worlds.scene_words import HOME, partner
from training.pages.stored import SHIPPED_SEED, VLM, stored_tables
from training.vlm_v2 import evidence, second_world
from training.vlm_v2.criteria import criteria
from training.vlm_v2.evidence import conditions, matched_heads
from training.vlm_v2.model_card import model_card
from training.vlm_v2.scene_probe import Asked
from training.vlm_v2.scene_rows import SETTLED_RUNS
from training.vlm_v2.train import VlmSchedule


def pope(*accuracies, yes=0.5):
    names = ("random", "popular", "adversarial")
    return {
        name: {"accuracy": value, "yes_ratio": yes}
        for name, value in zip(names, accuracies, strict=True)
    }


def chair(value, recall=0.85):
    return {"chair_i": value, "chair_s": 0.5, "recall": recall, "mentions": 4.0}


GOOD = {
    "pope": {"base": pope(0.9, 0.8, 0.75)},
    "chair": {
        "base": chair(0.20),
        "fixed": chair(0.16, 0.82),
        "fixed-random-0": chair(0.21),
        "fixed-random-1": chair(0.19),
        "fixed-low": chair(0.22),
    },
    "chair_random_halves": {"0": chair(0.21), "1": chair(0.19)},
    "niah": {
        "by_length": {"128": 1.0, "256": 0.97, "512": 0.92, "1024": 0.5},
        "masked": {"baseline": 0.95, "top": 0.0, "random": {"a": 0.9, "b": 1.0}},
    },
}


def failed(table):
    return [criterion["name"] for criterion in criteria(table) if not criterion["holds"]]


def test_a_good_table_passes_every_criterion():
    assert failed(GOOD) == []


@pytest.mark.parametrize(
    ("path", "value", "names"),
    [
        (("pope", "base"), pope(0.8, 0.9, 0.75), "POPE accuracy"),
        (("pope", "base"), pope(0.9, 0.8, 0.69), "POPE accuracy"),
        (("pope", "base"), pope(0.9, 0.8, 0.75, yes=0.7), "POPE yes ratio"),
        (("chair", "base"), chair(0.31), "CHAIR_i of captions"),
        (("chair", "base"), chair(0.2, 0.79), "object recall"),
        (("chair", "fixed"), chair(0.19, 0.85), "fixed heads, change of CHAIR_i"),
        (("chair", "fixed"), chair(0.15, 0.79), "fixed heads, change of object recall"),
        (("chair_random_halves", "0"), chair(0.14), "random halves"),
        (("chair", "fixed-low"), chair(0.17), "low half"),
        (("niah", "by_length", "512"), 0.89, "needle recall at 512"),
        (("niah", "masked", "top"), 0.2, "without the top 2"),
        (("niah", "masked", "random", "a"), 0.86, "without random heads"),
    ],
)
def test_each_criterion_can_fail(path, value, names):
    table = copy.deepcopy(GOOD)
    place = table
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert any(names in name for name in failed(table))


def test_both_methods_have_random_and_low_controls():
    listed = conditions(torch.rand(3, 8, generator=torch.Generator().manual_seed(0)))
    assert listed["base"] is None
    assert sum(name.startswith("fixed-random") for name in listed) >= 3
    assert sum(name.startswith("vhr-2-random") for name in listed) >= 3
    assert {"fixed", "fixed-low", "vhr-2", "vhr-2-low"} <= set(listed)
    assert all(
        len(heads) == 4 for name in ("fixed", "fixed-low") for heads in listed[name].heads.values()
    )
    assert listed["vhr-2"].heads is None


def test_matched_heads_share_the_layers_and_copy_nothing():
    from random import Random

    scores = torch.zeros(3, 8)
    scores[1, 2], scores[2, 5], scores[1, 6] = 0.9, 0.8, 0.3
    top = [(1, 2), (2, 5)]
    for draw in range(10):
        drawn = matched_heads(scores, top, Random(draw))
        assert len(drawn) == 2
        assert not {(1, 2), (2, 5), (1, 6)} & set(drawn)
        assert all(layer in (1, 2) for layer, _ in drawn)


def test_the_interval_of_a_certain_change_excludes_zero():
    asked = [Asked(scene, "cat", truth=True) for scene in range(40)]
    wrong, right = [False] * 40, [True] * 40
    assert second_world.interval(asked, wrong, right) == [1.0, 1.0]
    assert second_world.interval(asked, right, right) == [0.0, 0.0]
    low, high = second_world.interval(asked, wrong[:20] + right[20:], right[:20] + wrong[20:])
    assert low < 0 < high


def test_the_counterfactual_changes_only_the_suggestion():
    with_it, without, asked = second_world._counterfactual("picture")
    for one in asked:
        before, after = with_it.scenes[one.scene], without.scenes[one.scene]
        gone = set(before.objects) - set(after.objects)
        assert gone == {partner(one.name)}
        assert one.name not in before.objects
    with_it, without, asked = second_world._counterfactual("text")
    assert torch.equal(with_it.images, without.images)
    for one in asked:
        assert HOME[one.name] == with_it.scenes[one.scene].place != without.scenes[one.scene].place
        assert with_it.leads[one.scene] != without.leads[one.scene]


def test_the_reference_strength_is_among_those_drawn():
    assert evidence.STRENGTH in evidence.STRENGTHS


def test_the_shipped_card_is_what_its_table_gives():
    card = (checkpoints_root() / VLM / "README.md").read_text()
    table = stored_tables(VLM)[SHIPPED_SEED]
    assert card == model_card(table, VlmSchedule().steady_steps, SETTLED_RUNS)
