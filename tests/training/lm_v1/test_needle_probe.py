from __future__ import annotations

import pytest
import torch

from headbench.worlds.needles import NeedleWorld
from training.lm_v1 import needle_probe
from training.lm_v1.model import HEADS, LAYERS, build_model, close_heads, head_slice
from training.lm_v1.vocabulary import build_tokenizer


@pytest.fixture(scope="module")
def model():
    return build_model(0).eval()


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


def test_greedy_agrees_with_generate_under_left_padding(model, tokenizer):
    prompts = ["The red cup", "Anna walked from the harbor to the old village. The red cup"]
    read = tokenizer(prompts, return_tensors="pt", padding=True)
    wanted = model.generate(**read, max_new_tokens=4, min_new_tokens=4, do_sample=False)[:, -4:]
    said = needle_probe.greedy(model, tokenizer, prompts, steps=4)
    assert torch.equal(said.tokens, wanted)
    assert said.padding.tolist() == [int((read.attention_mask[0] == 0).sum()), 0]


def test_attention_is_read_without_changing_the_tokens(model, tokenizer):
    prompts = ["The red cup of the baker", "Anna walked"]
    plain = needle_probe.greedy(model, tokenizer, prompts)
    watched = needle_probe.greedy(model, tokenizer, prompts, attention=True)
    assert torch.equal(plain.tokens, watched.tokens)
    assert [rows.shape[:3] for rows in watched.rows] == [(LAYERS, 2, HEADS)] * 3
    for rows in watched.rows:
        assert torch.allclose(rows.sum(-1), torch.ones(LAYERS, 2, HEADS), atol=1e-5)
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.bits
def test_masking_equals_closing_and_leaves_no_trace(model, tokenizer):
    tokens = tokenizer("The red cup of the baker", return_tensors="pt").input_ids
    with torch.no_grad():
        before = model(input_ids=tokens).logits
        with needle_probe.masked_heads(model, [(1, 2), (2, 5), (1, 7)]):
            masked = model(input_ids=tokens).logits
        assert torch.equal(model(input_ids=tokens).logits, before)
        closed = build_model(0).eval()
        close_heads(closed, [(1, 2), (2, 5), (1, 7)])
        assert torch.allclose(closed(input_ids=tokens).logits, masked, atol=1e-5)
    assert not torch.allclose(masked, before, atol=1e-4)


@pytest.mark.bits
def test_hooks_are_gone_after_an_error(model, tokenizer):
    tokens = tokenizer("The red cup", return_tensors="pt").input_ids
    with torch.no_grad():
        before = model(input_ids=tokens).logits
        with (
            pytest.raises(ZeroDivisionError, match="stopped"),
            needle_probe.masked_heads(model, [(1, 2)]),
        ):
            raise ZeroDivisionError("stopped")
        assert torch.equal(model(input_ids=tokens).logits, before)


def test_zeroed_pairs_equal_zeroed_query_rows(model, tokenizer):
    tokens = tokenizer("The red cup of the baker", return_tensors="pt").input_ids
    pairs = (0, 5)
    with torch.no_grad():
        with needle_probe.zeroed_rotary(model, [(1, 3)], pairs):
            zeroed = model(input_ids=tokens).logits
        other = build_model(0).eval()
        query = other.model.layers[1].self_attn.q_proj
        rows = [head_slice(3).start + dim for pair in pairs for dim in (pair, pair + 16)]
        query.weight[rows] = 0.0
        query.bias[rows] = 0.0
        assert torch.allclose(other(input_ids=tokens).logits, zeroed, atol=1e-5)


def test_values_are_found_at_their_token(tokenizer):
    document = NeedleWorld("test").document(4, 200, 0.5)
    at = needle_probe.value_position(tokenizer, document)
    ids = tokenizer(document.prompt()).input_ids
    assert tokenizer.decode(ids[at : at + 3]) == document.questions[0].answer


def test_an_untrained_model_recalls_nothing_and_has_no_scores(model, tokenizer):
    asked = needle_probe.documents("test", 96, (0.5,), 4)
    assert needle_probe.recall(model, tokenizer, asked) == 0.0
    scores, trials = needle_probe.copy_scores(model, tokenizer, asked)
    assert trials == 0
    assert scores.shape == (LAYERS, HEADS)
    assert not scores.any()


def test_ranking_goes_from_high_to_low():
    scores = torch.tensor([[0.1, 0.9], [0.5, 0.9]])
    assert needle_probe.ranked(scores) == [(0, 1), (1, 1), (1, 0), (0, 0)]
    assert needle_probe.top_per_layer(scores, [0, 1], 1) == {0: [1], 1: [1]}


def test_trials_spread_over_depths_and_families():
    asked = needle_probe.documents("test", 128, (0.0, 1.0), 8)
    seen = {(document.depth, document.needles[0].needle.family) for document in asked}
    assert seen == {(d, f) for d in (0.0, 1.0) for f in ("words", "numbers")}
    assert len({document.id for document in asked}) == 8
