"""The neutral text is true, is the same under every condition, and its change is paired."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from headbench.errors import DataError
from headbench.interventions.resolve import resolve
from headbench.jobs import Condition, Job
from headbench.models.adapter_catalogue import create
from headbench.nouns import Answer
from headbench.results.schema import NeutralLoss
from headbench.running import neutral
from headbench.statistics import LossChange, loss_change
from headbench.tasks.loader import load
from headbench.worlds.png import png
from headbench.worlds.scene_text import caption
from headbench.worlds.scenes import SceneWorld


def test_every_caption_stands_under_the_scene_it_describes() -> None:
    text = neutral.captions()
    assert len(text.requests) == len(text.pictures) == neutral.PASSAGES == 60
    world = SceneWorld("test")
    truth = {}
    for seed in range(neutral.FIRST_SCENE, neutral.FIRST_SCENE + 60):
        scene = world.scene(seed)
        sha256 = hashlib.sha256(png(world.render(scene))).hexdigest()
        truth[sha256] = caption(scene.objects, scene.backdrop)
    for request in text.requests:
        (sha256,) = request.images
        assert request.ask["continuations"] == (f" {truth[sha256]}",)
        assert hashlib.sha256(text.pictures[sha256]()).hexdigest() == sha256
        ((message, start, end),) = request.spans["question"]
        assert request.messages[message]["content"][start:end] == "Describe the image."


@pytest.mark.parametrize("name", ["chair", "pope"])
def test_no_packaged_task_uses_those_scenes(name: str) -> None:
    shown = {sha for document in load(name).documents() for sha in document.images.values()}
    assert not shown & neutral.captions().pictures.keys()


def test_prose_has_no_image_and_sixty_distinct_passages() -> None:
    text = neutral.prose()
    assert all(not request.images for request in text.requests)
    assert len({request.ask["continuations"] for request in text.requests}) == 60
    assert (
        len({request.document for request in (*text.requests, *neutral.captions().requests)}) == 120
    )


def test_a_loss_is_per_token_and_its_change_is_over_the_same_passages() -> None:
    answers = [Answer(None, logprobs=(-1.0, -2.0)), Answer(None, logprobs=(-3.0,))]
    base = neutral.measured("prose", answers)
    assert base is not None and (base.loss, base.losses, base.tokens) == (2.0, (3.0, 3.0), (2, 1))
    assert neutral.measured("prose", [Answer(None)]) is None
    half = NeutralLoss(text="prose", loss=2.5, losses=(5.0,), tokens=(2,))
    moved = neutral.against(base, half, 0.95)  # a control: the first passage only
    assert moved.change == pytest.approx(1.0) and moved.low is None
    assert neutral.against(None, half, 0.95) == half


def test_the_interval_of_a_change_is_the_jackknifes() -> None:
    first, second, tokens = (4.0, 8.0, 6.0), (5.0, 8.0, 8.0), (2, 4, 2)
    found = loss_change(first, second, tokens)
    assert found is not None and found.change == pytest.approx(3 / 8)
    left = [2 / 6, 3 / 4, 1 / 6]  # without the first, the second, the third
    mean = sum(left) / 3
    spread = 4.302653 * (2 / 3 * sum((value - mean) ** 2 for value in left)) ** 0.5
    assert (found.low, found.high) == (
        pytest.approx(3 / 8 - spread, rel=1e-5),
        pytest.approx(3 / 8 + spread, rel=1e-5),
    )
    same = loss_change(first, first, tokens)
    assert same is not None and (same.change, same.low) == (0.0, None)
    assert loss_change((), (), ()) is None
    with pytest.raises(DataError, match="not measured on the same passages"):
        loss_change((1.0,), (1.0, 2.0), (1,))


def test_turning_up_heads_that_look_costs_little_on_true_captions_and_much_on_false_ones() -> None:
    """Why the text must be true: on false captions a model that looks must be surprised."""
    model = create("ref-vlm", {})
    text = neutral.captions()
    model.bind(lambda sha256: text.pictures[sha256]())
    assert model.info is not None
    (condition,) = resolve("scale_heads(map=vhd,fraction=0.5,alpha=1.75)", model.info)
    true = list(text.requests)
    false = [
        replace(request, ask=other.ask, document=f"false-{request.document}")
        for request, other in zip(true, true[1:] + true[:1], strict=True)
    ]
    jobs = [
        Job(request, a) for request in (*true, *false) for a in (Condition("baseline"), condition)
    ]
    answers: dict[int, Answer] = {}
    for batch in model.plan(jobs):
        members = [jobs[index] for index in batch]
        answers |= {batch[place]: answer for place, answer in model.answer(members)}

    def moved(start: int) -> LossChange:
        places = range(start, start + 2 * len(true), 2)
        base = neutral.measured("scene captions", [answers[place] for place in places])
        edited = neutral.measured("scene captions", [answers[place + 1] for place in places])
        assert base is not None and edited is not None
        found = loss_change(base.losses, edited.losses, edited.tokens)
        assert found is not None
        return found

    right, wrong = moved(0), moved(2 * len(true))
    assert abs(right.change) < 0.06
    assert right.low is not None and right.high is not None and right.low < 0 < right.high
    assert wrong.change > 0.4 and wrong.low is not None and wrong.low > 0.3
