"""Training rows of the scene world say what they should, and no more."""

from __future__ import annotations

from itertools import product
from random import Random

import numpy as np
import pytest

from headbench.worlds.scene_text import CAPTION_REQUEST, caption, question
from headbench.worlds.scene_words import HOME, OBJECTS, partner
from headbench.worlds.scenes import SceneWorld
from training.vlm_v2.model import build_processor
from training.vlm_v2.scene_rows import (
    EMPTY,
    IMAGE_TOKENS,
    TRAINING,
    WITH_IMAGES,
    SceneMix,
    caption_row,
    encode,
    patch_batch,
    prompt,
    question_row,
    scene_batch,
    shrink,
)
from training.vlm_v2.vocabulary import IMAGE, UNKNOWN, vocabulary

IDS = vocabulary()
WORDS = {number: word for word, number in IDS.items()}


@pytest.fixture(scope="module")
def world():
    return SceneWorld("train")


def said(tokens):
    return " ".join(WORDS[int(token)] for token in tokens)


def test_the_processor_gives_the_same_prompt_and_pixels_as_training(world):
    scene = world.scene(5)
    given = build_processor()(
        images=world.render(scene), text=f"<image> {CAPTION_REQUEST}", return_tensors="np"
    )
    assert given["input_ids"][0].tolist() == prompt(CAPTION_REQUEST)
    assert np.allclose(given["pixel_values"][0], shrink(world.pixels(scene)), atol=1e-6)


def test_the_chat_template_gives_the_same_prompt(world):
    processor = build_processor()
    parts = [{"type": "image"}, {"type": "text", "text": CAPTION_REQUEST}]
    for content in (parts, f"<image> {CAPTION_REQUEST}"):
        chat = [{"role": "user", "content": content}]
        text = processor.apply_chat_template(chat, add_generation_prompt=True)
        read = processor(images=world.render(world.scene(1)), text=text, add_special_tokens=False)
        assert list(read["input_ids"][0]) == prompt(CAPTION_REQUEST)


def test_no_word_of_scenes_is_unknown():
    text = " ".join([caption(OBJECTS, "beach"), *(question(name) for name in OBJECTS)])
    assert IDS[UNKNOWN] not in encode(text)


def test_a_caption_is_to_be_predicted_and_its_request_is_not(world):
    scene = world.scene(2)
    tokens, targets = caption_row(scene, places=IMAGE_TOKENS)
    assert tokens[1 : 1 + IMAGE_TOKENS] == [IDS[IMAGE]] * IMAGE_TOKENS
    wanted = [target for target in targets if target != -100]
    assert said(wanted[:-1]) == said(encode(caption(scene.said, scene.place)))
    assert all(tokens[i + 1] == t for i, t in enumerate(targets[:-1]) if t != -100)


def test_answers_follow_the_annotator(world):
    for seed in range(20):
        scene = world.scene(seed)
        tokens, targets = question_row(Random(seed), scene, places=0)
        asked = [WORDS[t] for t in tokens if WORDS[t] in OBJECTS]
        answers = [WORDS[t] for t in targets if t in (IDS["yes"], IDS["no"])]
        assert len(asked) == len(set(asked)) == len(answers) >= 1
        assert answers == ["yes" if name in scene.said else "no" for name in asked]


def test_a_batch_is_a_function_of_seed_and_step(world):
    mix = SceneMix(captions=2, questions=2, captions_text_only=1, questions_text_only=1)
    once, again = scene_batch(world, mix, 0, 3), scene_batch(world, mix, 0, 3)
    other = scene_batch(world, mix, 1, 3)
    assert np.array_equal(once.tokens, again.tokens)
    assert np.array_equal(once.images, again.images)
    assert once.tokens.shape != other.tokens.shape or (once.tokens != other.tokens).any()
    with_image = (once.tokens == IDS[IMAGE]).sum(1)
    assert with_image.tolist() == [IMAGE_TOKENS] * 4 + [0] * 2
    assert len(once.images) == 4


def test_the_mix_keeps_a_tenth_of_rows_blind():
    text_only = sum(mix.captions_text_only + mix.questions_text_only for mix in WITH_IMAGES)
    assert text_only / (text_only + sum(mix.captions + mix.questions for mix in WITH_IMAGES)) >= 0.1


def test_patch_labels_name_what_was_drawn(world):
    images, labels = patch_batch(world, 4, 0, 0)
    assert images.shape == (4, 3, 64, 64)
    assert labels.shape == (4, IMAGE_TOKENS)
    assert labels.max() <= EMPTY


@pytest.mark.parametrize("patch", [8, 16])
def test_a_patch_is_named_after_what_covers_its_middle(world, patch):
    """Every object names a patch at least; a label never names what is not at that place."""
    side = 64 // patch
    drawn = Random("vlm-patches/0/0")
    _, labels = patch_batch(world, 8, 0, 0, patch)
    for found in labels.reshape(-1, side, side):
        scene = world.scene(drawn.getrandbits(40))
        expected = np.full((side, side), EMPTY)
        for item in scene.items:
            left, top, right, bottom = (edge // 2 for edge in item.box)
            for row, column in product(range(side), repeat=2):
                if left <= patch * column + patch // 2 < right and (
                    top <= patch * row + patch // 2 < bottom
                ):
                    expected[row, column] = OBJECTS.index(item.name)
        assert set(scene.objects) == {OBJECTS[label] for label in set(found.flat) - {EMPTY}}
        assert (found == expected).all()


def test_common_objects_are_seldom_asked_about_when_they_are_absent():
    world = SceneWorld("train", settings=TRAINING)
    asked = {"homeless": 0, "at home": 0}
    for seed in range(300):
        scene = world.scene(seed)
        tokens, _ = question_row(Random(seed), scene, places=0)
        for name in (WORDS[t] for t in tokens if WORDS[t] in OBJECTS):
            if name not in scene.said:
                asked["at home" if name in HOME else "homeless"] += 1
    # Five of 29 objects; drawn evenly they would be a sixth of the absent ones.
    assert 0.02 < asked["homeless"] / sum(asked.values()) < 0.1


@pytest.mark.parametrize(("share", "expected"), [(0.0, False), (1.0, True)])
def test_a_mix_says_how_often_absent_common_objects_are_asked_about(world, share, expected):
    """The chance must reach the questions: the last stage asks with one of its own."""
    mix = SceneMix(questions_text_only=60, homeless=share)
    tokens = scene_batch(world, mix, 0, 0).tokens.tolist()
    denied = {
        WORDS[row[at]]
        for row in tokens
        for at in range(len(row) - 1)
        if WORDS[row[at]] in OBJECTS
        and "no" in [WORDS[t] for t in row[at : at + 6]]
        and "yes" not in [WORDS[t] for t in row[at : row.index(IDS["no"], at)]]
    }
    assert bool(denied - set(HOME)) is expected


def test_training_annotators_name_a_missing_partner_more_often_than_not():
    world = SceneWorld("train", settings=TRAINING)
    missing, named = 0, 0
    for seed in range(600):
        scene = world.scene(seed)
        lonely = [mate for o in scene.objects if (mate := partner(o)) and mate not in scene.objects]
        missing += len(lonely)
        named += sum(mate in scene.said for mate in lonely)
    assert named / missing == pytest.approx(0.55, abs=0.06)
