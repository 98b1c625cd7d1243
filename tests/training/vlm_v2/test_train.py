"""Every stage of the training runs, resumes, and touches only what it may."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from headbench.errors import StoreError
from training.vlm_v2 import train as train_module
from training.vlm_v2.language_model import build_model
from training.vlm_v2.losses import scene_loss
from training.vlm_v2.model import (
    IMAGE_TOKEN_SCALE,
    DampedStep,
    PatchNamer,
    build_vlm,
    scale_image_tokens,
)
from training.vlm_v2.scene_rows import SETTLED_RUNS
from training.vlm_v2.train import SMOKE, VlmConfig, train
from training.vlm_v2.vocabulary import vocabulary

TINY = replace(
    SMOKE, prior_steps=2, tower_steps=2, image_steps=2, steady_steps=2, needles=((128, 1),)
)


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_module, "SMOKE", TINY)
        mix = train_module.SceneMix
        few = (mix(captions=4, captions_text_only=1), mix(questions=2))
        patch.setattr(train_module, "WITH_IMAGES", few)
        patch.setattr(train_module, "SETTLING", few)
        patch.setattr(
            train_module, "TEXT_ONLY", (mix(captions_text_only=2), mix(questions_text_only=2))
        )
        yield


@pytest.fixture(scope="module")
def unbroken(quick, tmp_path_factory):
    """Folder and model of one run from start to end."""
    folder = tmp_path_factory.mktemp("run")
    return folder, train(VlmConfig(0, folder, None, smoke=True))


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize(
    "survived", [1, 3, 5, 6, 7], ids=["prior", "images", "first", "between", "second"]
)
def test_a_killed_run_ends_where_an_unbroken_one_does(unbroken, tmp_path, monkeypatch, survived):
    _, whole = unbroken
    broken = VlmConfig(0, tmp_path / "broken", None, smoke=True, save_every=1)
    steps = {"left": survived}
    original = train_module._take

    def dies(*given):
        if not steps["left"]:
            raise KeyboardInterrupt("stopped")
        steps["left"] -= 1
        return original(*given)

    monkeypatch.setattr(train_module, "_take", dies)
    with pytest.raises(KeyboardInterrupt, match="stopped"):
        train(broken)
    monkeypatch.setattr(train_module, "_take", original)
    again = train(broken)
    there = weights(whole)
    assert all(
        torch.allclose(value, there[name], atol=1e-6) for name, value in weights(again).items()
    )
    lines = (tmp_path / "broken" / "log.jsonl").read_text().splitlines()
    assert any(json.loads(line).get("event") == "resumed" for line in lines)


def test_what_training_gives_is_the_mean_of_the_last_stages(unbroken):
    folder, model = unbroken
    parts = [load_file(folder / f"steady-{index}.safetensors") for index in range(SETTLED_RUNS)]
    given = weights(model)
    apart = 0.0
    for name, value in given.items():
        mean = torch.stack([part[name] for part in parts]).mean(0)
        torch.testing.assert_close(value, mean, atol=1e-6, rtol=0)
        apart = max(apart, float((parts[0][name] - parts[1][name]).abs().max()))
    assert apart > 0
    assert all(
        torch.equal(value, given[name])
        for name, value in load_file(folder / "steady.safetensors").items()
    )


def test_visual_heads_are_silent_after_the_text_stage(unbroken):
    folder, _ = unbroken
    prior = load_file(folder / "prior.safetensors")
    facts = json.loads((folder / "prior.json").read_text())
    assert len(facts["looking_heads"]) == 12
    for layer, head in facts["looking_heads"]:
        columns = prior[f"model.language_model.layers.{layer}.self_attn.o_proj.weight"]
        assert columns[:, 32 * head : 32 * head + 32].abs().max() == 0
    images = load_file(folder / "images.safetensors")
    layer, head = facts["looking_heads"][-1]
    columns = images[f"model.language_model.layers.{layer}.self_attn.o_proj.weight"]
    assert columns[:, 32 * head : 32 * head + 32].abs().max() > 0


def test_the_tower_stays_still_while_text_is_learnt(unbroken):
    folder, _ = unbroken
    fresh = build_vlm(build_model(0).state_dict(), 0).state_dict()
    prior, tower = (load_file(folder / f"{name}.safetensors") for name in ("prior", "tower"))
    inside = [name for name in prior if "vision_tower" in name and "position_ids" not in name]
    assert all(torch.equal(fresh[name], prior[name]) for name in inside)
    assert any(not torch.equal(fresh[name], tower[name]) for name in inside)


def test_the_language_model_stays_still_while_patches_are_read(unbroken):
    folder, _ = unbroken
    prior, tower = (load_file(folder / f"{name}.safetensors") for name in ("prior", "tower"))
    assert all(torch.equal(prior[name], tower[name]) for name in prior if "language_model" in name)


def test_patches_are_named_by_the_nearest_word():
    model = build_vlm(build_model(0).state_dict(), 0)
    reader = PatchNamer(model, [10, 20, 30])
    noise = torch.randn(2, 3, reader.meanings.size(1), generator=torch.Generator().manual_seed(0))
    read = reader.meanings[None] + 0.1 * noise
    assert reader.scores(read).argmax(-1).tolist() == [[0, 1, 2]] * 2
    near = torch.cdist(read, reader.meanings[None].expand(2, -1, -1)).argmin(-1)
    assert torch.equal(near, reader.scores(read).argmax(-1))


def test_raised_pictures_point_where_they_did():
    model = build_vlm(build_model(0).state_dict(), 0)
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = model.get_image_features(images).pooler_output[0]
        scale_image_tokens(model)
        after = model.get_image_features(images).pooler_output[0]
    torch.testing.assert_close(after, IMAGE_TOKEN_SCALE * before, rtol=1e-4, atol=1e-3)


def test_a_real_run_needs_its_language_model(tmp_path):
    with pytest.raises(StoreError, match="language model"):
        train(VlmConfig(0, tmp_path, tmp_path / "nowhere"))


def test_damping_applies_a_share_of_the_update():
    layer = torch.nn.Linear(2, 1, bias=False)
    layer.weight.data[:] = 0.0
    damped = DampedStep(layer, {"weight": torch.tensor([[0.25, 1.0]])})
    damped.remember()
    layer.weight.data += 4.0
    damped.damp()
    assert layer.weight.tolist() == [[1.0, 4.0]]


def test_answers_weigh_as_much_as_captions():
    ids = vocabulary()
    logits = torch.zeros(3, max(ids.values()) + 1)
    wanted = torch.tensor([ids["yes"], ids["fork"], ids["cup"]])
    total, parts = scene_loss(logits, wanted)
    assert float(total) == pytest.approx(parts["answer"] + parts["caption"])
    assert parts["answer"] == pytest.approx(parts["caption"])
