from __future__ import annotations

import pytest
import torch

from headbench.models.hf import cache, forward
from helpers_models import QUESTIONS, images, llama, llava, qwen, request

STORE = images(3)


def lines(model):
    """Prompts of different lengths, with pictures where the model sees."""
    asked = [request(text) for text in QUESTIONS]
    if model.images:
        asked += [request("<image> who", images=(sha256,)) for sha256 in STORE]
    return [model.desk.line(model.prompter.resolve(one)) for one in asked]


@pytest.mark.parametrize("make", [llama, llava, qwen])
def test_a_batch_prefilled_in_parts_goes_on_like_one_prefilled_whole(make, monkeypatch):
    model = make() if make is llama else make(STORE)
    rows = lines(model)
    whole = model.runner.prefill(rows)
    monkeypatch.setattr(forward, "PREFILL_TOKENS", 48)
    parts = model.runner.parts(rows)
    assert sorted(index for part in parts for index in part) == list(range(len(rows)))
    assert len(parts) > 2
    joined = forward.join(
        [model.runner.prefill([rows[i] for i in part]) for part in parts],
        [index for part in parts for index in part],
    )
    for _ in range(3):
        torch.testing.assert_close(joined.logits, whole.logits, atol=2e-4, rtol=0)
        tokens = whole.logits[:, -1].argmax(-1)
        model.runner.step(joined, tokens)
        model.runner.step(whole, tokens)
    kept = [3, 0, 5]
    model.runner.retire(joined, kept)
    model.runner.step(joined, tokens[kept])
    model.runner.step(whole, tokens)
    torch.testing.assert_close(joined.logits, whole.logits[kept], atol=2e-4, rtol=0)


def test_an_accelerator_prefills_a_batch_at_once(monkeypatch):
    model = llama()
    monkeypatch.setattr(forward, "PREFILL_TOKENS", 8)
    rows = lines(model)
    monkeypatch.setattr(type(model.runner), "device", torch.device("meta"))
    assert model.runner.parts(rows) == [list(range(len(rows)))]


def test_a_model_with_windows_prefills_a_batch_at_once():
    from transformers import MistralConfig, MistralForCausalLM

    from helpers_tiny import text_settings

    settings = text_settings(sliding_window=4)
    settings.pop("attention_bias")
    runner = forward.Runner(MistralForCausalLM(MistralConfig(**settings)).eval(), 0)
    rows = [forward.Line(tuple(range(1, 9))), forward.Line((1, 2, 3))]
    assert runner.parts(rows * 200) == [list(range(400))]
    state = runner.prefill(rows)
    runner.step(state, torch.tensor([5, 6]))
    alone = runner.prefill([forward.Line((1, 2, 3, 6))])
    torch.testing.assert_close(state.logits[1], alone.logits[0], atol=2e-4, rtol=0)


def test_a_step_writes_into_the_room_and_copies_only_when_it_is_full(monkeypatch):
    monkeypatch.setattr(cache, "ROOM", 2)
    layer = cache.RoomyLayer()
    held = torch.randn(2, 3, 4, 5)
    layer.update(held, held)
    places = []
    for _ in range(4):
        new = torch.randn(2, 3, 1, 5)
        held = torch.cat([held, new], dim=2)
        keys, values = layer.update(new, new)
        assert torch.equal(keys, held)
        assert torch.equal(values, held)
        places.append(keys.data_ptr())
    assert places[0] == places[1] == places[2] != places[3]
    layer.batch_select_indices(torch.tensor([1]))
    new = torch.randn(1, 3, 1, 5)
    keys, _ = layer.update(new, new)
    assert torch.equal(keys, torch.cat([held[1:], new], dim=2))
