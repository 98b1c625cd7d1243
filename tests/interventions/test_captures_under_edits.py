"""What is captured under an edit is what the model used: pattern times values gives the output."""

from __future__ import annotations

import pytest
import torch

from headbench.interventions.resolve import resolve
from headbench.jobs import Job
from headbench.models.hf.adapter import HFModel
from headbench.nouns import Capture, Request
from helpers_models import images, llama, llava, request

LAYERS = (0, 1)
PATTERN, SCORES = Capture("pattern", LAYERS), Capture("scores", LAYERS)
VALUES, OUTPUT = Capture("v", LAYERS, rows="all"), Capture("z", LAYERS)
TEXT = "one two three four five six seven"
ON_TEXT = (
    "baseline",
    "zerotuning(heads=[[1,0],[0,2]], gamma=4, phase=both)",
    "stream_heads(heads=[[1,0]], first=1, recent=2, phase=both)",
    "rope_zero(heads=[[1,0]], dims=lowest, dose=4, phase=both)",
    "scale_values(heads=[[1,0],[1,1]], alpha=3, phase=both)",
    "zerotuning(heads=[[1,0]], gamma=4, phase=both)"
    "+rope_zero(heads=[[1,0]], dims=highest, dose=4, phase=both)",
)
ON_IMAGES = ("pai(alpha=0.5)", "gift(alpha=3)", "var(tau=1)")


def captured(model: HFModel, asked: Request, edit: str) -> dict[Capture, torch.Tensor]:
    (condition,) = resolve(edit, model.preparation.info)
    ((_, answer),) = model.answer([Job(asked, condition)])
    return dict(answer.arrays)


def asked_for(content: str, picture: str = "") -> Request:
    ask = {"captures": (PATTERN, SCORES, VALUES, OUTPUT)}
    start = content.index("five")  # what gift takes for the question
    return request(
        content,
        "represent",
        images=(picture,) if picture else (),
        spans={"question": ((0, start, len(content)),)},
        ask=ask,
    )


def check(found: dict[Capture, torch.Tensor]) -> None:
    pattern = found[PATTERN][:, :, -1]  # [layer, head, key]
    values = found[VALUES]  # [layer, key, kv head, dim]
    values = values.repeat_interleave(pattern.shape[1] // values.shape[2], 2)
    output = torch.einsum("lhk,lkhd->lhd", pattern, values)
    torch.testing.assert_close(output, found[OUTPUT][:, -1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("edit", ON_TEXT)
def test_pattern_times_values_is_the_output(edit: str) -> None:
    model = llama(attn="headbench")
    plain, found = (captured(model, asked_for(TEXT), one) for one in ("baseline", edit))
    check(found)
    torch.testing.assert_close(
        torch.softmax(found[SCORES], -1), found[PATTERN], atol=1e-5, rtol=1e-4
    )
    if edit != "baseline":
        what = VALUES if "values" in edit else PATTERN
        assert not torch.allclose(found[what], plain[what], atol=1e-3)


@pytest.mark.parametrize("edit", ON_IMAGES)
def test_it_is_with_an_image_too(edit: str) -> None:
    store = images(1)
    model = llava(store, attn="headbench")
    asked = asked_for(f"<image> {TEXT}", next(iter(store)))
    plain, found = (captured(model, asked, one) for one in ("baseline", edit))
    check(found)
    if "var" not in edit:  # a tiny model has no sinks that it could take attention from
        assert not torch.allclose(found[PATTERN], plain[PATTERN], atol=1e-4)
