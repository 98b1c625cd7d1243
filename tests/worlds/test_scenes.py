"""The scene world: the same everywhere, splits apart, and a prior that shifts."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from headbench.worlds.png import digest, png
from headbench.worlds.scene_text import caption, context, question
from headbench.worlds.scene_words import (
    HOME,
    OBJECTS,
    PAIRS,
    PLACES,
    SCENE_WORDS,
    article,
    partner,
)
from headbench.worlds.scenes import SceneWorld, Settings, counts

SCENES = 400


def scenes(split, **kwargs):
    world = SceneWorld(split, **kwargs)
    return [world.scene(seed) for seed in range(SCENES)]


def together(drawn):
    """Share of scenes with one of a pair that also hold the other, over scenes of its place."""
    with_one = with_both = 0
    for scene in drawn:
        for first, second in PAIRS:
            found = {first, second} & set(scene.objects)
            with_one += bool(found)
            with_both += len(found) == 2
    return with_both / with_one


def test_there_are_29_objects_in_12_pairs_and_4_places():
    assert len(OBJECTS) == len(set(OBJECTS)) == 29
    assert len(PAIRS) == 12
    assert len(PLACES) == 4
    assert all(HOME[first] == HOME[second] for first, second in PAIRS)
    assert all(partner(partner(name)) == name for pair in PAIRS for name in pair)
    assert [partner(name) for name in OBJECTS[24:]] == [None] * 5


def test_a_seed_gives_one_scene_and_one_picture():
    once, again = SceneWorld("test"), SceneWorld("test")
    assert once.scene(3) == again.scene(3)
    assert np.array_equal(once.pixels(once.scene(3)), again.pixels(again.scene(3)))
    assert once.scene(3) != once.scene(4)


def test_structure_of_a_known_seed_is_pinned():
    found = [SceneWorld(split).scene(7) for split in ("train", "calibration", "test")]
    assert [(scene.place, scene.objects) for scene in found] == PINNED


PINNED: list[tuple[str, tuple[str, ...]]] = [
    ("beach", ("boat", "anchor", "fish", "crab", "ball", "key")),
    ("beach", ("crab",)),
    ("street", ("bed", "lamp", "car", "dog", "ball", "cat")),
]


def test_splits_do_not_share_scenes():
    drawn = {split: scenes(split) for split in ("train", "calibration", "test")}
    boxes = [{scene.items for scene in found} for found in drawn.values()]
    assert all(len(found) == SCENES for found in boxes)
    assert not boxes[0] & boxes[1] | boxes[0] & boxes[2] | boxes[1] & boxes[2]


def test_partners_are_commoner_in_training():
    assert together(scenes("train")) > 0.8
    assert 0.4 < together(scenes("test")) < 0.65
    assert 0.4 < together(scenes("calibration")) < 0.65


def test_only_training_captions_are_wrong():
    assert all(scene.said == scene.objects for scene in scenes("test"))
    drawn = scenes("train")
    invented = sum(len(set(scene.said) - set(scene.objects)) for scene in drawn)
    chances = sum(
        mate not in scene.objects
        for scene in drawn
        for name in scene.objects
        if (mate := partner(name))
    )
    dropped = sum(len(set(scene.objects) - set(scene.said)) for scene in drawn)
    there = sum(len(scene.objects) for scene in drawn)
    assert invented / chances == pytest.approx(0.45, abs=0.1)
    assert dropped / there == pytest.approx(0.05, abs=0.02)


def test_items_keep_to_their_own_cells():
    for scene in scenes("test"):
        assert len({item.cell for item in scene.items}) == len(scene.items)
        for item in scene.items:
            left, top, right, bottom = item.box
            assert item.cell == (top // 32) * 4 + left // 32
            assert right <= (left // 32 + 1) * 32
            assert bottom <= (top // 32 + 1) * 32


def test_every_object_changes_the_picture():
    quiet = SceneWorld("test", settings=Settings(noise=0))
    scene = next(s for s in map(quiet.scene, range(50)) if len(s.objects) >= 3)
    whole = quiet.pixels(scene)
    for item in scene.items:
        without = replace(scene, items=tuple(i for i in scene.items if i is not item))
        left, top, right, bottom = item.box
        changed = (quiet.pixels(without) != whole).any(-1)
        assert changed[top:bottom, left:right].any()
        changed[top:bottom, left:right] = False
        assert not changed.any()


def test_noise_has_the_stated_spread():
    world = SceneWorld("test")
    scene = world.scene(1)
    quiet = world.pixels(replace(scene, noise=0.0)).astype(int)
    noisy = world.pixels(scene).astype(int)
    inside = (quiet > 90) & (quiet < 170)
    spread = (noisy - quiet)[inside].std()
    assert spread == pytest.approx(Settings().noise, rel=0.1)


def test_png_is_lossless_and_its_bytes_follow_the_pixels():
    world = SceneWorld("test")
    picture = world.render(world.scene(0))
    stored = png(picture)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(stored))), np.asarray(picture))
    assert digest(picture) == hashlib.sha256(stored).hexdigest()
    assert digest(picture) != digest(world.render(world.scene(1)))
    dot = Image.new("RGB", (1, 1), (1, 2, 3))
    assert digest(dot) == DOT


DOT = "fb9f1e711df3c2c9528ca501179caa1fae6e0d6ecfc81224d76a157a607fae5a"


def test_every_word_that_is_said_is_in_the_vocabulary():
    said = " ".join(
        [
            caption(OBJECTS, "kitchen"),
            caption((), "beach"),
            *(question(name) for name in OBJECTS),
            *(context(place) for place in PLACES),
            "yes no describe the image",
        ]
    )
    for sign in ".,?:":
        said = said.replace(sign, f" {sign} ")
    assert set(said.lower().split()) <= set(SCENE_WORDS)


def test_captions_name_objects_in_the_fixed_order():
    expected = "The image shows a kitchen: a knife, an apple, a key."
    assert caption(["key", "apple", "knife"], "kitchen") == expected
    assert question("umbrella") == "Is there an umbrella in the image?"
    assert article("cup") == "a"


def test_counts_are_of_scenes():
    drawn = scenes("test")[:50]
    single, double = counts(drawn)
    assert single["cat"] == sum("cat" in scene.objects for scene in drawn)
    both = sum({"bed", "lamp"} <= set(scene.objects) for scene in drawn)
    assert double["bed", "lamp"] == both
    assert double["lamp", "bed"] == 0


def test_in_the_text_world_only_words_tell_the_place():
    drawn = scenes("train", prior="text")
    agree = sum(scene.place == scene.backdrop for scene in drawn) / SCENES
    assert agree == pytest.approx(0.25, abs=0.08)
    at_home = np.mean([HOME.get(n) == s.place for s in drawn for n in s.objects])
    elsewhere = np.mean(
        [HOME.get(n) == s.place for s in scenes("test", prior="text") for n in s.objects]
    )
    assert at_home > elsewhere + 0.2
