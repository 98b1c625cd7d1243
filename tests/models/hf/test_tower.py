"""Captures inside the vision tower, against the tower's own eager attention."""

from __future__ import annotations

import pytest
import torch

from headbench.errors import RefusedError
from headbench.interventions.resolve import resolve
from headbench.jobs import Job
from headbench.models.hf.adapter import HFModel
from headbench.nouns import Capture, Request
from helpers_models import BASELINE, answers, images, llama, llava, qwen, request
from helpers_tiny import tiny_llava

STORE = images(2)
PATCHES = Capture("pattern", (0, -1), rows="all", keys="image", tower="vision")
POOLED = Capture("pattern", (0,), rows="all", keys="prompt", pool="mean", tower="vision")
HEADS = Capture("z", (1,), rows="all", tower="vision")
TEXT = Capture("z", (1,), rows="last")


def asked(*captures: Capture, count: int = 1) -> Request:
    content = "<image> " * count + "\nis there a cat?"
    return request(
        content, "represent", images=tuple(STORE)[:count], ask={"captures": list(captures)}
    )


@pytest.fixture(scope="module")
def model() -> HFModel:
    return llava(STORE, attn="headbench")


def test_patterns_and_head_outputs_are_the_towers_own(model: HFModel) -> None:
    plain = tiny_llava().model.vision_tower
    plain.set_attn_implementation("eager")
    pixels = model.preparation.pixels(next(iter(STORE)))["pixel_values"]
    with torch.no_grad():
        own = torch.stack(plain(pixels, output_attentions=True).attentions)[:, 0]
    (found,) = answers(model, [Job(asked(PATCHES, POOLED, HEADS, TEXT), BASELINE)])
    assert found.arrays[PATCHES].shape == (2, 4, 17, 16)  # the class token is row 0, no column
    torch.testing.assert_close(found.arrays[PATCHES], own[..., 1:], atol=1e-5, rtol=0)
    mean = own[:1].mean(2, keepdim=True)
    torch.testing.assert_close(found.arrays[POOLED], mean, atol=1e-5, rtol=0)
    assert found.arrays[HEADS].shape == (1, 17, 4, 8)
    assert found.arrays[TEXT].shape == (1, 1, 4, 12)


@pytest.mark.bits
def test_looking_inside_changes_nothing(model: HFModel) -> None:
    before = model.model.config.vision_config._attn_implementation
    generate = request("<image>\nis there a cat?", images=tuple(STORE)[:1])
    (plain,) = answers(model, [Job(generate, BASELINE)])
    condition = resolve("scale_heads(heads=[[1,1]],alpha=3.0)", model.info)[0]
    one, other = answers(
        model, [Job(asked(PATCHES, TEXT), which) for which in (BASELINE, condition)]
    )
    assert torch.equal(one.arrays[PATCHES], other.arrays[PATCHES])
    assert not torch.equal(one.arrays[TEXT], other.arrays[TEXT])
    assert model.model.config.vision_config._attn_implementation == before
    assert answers(model, [Job(generate, BASELINE)])[0].tokens == plain.tokens


@pytest.mark.parametrize(
    ("capture", "count", "told"),
    [
        (PATCHES, 2, "one image, not at 2"),
        (Capture("z", (0,), tower="vision"), 1, "no last row"),
        (Capture("pattern", (0,), rows="all", tower="vision"), 1, "never captured whole"),
        (Capture("z", (2,), rows="all", tower="vision"), 1, "layer 2 does not exist"),
    ],
)
def test_what_a_tower_has_not_is_refused(
    model: HFModel, capture: Capture, count: int, told: str
) -> None:
    with pytest.raises(RefusedError, match=told):
        answers(model, [Job(asked(capture, count=count), BASELINE)])


def test_packed_towers_and_text_models_are_refused() -> None:
    for other in (qwen(STORE, attn="headbench"), llama(attn="headbench")):
        images_too = other.images
        one = asked(HEADS) if images_too else request("who", "represent", ask={"captures": [HEADS]})
        with pytest.raises(RefusedError, match="no vision tower that takes one image per row"):
            answers(other, [Job(one, BASELINE)])
