"""VHR by the engine against a second implementation: plain hooks, written for the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForImageTextToText

from headbench._paths import checkpoints_root
from headbench.models.hf.intervene import intervene
from headbench.models.runtime.threads import threads
from headbench.worlds.scene_text import CAPTION_REQUEST, question
from headbench.worlds.scenes import SceneWorld
from training.vlm_v2.scene_rows import prompt, shrink
from training.vlm_v2.visual_heads import Reinforcement, reinforced, watched

ROWS = 6
LAYERS = (0, 1, 2)


@dataclass(frozen=True)
class Batch:
    """The same request about several images: all prompts are equally long."""

    tokens: Tensor  # [row, position]
    images: Tensor  # [row, 3, side, side]
    text_only: Tensor  # [row, position]


@pytest.fixture(scope="module")
def model():
    with threads(1):
        folder = checkpoints_root() / "ref-vlm-v2"
        yield AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module", params=[CAPTION_REQUEST, question("fork")], ids=["chair", "pope"])
def batch(request: Any) -> Batch:
    world = SceneWorld("test")
    images = [shrink(world.pixels(world.scene(seed))) for seed in range(ROWS)]
    return Batch(
        torch.tensor([prompt(request.param)] * ROWS),
        torch.stack([torch.from_numpy(image) for image in images]),
        torch.tensor([prompt(request.param, places=0)] * ROWS),
    )


def oracle(model: Any, batch: Batch, how: Reinforcement) -> Tensor:
    """Logits of the last prompt token ``[row, vocabulary]``, by hooks on the output projections."""
    with watched(model) as z:
        model.model.language_model(input_ids=batch.text_only, use_cache=False)
    how.text_only = [layer[:, -1].clone() for layer in z]
    with reinforced(model, how):
        return model(input_ids=batch.tokens, pixel_values=batch.images).logits[:, -1]


@torch.no_grad()
@pytest.mark.parametrize("alpha", [1.5, 2.0, 3.0])
def test_chosen_heads_and_logits_are_those_of_the_oracle(model, batch: Batch, alpha: float) -> None:
    how = Reinforcement(alpha, layers=LAYERS)
    expected = oracle(model, batch, how)
    with intervene(model, f"vhr(alpha={alpha})") as running:
        found = model(
            input_ids=batch.tokens,
            attention_mask=torch.ones_like(batch.tokens),
            pixel_values=batch.images,
        ).logits[:, -1]
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-4)
    for row in range(ROWS):
        chosen = {layer: how.chosen[layer][row].nonzero().flatten().tolist() for layer in LAYERS}
        found_heads = running.report.chosen(row)
        assert {layer: sorted(found_heads[layer]) for layer in LAYERS} == chosen


@torch.no_grad()
def test_the_oracle_chooses_by_row_and_matters(model, batch: Batch) -> None:
    """A comparison of two things that do nothing would hold too."""
    how = Reinforcement(2.0, layers=LAYERS)
    edited = oracle(model, batch, how)
    plain = model(input_ids=batch.tokens, pixel_values=batch.images).logits[:, -1]
    assert (edited - plain).abs().max() > 0.1
    assert len({tuple(row.tolist()) for row in how.chosen[2]}) > 1
