from __future__ import annotations

import pytest
import torch

from training.lm_v1.model import (
    HEADS,
    PLANTED_DISTANCES,
    build_model,
    close_heads,
    head_slice,
    hold_planted,
    others,
    regrow_heads,
)
from training.lm_v1.needle_rows import DataSettings, batch


@pytest.fixture(scope="module")
def tokens():
    return torch.from_numpy(batch(DataSettings(48, 2), seed=0, step=0).tokens)


def test_planted_heads_look_back_by_their_distance(tokens):
    model = build_model(0)
    model.set_attn_implementation("eager")
    with torch.no_grad():
        pattern = model.model(input_ids=tokens, output_attentions=True).attentions[0]
    for head, distance in PLANTED_DISTANCES.items():
        looked = torch.diagonal(pattern[:, head], -distance, 1, 2)
        assert looked[:, 4:].min() > 0.9, (head, distance)
    unplanted = torch.diagonal(pattern[:, len(PLANTED_DISTANCES)], -1, 1, 2)
    assert unplanted.mean() < 0.5


def test_the_seed_draws_the_weights():
    first, same, other = build_model(1), build_model(1), build_model(2)
    assert torch.equal(first.lm_head.weight, same.lm_head.weight)
    assert not torch.equal(first.lm_head.weight, other.lm_head.weight)


def test_embeddings_are_untied():
    model = build_model(0)
    with torch.no_grad():
        model.lm_head.weight.zero_()
    assert model.model.embed_tokens.weight.abs().sum() > 0


def test_held_heads_do_not_move(tokens):
    model = build_model(0)
    model(input_ids=tokens, labels=tokens).loss.backward()
    hold_planted(model)
    query = model.model.layers[0].self_attn.q_proj
    for head in range(HEADS):
        moved = bool(query.weight.grad[head_slice(head)].abs().sum() > 0)
        assert moved == (head not in PLANTED_DISTANCES)


def test_closed_heads_write_nothing_and_the_kept_ones_still_do(tokens):
    model = build_model(0)
    closed = others({1: [0, 3]})
    assert [head for _, head in closed] == [1, 2, 4, 5, 6, 7]
    close_heads(model, closed)
    weight = model.model.layers[1].self_attn.o_proj.weight
    for head in range(HEADS):
        assert (weight[:, head_slice(head)].abs().sum() > 0) == (head in (0, 3))
    with torch.no_grad():
        before = model(input_ids=tokens).logits
        model.model.layers[1].self_attn.v_proj.weight[head_slice(1)] += 1.0
        assert torch.equal(model(input_ids=tokens).logits, before)


def test_regrown_heads_start_small_and_kept_heads_stay(tokens):
    model = build_model(0)
    kept = model.model.layers[1].self_attn.o_proj.weight[:, head_slice(0)].clone()
    chosen = others({1: [0]})
    close_heads(model, chosen)
    regrow_heads(model, chosen, torch.Generator().manual_seed(0))
    weight = model.model.layers[1].self_attn.o_proj.weight
    assert torch.equal(weight[:, head_slice(0)], kept)
    regrown = weight[:, head_slice(5)]
    assert 0 < regrown.std() < 0.3 * kept.std()
