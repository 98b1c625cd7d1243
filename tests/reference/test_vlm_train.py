"""Every stage of the training runs, resumes, and touches only what it may."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from headbench.errors import StoreError
from headbench.reference import vlm_train
from headbench.reference.vlm_model import DampedStep
from headbench.reference.vlm_train import SMOKE, VlmConfig, scene_loss, train
from headbench.reference.vocabulary import vocabulary

TINY = replace(SMOKE, tower_steps=2, prior_steps=2, look_steps=3, needles=((128, 1),))


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vlm_train, "SMOKE", TINY)
        mix = vlm_train.SceneMix
        patch.setattr(vlm_train, "WITH_PICTURES", mix(2, 2, 1, 1))
        patch.setattr(vlm_train, "TEXT_ONLY", mix(0, 0, 2, 2))
        yield


@pytest.fixture(scope="module")
def unbroken(quick, tmp_path_factory):
    """Folder and model of one run from start to end."""
    folder = tmp_path_factory.mktemp("run")
    return folder, train(VlmConfig(0, folder, None, smoke=True))


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_a_killed_run_ends_where_an_unbroken_one_does(unbroken, tmp_path, monkeypatch):
    _, whole = unbroken
    broken = VlmConfig(0, tmp_path / "broken", None, smoke=True, save_every=1)
    steps = {"left": 4}
    original = vlm_train._take

    def dies(*given):
        if not steps["left"]:
            raise KeyboardInterrupt
        steps["left"] -= 1
        return original(*given)

    monkeypatch.setattr(vlm_train, "_take", dies)
    with pytest.raises(KeyboardInterrupt):
        train(broken)
    monkeypatch.setattr(vlm_train, "_take", original)
    again = train(broken)
    there = weights(whole)
    assert all(
        torch.allclose(value, there[name], atol=1e-6) for name, value in weights(again).items()
    )
    lines = (tmp_path / "broken" / "log.jsonl").read_text().splitlines()
    assert any(json.loads(line).get("event") == "resumed" for line in lines)


def test_looking_heads_are_silent_after_the_text_stage(unbroken):
    folder, _ = unbroken
    prior = load_file(folder / "prior.safetensors")
    facts = json.loads((folder / "prior.json").read_text())
    assert len(facts["looking_heads"]) == 9
    for layer, head in facts["looking_heads"]:
        columns = prior[f"model.language_model.layers.{layer}.self_attn.o_proj.weight"]
        assert columns[:, 32 * head : 32 * head + 32].abs().max() == 0
    look = load_file(folder / "look.safetensors")
    layer, head = facts["looking_heads"][-1]
    columns = look[f"model.language_model.layers.{layer}.self_attn.o_proj.weight"]
    assert columns[:, 32 * head : 32 * head + 32].abs().max() > 0


def test_the_tower_stays_still_while_text_is_learnt(unbroken):
    folder, _ = unbroken
    tower, prior = (load_file(folder / f"{name}.safetensors") for name in ("tower", "prior"))
    assert all(torch.equal(tower[name], prior[name]) for name in tower if "vision_tower" in name)


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
    logits = torch.zeros(1, 4, 10)
    logits = torch.zeros(1, 4, max(ids.values()) + 1)
    targets = torch.tensor([[ids["yes"], ids["fork"], ids["cup"], -100]])
    total, parts = scene_loss(logits, targets)
    assert float(total) == pytest.approx(parts["answer"] + parts["caption"])
    assert parts["answer"] == pytest.approx(parts["caption"])
