"""Measures of the vision-language model, on answers made by hand."""

from __future__ import annotations

import copy

import pytest
import torch

from headbench.edits import Edit, Plan, Scale
from headbench.models.hf.engine import Engine
from headbench.models.hf.forward_pass import HFBackend
from headbench.models.runtime import Runtime, TokenSequence
from headbench.worlds.scene_words import partner
from headbench.worlds.scenes import SceneWorld, counts
from training.vlm_v2 import scene_probe
from training.vlm_v2.language_model import build_model
from training.vlm_v2.model import build_vlm
from training.vlm_v2.scene_probe import (
    Asked,
    Gallery,
    fixed,
    gallery,
    per_sample,
    pope_questions,
    score_chair,
    score_pope,
)
from training.vlm_v2.vocabulary import vocabulary

IDS = vocabulary()


@pytest.fixture(scope="module")
def shown():
    return gallery(SceneWorld("test"), 40, least=3)


@pytest.fixture(scope="module")
def model():
    return build_vlm(build_model(0).state_dict(), 0).eval()


def test_a_gallery_holds_only_scenes_with_enough_objects(shown):
    assert len(shown.scenes) == len(shown.images) == 40
    assert min(len(scene.objects) for scene in shown.scenes) >= 3


@pytest.mark.parametrize("setting", scene_probe.SETTINGS)
def test_pope_asks_three_of_each(shown, setting):
    asked = pope_questions(shown.scenes, setting)
    assert len(asked) == 240
    for index, scene in enumerate(shown.scenes):
        mine = [one for one in asked if one.scene == index]
        assert [one.name for one in mine if one.truth] == list(scene.objects[:3])
        absent = [one.name for one in mine if not one.truth]
        assert len(set(absent)) == 3
        assert not set(absent) & set(scene.objects)


def test_popular_negatives_are_the_commonest(shown):
    single, _ = counts(shown.scenes)
    for one in pope_questions(shown.scenes, "popular"):
        if not one.truth:
            scene = shown.scenes[one.scene]
            commoner = [n for n in single if single[n] > single[one.name]]
            others = {
                o.name for o in pope_questions(shown.scenes, "popular") if o.scene == one.scene
            }
            assert all(name in scene.objects or name in others for name in commoner)


def test_adversarial_negatives_are_often_the_missing_partner(shown):
    share = {}
    for setting in ("random", "adversarial"):
        asked = pope_questions(shown.scenes, setting)
        pairs = zip(asked[::2], asked[1::2], strict=True)
        share[setting] = sum(partner(there.name) == not_there.name for there, not_there in pairs)
    assert share["adversarial"] > 2 * share["random"] + 5


def test_pope_scores_by_hand():
    asked = [
        Asked(0, "cat", True),
        Asked(0, "dog", False),
        Asked(0, "bed", True),
        Asked(0, "car", False),
    ]
    score = score_pope(asked, [True, True, None, False])
    assert (score.accuracy, score.precision, score.recall) == (0.5, 0.5, 0.5)
    assert (score.f1, score.yes_ratio, score.unparsed) == (0.5, 0.5, 0.25)


def test_chair_by_hand(shown):
    scenes = shown.scenes[:2]
    absent = next(name for name in ("cat", "dog", "bed", "car") if name not in scenes[0].objects)
    said = [
        [IDS["a"], IDS[scenes[0].objects[0]], IDS[","], IDS[absent]],
        [IDS[name] for name in scenes[1].objects],
    ]
    score = score_chair(scenes, said)
    there = sum(len(scene.objects) for scene in scenes)
    assert score.chair_i == pytest.approx(1 / (2 + len(scenes[1].objects)))
    assert score.chair_s == 0.5
    assert score.recall == pytest.approx((1 + len(scenes[1].objects)) / there)
    assert score.length == (4 + len(scenes[1].objects)) / 2


def test_captions_equal_those_of_generate(model, shown):
    few = gallery(SceneWorld("test"), 3, least=3)
    tokens = torch.tensor([scene_probe.prompt(scene_probe.CAPTION_REQUEST)] * 3)
    stock = model.generate(
        input_ids=tokens,
        attention_mask=torch.ones_like(tokens),
        pixel_values=few.images,
        do_sample=False,
        max_new_tokens=scene_probe.LONGEST,
    )[:, tokens.size(1) :]
    ours = scene_probe.captions(model, few)
    for mine, theirs in zip(ours, stock.tolist(), strict=True):
        assert mine == theirs[: len(mine)]


def test_vhr_chooses_half_of_the_heads_of_every_row(model):
    few = gallery(SceneWorld("test"), 5, least=3)
    how = per_sample(2.0, (0, 1, 2))
    scene_probe.captions(model, few, how)
    for layer in range(3):
        assert how.chosen[layer].shape == (5, 8)
        assert (how.chosen[layer].sum(1) <= 4).all()
        assert how.chosen[layer].any()


def test_the_head_map_is_zero_where_the_picture_cannot_reach(model):
    few = gallery(SceneWorld("test"), 2, least=3)
    scores = scene_probe.vhd_map(model, few)
    assert scores.shape == (3, 8)
    assert (scores >= 0).all()
    assert scores.max() > 0


@pytest.mark.parametrize("how", [None, fixed(0.3, {0: (1,), 2: (0, 3)})], ids=["base", "edited"])
def test_its_loops_say_what_the_runtime_says(model, shown, how):
    """The recipe keeps loops and hooks of its own; they are the oracle of the runtime's edits."""
    few = Gallery(shown.scenes[:3], shown.images[:3], shown.leads[:3])
    engine = Engine(copy.deepcopy(model))
    rt = Runtime(HFBackend(engine.model, 0), engine)
    heads = how.heads if how else {}
    plan = Plan((Edit("z", Scale(how.factor), dict(heads)),) if how else ())
    places = scene_probe.project_images(model, few.images).shape[1]
    image = tuple(range(1, 1 + places))

    def encoded(texts):
        rows = [
            TokenSequence(ids, len(ids), image, ({"pixel_values": pixels[None]},), plan)
            for ids, pixels in zip(texts, few.images, strict=True)
        ]
        return rt.encode(rows)

    asked = [Asked(index, "cat", True) for index in range(3)]
    questions = [scene_probe.prompt(scene_probe.question("cat"), places=places)] * 3
    ours = scene_probe.answer_logits(model, few, asked, how)
    torch.testing.assert_close(encoded(questions).logits[:, -1], ours, rtol=0, atol=1e-4)

    batch = encoded([scene_probe.prompt(scene_probe.CAPTION_REQUEST, places=places)] * 3)
    said = []
    for _ in range(8):
        said.append(batch.logits[:, -1].argmax(-1).tolist())
        rt.step(batch, said[-1])
    captions = scene_probe.captions(model, few, how)
    for row, caption in enumerate(captions):
        tokens = [step[row] for step in said]
        assert tokens[: len(caption)] == caption[: len(tokens)]
    assert any(captions)
