from __future__ import annotations

import json
import math

import pytest
import torch

from headbench.errors import RefusedError, StoreError
from training.lm_v1.model import build_model, others
from training.lm_v1.needle_rows import ANSWER, LANGUAGE, NOISE, REPEAT
from training.lm_v1.optimizers import Optimizers, orthogonalise
from training.lm_v1.states import export, load_state, save_state
from training.lm_v1.train import LmConfig, Phase, Stage, smoke, train, weighted_loss
from training.lm_v1.vocabulary import build_tokenizer

TINY = (
    Phase("muon", "muon", 0.02, (Stage(48, 2, 3), Stage(64, 2, 2)), language=0.2, repeats=0.5),
    Phase("closed", "adamw", 1e-3, (Stage(48, 2, 2),), language=0.2, heads="closed"),
    Phase("sparse", "adamw", 1e-3, (Stage(48, 2, 2),), language=1.0, heads="regrown"),
)


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_killed_and_continued_ends_where_an_unbroken_run_ends(tmp_path, monkeypatch):
    settings = {"schedule": TINY, "save_every": 2, "probe_every": 0}
    whole = train(LmConfig(3, tmp_path / "whole", **settings))

    steps = []
    step = Optimizers.step

    def killed(self, scale=1.0):
        steps.append(scale)
        if len(steps) == 4:
            raise KeyboardInterrupt("stopped")
        step(self, scale)

    with monkeypatch.context() as patch:
        patch.setattr(Optimizers, "step", killed)
        with pytest.raises(KeyboardInterrupt, match="stopped"):
            train(LmConfig(3, tmp_path / "broken", **settings))
    continued = train(LmConfig(3, tmp_path / "broken", **settings))
    assert torch.allclose(weights(whole), weights(continued), atol=1e-6)
    events = [json.loads(line) for line in (tmp_path / "broken/log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in events if entry.get("event") == "resumed"] == [2]


def test_heads_are_closed_while_they_should_be(tmp_path):
    train(LmConfig(0, tmp_path, schedule=TINY[:2], probe_every=0))
    model = build_model(0)
    facts, _ = load_state(tmp_path, "closed", model)
    kept = {int(layer): heads for layer, heads in facts["kept_heads"].items()}
    assert {layer: len(heads) for layer, heads in kept.items()} == {1: 2, 2: 2}
    for layer, head in others(kept):
        columns = model.model.layers[layer].self_attn.o_proj.weight[:, head * 32 : (head + 1) * 32]
        assert not columns.any()


def test_each_kind_of_target_has_its_own_mean():
    logits = torch.zeros(1, 5, 4)
    logits[0, 0, 1] = 2.0
    tokens = torch.tensor([[0, 1, 2, 3, 0]])
    roles = torch.tensor([[LANGUAGE, ANSWER, REPEAT, LANGUAGE, NOISE]])
    answer = math.log(math.exp(2.0) + 3) - 2.0
    loss, parts = weighted_loss(logits, tokens, roles, language=0.5)
    assert parts["answer"] == pytest.approx(answer)
    assert float(loss) == pytest.approx(answer + math.log(4) + 0.5 * math.log(4), abs=1e-5)


def test_orthogonalised_matrices_have_even_singular_values():
    torch.manual_seed(0)
    for shape in ((64, 32), (32, 64), (32, 32)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)))
        assert values.max() < 1.3
        assert values.median() > 0.6
    assert not orthogonalise(torch.zeros(4, 4)).any()


def test_a_state_comes_back_as_it_was(tmp_path):
    model = build_model(0)
    save_state(tmp_path, "state", model, {"step": 7}, {"adamw/x/step": torch.tensor(3.0)})
    other = build_model(1)
    facts, optimizer = load_state(tmp_path, "state", other)
    assert facts == {"step": 7}
    assert float(optimizer["adamw/x/step"]) == 3.0
    assert torch.equal(weights(model), weights(other))


def test_a_missing_state_says_what_to_run(tmp_path):
    with pytest.raises(StoreError, match="missing"):
        load_state(tmp_path, "resume", build_model(0))


def test_an_exported_folder_loads_with_standard_classes(tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = build_model(0).eval()
    export(tmp_path / "model", model, build_tokenizer())
    stored = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    read = tokenizer("The red cup", return_tensors="pt")
    with torch.no_grad():
        close = torch.allclose(
            stored(input_ids=read.input_ids).logits,
            model(input_ids=read.input_ids).logits,
            atol=0.05,
        )
    assert close
    assert tokenizer.padding_side == "left"
    assert model.dtype == torch.float32


def test_the_smoke_training_needs_an_empty_folder(tmp_path):
    (tmp_path / "log.jsonl").write_text("{}\n")
    with pytest.raises(RefusedError, match="empty folder"):
        smoke(0, tmp_path)


@pytest.mark.slow
def test_a_minute_of_training_learns(tmp_path):
    assert "recall" in smoke(0, tmp_path)
