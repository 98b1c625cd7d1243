"""Captures of the gates of mixture layers."""

from __future__ import annotations

import pytest
import torch
from transformers import MixtralConfig, MixtralForCausalLM

from headbench.edits import Edit, Experts, Plan, Scale
from headbench.errors import RefusedError
from headbench.interventions.edits import SequenceEdits
from headbench.jobs import Condition, Job
from headbench.models.hf.adapter import wrap
from headbench.models.hf.engine import Engine
from headbench.nouns import Capture
from helpers_families import BASE, make
from helpers_models import answers, request
from helpers_tiny import tiny_tokenizer

MIXTURES = ["Mixtral", "Qwen3-MoE", "GPT-OSS", "DeepSeek-V3"]
IDS = torch.tensor([[0, 0, 9, 8, 7, 6, 5], [3, 4, 5, 6, 7, 8, 9]])
MASK = torch.tensor([[0, 0, 1, 1, 1, 1, 1], [1] * 7])


@pytest.mark.parametrize("family", MIXTURES)
def test_router_logits_are_captured_row_by_row(family: str) -> None:
    """Left-padded rows equal the model's own recorded logits, an edit below is felt."""
    model = make(family)
    with torch.no_grad():
        own = model.model(
            IDS[1:], output_router_logits=True, use_cache=False, return_dict=True
        ).router_logits
    with Engine(model) as engine:
        layers = tuple(engine.routers)
        assert layers == ((1,) if family == "DeepSeek-V3" else (0, 1))
        every, last = Capture("router", layers, rows="all"), Capture("router", layers)
        rows = [SequenceEdits(Plan(), 5, pad=2), SequenceEdits(Plan(), 7)]
        with torch.no_grad(), engine.capture((every, last), rows) as found:
            model(IDS, attention_mask=MASK)
        logits = torch.stack([part.reshape(7, -1) for part in own])
        assert found[0][every].shape == (len(layers), 5, 4)
        torch.testing.assert_close(found[1][every], logits, atol=1e-4, rtol=0)
        assert torch.equal(found[1][last], found[1][every][:, -1:])
        louder = SequenceEdits(Plan(edits=(Edit("z", Scale(3.0), {0: (0, 1)}),)), 7)
        with torch.no_grad(), engine.capture((every,), [louder]) as edited:
            model(IDS[1:])
        assert not torch.allclose(edited[0][every][-1], logits[-1], atol=1e-3)


def test_gates_of_generated_tokens_join_the_steps() -> None:
    model = make("Mixtral")
    capture = Capture("router", (1,), rows="all")
    with Engine(model) as engine, engine.capture((capture,), [SequenceEdits(Plan(), 7)]) as found:
        out = model.generate(IDS[1:], max_new_tokens=4, min_new_tokens=4, do_sample=False)
    with torch.no_grad():
        own = model.model(out[:, :-1], output_router_logits=True, use_cache=False).router_logits
    torch.testing.assert_close(found[0][capture][0], own[1].reshape(10, -1), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("family", "layers", "told"),
    [("Llama", (0,), "declares no router"), ("DeepSeek-V3", (0, 1), "has no router")],
)
def test_layers_and_models_without_experts_are_refused(
    family: str, layers: tuple[int, ...], told: str
) -> None:
    with (
        Engine(make(family)) as engine,
        pytest.raises(RefusedError, match=told),
        engine.capture((Capture("router", layers),), [SequenceEdits(Plan(), 7)]),
    ):
        pass


def test_a_represent_request_asks_for_gates() -> None:
    torch.manual_seed(0)
    settings = BASE | {"vocab_size": len(tiny_tokenizer())}
    mixtral = MixtralForCausalLM(MixtralConfig(**settings, num_local_experts=4)).eval()
    model = wrap(mixtral, tiny_tokenizer(), attn="headbench")
    top = Capture("router", (-1,))
    asked = request("who is there?", "represent", ask={"captures": [top]})
    (found,) = answers(model, [Job(asked, Condition("baseline"))])
    assert found.arrays[top].shape == (1, 1, 4)


def test_gates_are_not_edited() -> None:
    edit = Edit("router", Experts((0,), (), "zero_renorm"), {0: ()})
    with (
        Engine(make("Mixtral")) as engine,
        pytest.raises(RefusedError, match="read, not edited"),
        engine.attach([SequenceEdits(Plan(edits=(edit,)), 7)]),
    ):
        pass
